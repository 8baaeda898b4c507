"""What became of a conversation: its expectations evaluated, and its end put into words. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from claude_run.checks.output_format import OUTPUT_FORMAT, asked_schema, judge_output
from claude_run.checks.subject import Subject
from claude_run.conversation.exchange import CUT_INPUT
from claude_run.conversation.results import CheckResult, Outcome, Status, outcome_of
from claude_run.conversation.steps import StopKind
from claude_run.conversation.tools import tool_calls
from claude_run.scenario.model import UserTurn, turn_number
from claude_run.text.strict_json import join_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from claude_run.checks.judge_question import Grades
    from claude_run.checks.kind import Finding
    from claude_run.conversation.script import Conversation
    from claude_run.conversation.steps import Stop
    from claude_run.conversation.transcript import Transcript, TurnRecord
    from claude_run.scenario.model import Expectation, Turn

    Evaluate: TypeAlias = Callable[[Expectation, Subject], CheckResult]
    Findings: TypeAlias = Mapping[int | None, Mapping[str, Finding]]

_EXPLAIN_THE_END = {"refusal", "stop_reason"}
# What ends a conversation because of what the model said is a failed check, and no error.
_FAILED = frozenset({StopKind.NOT_SAVED, StopKind.NO_TOOL_RESULT})
# The reasons for which a reply ends that is an answer.
_ANSWERED = frozenset({"end_turn", "stop_sequence"})
_CREDENTIAL = "the credential in use stood in the reply and was replaced as it came in, by [redacted]"


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How playing ended: `stop` cut the script short, or `problem` says why a turn could not be played."""

    stop: Stop | None = None
    problem: str | None = None
    problem_turn: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The results by turn index and on the whole, the outcome, and what a person should know besides."""

    turn_checks: tuple[tuple[int, tuple[CheckResult, ...]], ...]
    checks: tuple[CheckResult, ...]
    outcome: Outcome
    error: str | None
    error_turn: int | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is judged by a list of expectations: the reply to a turn, or with `index` None the whole."""

    index: int | None
    expectations: Sequence[Expectation]
    subject: Subject


def judged_parts(conversation: Conversation, transcript: Transcript, end: End) -> Iterator[Part]:
    """Yield what is judged: every reply that is there, and the whole where the script was played to its end.

    A part of a conversation proves nothing about all of it.
    """
    for index, record in enumerate(transcript.turns):
        turn = conversation.turns[index]
        if record.exchanges and isinstance(turn, UserTurn):
            yield Part(index=index, expectations=turn.expect, subject=Subject.of_turn(record))
    _, error = _error(conversation, transcript, end)
    if error is None and transcript.played_out:
        whole = Subject.of_conversation(transcript.turns)
        yield Part(index=None, expectations=conversation.expect, subject=whole)


def evaluate_expectations(  # noqa: PLR0913 - keywords, but for what was played
    conversation: Conversation,
    transcript: Transcript,
    *,
    end: End,
    parts: Iterable[Part],
    evaluate: Evaluate,
    grades: Grades,
    findings: Findings,
) -> Evaluation:
    """Evaluate every expectation on the parts, with what judges and own checks have said of them."""
    turn_checks: list[tuple[int, tuple[CheckResult, ...]]] = []
    checks: tuple[CheckResult, ...] = ()
    for part in parts:
        index = part.index
        subject = part.subject
        if grades or findings:
            subject = replace(subject, grades=grades.get(index, {}), findings=findings.get(index, {}))
        results = tuple(evaluate(expectation, subject) for expectation in part.expectations)
        if index is None:
            checks = results
        else:
            unwritten = _unwritten(conversation.turns[index], index, end.stop)
            form = _output_format(conversation, transcript.turns[index])
            turn_checks.append((index, (*results, *unwritten, *form)))
    error_turn, error = _error(conversation, transcript, end)
    return Evaluation(
        turn_checks=tuple(turn_checks),
        checks=checks,
        outcome=outcome_of([*checks, *(one for _, found in turn_checks for one in found)], error),
        error=error,
        error_turn=error_turn,
        warnings=tuple(_warnings(conversation, transcript)),
    )


def _unwritten(turn: Turn, index: int, stop: Stop | None) -> tuple[CheckResult, ...]:
    """Return the failed check that is written nowhere: a refusal, a wrong call, an unmatched `save`."""
    if stop is None or stop.turn != index or not isinstance(turn, UserTurn):
        return ()
    if stop.kind is StopKind.NOT_SAVED:
        position = turn.save[0].position
        return (CheckResult(kind="save", status=Status.FAILED, message=stop.message, position=position),)
    if stop.kind is StopKind.NO_TOOL_RESULT:
        # A wrong call is the model's mistake, and what a scenario with tools is for.
        wrong = CheckResult(
            kind="tool_results", status=Status.FAILED, message=stop.message, position=turn.position
        )
        return (wrong,)
    if stop.kind is StopKind.REFUSED and not _explains_the_end(turn.expect):
        refused = CheckResult(
            kind="refusal",
            status=Status.FAILED,
            message=stop.message,
            expected=False,
            actual=True,
            position=turn.position,
        )
        return (refused,)
    return ()


def _output_format(conversation: Conversation, record: TurnRecord) -> tuple[CheckResult, ...]:
    """Return the failed check of a reply that has not the form that its request asked for.

    A refusal has none, and neither has a call of a tool. A reply that was cut off has none by chance alone;
    whoever expects the cut knows of it.
    """
    schema, reply = asked_schema(conversation.params), record.reply
    turn = conversation.turns[record.index]
    if schema is None or reply is None or not isinstance(turn, UserTurn):
        return ()
    cut_off = reply.stop_reason == "max_tokens"
    if not cut_off and reply.stop_reason not in _ANSWERED:
        return ()
    if tool_calls(reply.content) or (cut_off and _explains_the_end(turn.expect)):
        return ()
    # What was said before the last results of tools came is no part of the answer.
    said: list[str] = []
    for exchange in reversed(record.exchanges):
        if said and exchange.reply.stop_reason != "pause_turn":
            break
        said.append(exchange.reply.text)
    limit = conversation.params.get("max_tokens") if cut_off else None
    found = judge_output(schema, join_text(reversed(said)), limit=limit)
    if found.status is Status.PASSED:
        return ()
    result = CheckResult(
        kind=OUTPUT_FORMAT,
        status=found.status,
        message=found.message,
        expected=found.expected,
        actual=found.actual,
        position=turn.position,
    )
    return (result,)


def _error(conversation: Conversation, transcript: Transcript, end: End) -> tuple[int | None, str | None]:
    """Return the turn and the words of what kept the conversation from being measured."""
    if end.problem is not None:
        return end.problem_turn, end.problem
    stop = end.stop
    if stop is None or stop.kind in _FAILED:
        return None, None
    turn = conversation.turns[stop.turn]
    expected = isinstance(turn, UserTurn) and _explains_the_end(turn.expect)
    unsent = not transcript.played_out
    failed_already = stop.kind is StopKind.REFUSED and not expected
    if failed_already or (expected and not unsent):
        return None, None
    return stop.turn, stop.message + (", so the turns after it were not sent" if unsent else "")


def _warnings(conversation: Conversation, transcript: Transcript) -> Iterator[str]:
    for record in transcript.turns:
        if record.reply is not None and record.reply.stop_reason == "max_tokens":
            limit = conversation.params.get("max_tokens")
            yield f"turn {record.number}: the reply was cut off at max_tokens ({limit})"
        replies = [exchange.reply for exchange in record.exchanges]
        if not all(reply.usage.known for reply in replies):
            yield f"turn {record.number}: the reply does not say how many tokens it used: its cost is unknown"
        if any(reply.had_credential for reply in replies):
            yield f"turn {record.number}: {_CREDENTIAL}"
        # What a newer API adds is kept and sent back, and somebody should know of it.
        for kind in dict.fromkeys(kind for reply in replies for kind in reply.unknown_kinds):
            yield f"turn {record.number}: the reply holds a block of the unknown type {kind!r:.80}"
        for kind in dict.fromkeys(kind for reply in replies for kind in reply.unread_deltas):
            if kind == CUT_INPUT:
                yield f"turn {record.number}: the reply was cut off in a tool's input, which is kept as text"
            else:
                yield f"turn {record.number}: the stream changes a block in the unknown way {kind!r:.80}"
    yield from _other_warnings(transcript)


def _other_warnings(transcript: Transcript) -> Iterator[str]:
    for exchange in transcript.set_aside:
        number = turn_number(exchange.turn)
        yield f"turn {number}: a reply that could not be used was set aside and asked for again; both count"
    if not all(exchange.reply.usage.known for exchange in transcript.judge_exchanges):
        yield "a judge's answer does not say how many tokens it used: its cost is unknown"
    if any(exchange.reply.had_credential for exchange in transcript.judge_exchanges):
        yield f"a judge's answer: {_CREDENTIAL}"


def _explains_the_end(expectations: Iterable[Expectation]) -> bool:
    return any(e.kind in _EXPLAIN_THE_END or _explains_the_end(e.children) for e in expectations)
