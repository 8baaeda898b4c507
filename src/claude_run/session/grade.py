"""How well a judge agrees with people: it grades labelled replies, as part of an ordinary run."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from claude_run.checks.judge_check import NAME as JUDGE
from claude_run.checks.registry import default_registry
from claude_run.conversation.events import Asked, Replied, Started
from claude_run.conversation.exchange import Reply, SentMessage
from claude_run.conversation.identity import Identity
from claude_run.conversation.log import ConversationLog
from claude_run.conversation.results import Outcome
from claude_run.conversation.script import Conversation
from claude_run.errors import InputError
from claude_run.plan.matrix import Plan
from claude_run.record.disk import read_file
from claude_run.record.folder import outputs
from claude_run.record.recording import Recording
from claude_run.scenario.diagnostics import Diagnostic, InvalidScenarioError, Window
from claude_run.scenario.model import Expectation, Graders, Position, Text, UserTurn
from claude_run.session.play import RunInputs, RunResult, play_new, stamp
from claude_run.session.prepare import Prepared, recorded, refuse_unpriced, with_standing_runs
from claude_run.text.strict_json import DuplicateKeyError, read_json
from claude_run.verdict.agreement import agreement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from claude_run.conversation.events import Event
    from claude_run.session.play import RunObserver
    from claude_run.session.request import RunRequest
    from claude_run.session.world import World
    from claude_run.verdict.agreement import Agreement


_NAME = "judge-eval"
_KEYS = frozenset({"prompt", "reply", "rubric", "question", "label", "id"})
_LABELS = {"pass": True, "fail": False}
_HINT = 'write {"prompt": ..., "reply": ..., "rubric": ..., "label": "pass"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A conversation of one turn to be judged, with the label as its only tag, and the reply that it got."""

    conversation: Conversation
    reply: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grades:
    """How often a judge agreed with people, and how many replies it could not grade."""

    agreement: Agreement | None
    missing: int


def read_labels(path: str, judges: Sequence[str]) -> tuple[Labelled, ...]:
    """Read a JSON Lines file of labelled replies.

    Each line holds `reply`, `label` (pass or fail), one of `rubric` and `question`, and may hold `prompt`
    (what was asked) and `id`. InvalidScenarioError lists every line that does not fit.
    """
    problems: list[Diagnostic] = []
    found: dict[str, Labelled] = {}
    for number, line in enumerate(_lines(path), start=1):
        position = Position(path=path, line=number, column=1)
        if not line.strip():
            continue
        value, problem = _object(line)
        name = str(value.get("id", number))
        if problem is None and (name in found or "/" in name):
            problem = f"the id {name!r} is there already, or holds a slash"
        if problem is not None:
            problems.append(
                Diagnostic(position=position, message=problem, hint=_HINT, window=Window.around(line, 0))
            )
        else:
            found[name] = _labelled(value, name, position=position, judges=judges)
    if problems or not found:
        empty = Diagnostic(
            position=Position(path=path, line=1, column=1), message="there is no labelled reply", hint=_HINT
        )
        raise InvalidScenarioError(problems or [empty])
    return tuple(found.values())


def prepare_grading(path: str, request: RunRequest) -> tuple[Prepared, tuple[Labelled, ...]]:
    """Read labelled replies and plan one conversation for each; InputError where no judge is named."""
    if not request.judge_models:
        raise InputError("no judge: name the model with --judge-model")
    request = with_standing_runs(request)
    labels = read_labels(path, request.judge_models)
    conversations = tuple(label.conversation for label in labels)
    digest = hashlib.sha256(read_file(Path(path))).hexdigest()
    plan = Plan(conversations=conversations, pass_rates={_NAME: 0.0}, files={path: digest})
    refuse_unpriced(request, plan)
    prepared = Prepared(request=request, scenarios=(), plan=plan, registry=default_registry(), labels=path)
    return prepared, labels


async def grade(
    prepared: Prepared, labels: tuple[Labelled, ...], observer: RunObserver, world: World
) -> RunResult:
    """Let the judge grade every labelled reply; `grades_of` says how often it agrees."""
    request = prepared.request
    histories = recorded(request, observer.warn)
    recording = Recording(histories) if histories else None
    inputs = with_labels(RunInputs(prepared=prepared, recording=recording), labels, now=world.clock.now())
    # `outputs/latest` still points to the last run of scenarios.
    out = request.out or outputs() / f"{stamp()}-{_NAME}-{secrets.token_hex(2)}"
    return await play_new(inputs, observer, world, name=_NAME, out=out, latest=False)


def with_labels(inputs: RunInputs, labels: Sequence[Labelled], *, now: str) -> RunInputs:
    """Add the labelled replies, which cost nothing and are not sent, as far as a journal lacks them."""
    earlier, begin = dict(inputs.earlier), list(inputs.begin)
    for label in labels:
        name = label.conversation.id
        if name not in inputs.done:
            log = earlier.setdefault(name, ConversationLog())
            for event in _unwritten(label, log, now=now):
                log.append(event)
                begin.append(event)
    return replace(inputs, earlier=earlier, begin=begin)


def grades_of(result: RunResult) -> Grades | None:
    """Return how often the judge agreed in a run that held one against people; None for any other run."""
    if result.played.summary.run.labels is None:
        return None
    records = result.played.records
    measured = (record for record in records if record.outcome in {Outcome.PASSED, Outcome.FAILED})
    graded = [
        (_LABELS[transcript.started.tags[0]], transcript.outcome is Outcome.PASSED)
        for record in measured
        if (transcript := record.transcript) is not None
    ]
    return Grades(agreement=agreement(graded) if graded else None, missing=len(records) - len(graded))


def _unwritten(label: Labelled, log: ConversationLog, *, now: str) -> tuple[Event, ...]:
    """Return the events that make a labelled reply of a log: all, or what a process was killed before."""
    started, asked, replied = _spoken(label, now)
    if log.started is None:
        return started, asked, replied
    if log.exchanges:
        return ()
    return (replied,) if log.was_asked(label.conversation.id) else (asked, replied)


def _spoken(label: Labelled, now: str) -> tuple[Event, Event, Event]:
    """Return the events of a conversation whose reply is already there: it costs nothing and is not sent."""
    conversation = label.conversation
    sent = (SentMessage(turn=0, role="user", content=str(conversation.vars["prompt"])),)
    reply = Reply.from_body(
        {
            "id": "labelled",
            "type": "message",
            "role": "assistant",
            "model": conversation.model,
            "content": [{"type": "text", "text": label.reply}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }
    )
    started = Started(
        identity=conversation.identity,
        vars=conversation.vars,
        tags=conversation.tags,
        system=None,
        params=conversation.params,
        roles=("user",),
        expectations=conversation.expectations_digest,
        at=now,
    )
    replied = Replied(
        conversation_id=conversation.id,
        turn=0,
        key=conversation.id,
        n=0,
        reply=reply,
        request_id=None,
        latency_s=0.0,
        cost_usd=Decimal(0),
        simulated=False,
        replayed=False,
        at=now,
    )
    asked = Asked(conversation_id=conversation.id, turn=0, key=conversation.id, sent=sent)
    return (started, asked, replied)


def _lines(path: str) -> list[str]:
    try:
        return read_file(Path(path)).decode().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        position = Position(path=path, line=1, column=1)
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        message = f"the file cannot be read: {reason}"
        problem = Diagnostic(position=position, message=message, hint="check the path")
        raise InvalidScenarioError([problem]) from error


def _object(line: str) -> tuple[Mapping[str, object], str | None]:
    """Return the object that a line holds, and what is wrong with it."""
    try:
        value = read_json(line, unique_keys=True)
    except DuplicateKeyError as error:
        return {}, str(error)
    except ValueError:
        value = None
    if not isinstance(value, dict) or not value:
        return {}, "this line is not a JSON object"
    return value, _problem(value)


def _problem(value: Mapping[str, object]) -> str | None:
    unknown = sorted(set(value) - _KEYS)
    if unknown:
        return f"unknown key `{unknown[0]}`"
    if ("rubric" in value) == ("question" in value):
        return "exactly one of `rubric` and `question` is needed"
    needed = ("reply", "rubric" if "rubric" in value else "question")
    texts = {**{name: value.get(name) or None for name in needed}, "prompt": value.get("prompt", "")}
    wrong = next((name for name, text in texts.items() if not isinstance(text, str)), None)
    if wrong is not None:
        return f"`{wrong}` must be text"
    if isinstance(value.get("id"), bool) or not isinstance(value.get("id", ""), str | int):
        return "`id` must be text or a whole number"
    if value.get("label") not in tuple(_LABELS):
        return "`label` must be pass or fail"
    return None


def _labelled(
    value: Mapping[str, object], name: str, *, position: Position, judges: Sequence[str]
) -> Labelled:
    form = "rubric" if "rubric" in value else "question"
    # Texts of the file come in as values: those are data, whatever braces they hold.
    expectation = Expectation(kind=JUDGE, value={form: "{{ criterion }}"}, position=position)
    prompt = Text(source="{{ prompt }}", position=position)
    return Labelled(
        conversation=Conversation(
            identity=Identity(
                id=f"{_NAME}/{name}",
                scenario=_NAME,
                path=position.path,
                case=name,
                model=judges[0],
                model_label=judges[0],
            ),
            position=position,
            tags=(str(value["label"]),),
            vars={"prompt": str(value.get("prompt", "")), "criterion": str(value[form])},
            params={"max_tokens": 1},
            cache="off",
            turns=(UserTurn(content=prompt, expect=(expectation,), position=position),),
            judge=Graders(models=tuple(judges)),
        ),
        reply=str(value["reply"]),
    )
