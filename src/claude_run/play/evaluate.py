"""What became of a conversation: its expectations evaluated, and its end put into words. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from claude_run.checks.subject import Subject
from claude_run.conversation.exchange import CUT_INPUT
from claude_run.conversation.results import CheckResult, Outcome, Status, outcome_of
from claude_run.conversation.steps import StopKind
from claude_run.scenario.model import UserTurn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from claude_run.checks.judge_question import Grades
    from claude_run.conversation.script import Conversation
    from claude_run.conversation.steps import Stop
    from claude_run.conversation.transcript import Transcript
    from claude_run.scenario.model import Expectation, Turn

    Evaluate: TypeAlias = Callable[[Expectation, Subject], CheckResult]

_EXPLAIN_THE_END = {"refusal", "stop_reason"}
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


def evaluate_expectations(
    conversation: Conversation,
    transcript: Transcript,
    *,
    end: End,
    evaluate: Evaluate,
    grades: Grades,
) -> Evaluation:
    """Evaluate every expectation whose reply is there.

    The expectations on the whole are evaluated only where the script was played to its end: a part of a
    conversation proves nothing about all of it.
    """
    turn_checks = tuple(
        (index, _turn_results(conversation.turns[index], index, subject, end=end, evaluate=evaluate))
        for index, subject in _subjects(transcript, grades)
    )
    error_turn, error = _error(conversation, transcript, end)
    whole = error is None and all(record.sent for record in transcript.turns)
    subject = replace(Subject.of_conversation(transcript.turns), grades=grades.get(None, {}))
    checks = tuple(evaluate(expectation, subject) for expectation in conversation.expect) if whole else ()
    results = [*checks, *(result for _, turn_results in turn_checks for result in turn_results)]
    return Evaluation(
        turn_checks=turn_checks,
        checks=checks,
        outcome=outcome_of(results, error),
        error=error,
        error_turn=error_turn,
        warnings=tuple(_warnings(conversation, transcript)),
    )


def _subjects(transcript: Transcript, grades: Grades) -> Iterator[tuple[int, Subject]]:
    for index, record in enumerate(transcript.turns):
        if record.exchanges:
            yield index, replace(Subject.of_turn(record), grades=grades.get(index, {}))


def _turn_results(
    turn: Turn, index: int, subject: Subject, *, end: End, evaluate: Evaluate
) -> tuple[CheckResult, ...]:
    if not isinstance(turn, UserTurn):
        return ()
    results = tuple(evaluate(expectation, subject) for expectation in turn.expect)
    return results if end.stop is None or end.stop.turn != index else (*results, *_unwritten(turn, end.stop))


def _unwritten(turn: UserTurn, stop: Stop) -> tuple[CheckResult, ...]:
    """Return the failed check that a refusal or an unmatched `save` is, though nobody wrote it down."""
    if stop.kind is StopKind.NOT_SAVED:
        position = turn.save[0].position
        return (CheckResult(kind="save", status=Status.FAILED, message=stop.message, position=position),)
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


def _error(conversation: Conversation, transcript: Transcript, end: End) -> tuple[int | None, str | None]:
    """Return the turn and the words of what kept the conversation from being measured."""
    if end.problem is not None:
        return end.problem_turn, end.problem
    stop = end.stop
    if stop is None or stop.kind is StopKind.NOT_SAVED:
        return None, None
    turn = conversation.turns[stop.turn]
    expected = isinstance(turn, UserTurn) and _explains_the_end(turn.expect)
    unsent = any(not record.sent for record in transcript.turns[stop.turn :])
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
    if not all(exchange.reply.usage.known for exchange in transcript.judge_exchanges):
        yield "a judge's answer does not say how many tokens it used: its cost is unknown"
    if any(exchange.reply.had_credential for exchange in transcript.judge_exchanges):
        yield f"a judge's answer: {_CREDENTIAL}"


def _explains_the_end(expectations: Iterable[Expectation]) -> bool:
    return any(e.kind in _EXPLAIN_THE_END or _explains_the_end(e.children) for e in expectations)
