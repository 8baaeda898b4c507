"""How well a judge agrees with people: it grades labelled replies, as part of an ordinary run."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from claude_run.checks.judge_check import NAME
from claude_run.checks.registry import default_registry
from claude_run.conversation.events import Asked, Replied, Started
from claude_run.conversation.exchange import Reply, SentMessage
from claude_run.conversation.identity import Identity
from claude_run.conversation.log import ConversationLog
from claude_run.conversation.results import Outcome
from claude_run.conversation.script import Conversation
from claude_run.errors import InputError
from claude_run.plan.matrix import Plan
from claude_run.record.folder import outputs
from claude_run.record.recording import Recording
from claude_run.scenario.diagnostics import Diagnostic, InvalidScenarioError, Window
from claude_run.scenario.model import Expectation, Graders, Position, Text, UserTurn
from claude_run.session.play import RunInputs, RunResult, play_new, stamp
from claude_run.session.prepare import Prepared, refuse_unpriced
from claude_run.text.strict_json import DuplicateKeyError, read_json
from claude_run.verdict.agreement import agreement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from claude_run.conversation.events import Event
    from claude_run.session.play import RunObserver
    from claude_run.session.request import RunRequest
    from claude_run.session.world import World
    from claude_run.verdict.agreement import Agreement


_KEYS = frozenset({"prompt", "reply", "rubric", "question", "label", "id"})
_LABELS = {"pass": True, "fail": False}
_HINT = 'write {"prompt": ..., "reply": ..., "rubric": ..., "label": "pass"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A conversation of one turn to be judged, the reply that it got, and what a person said of it."""

    conversation: Conversation
    reply: str
    label: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """The run in which a judge graded, how often it agreed, and how many replies it could not grade."""

    result: RunResult
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
    labels = read_labels(path, request.judge_models)
    conversations = tuple(label.conversation for label in labels)
    plan = Plan(conversations=conversations, pass_rates={"judge-eval": 0.0}, files={})
    refuse_unpriced(request, plan)
    return Prepared(request=request, scenarios=(), plan=plan, registry=default_registry()), labels


async def grade(
    prepared: Prepared, labels: tuple[Labelled, ...], observer: RunObserver, world: World
) -> Graded:
    """Let the judge grade every labelled reply, and measure how often it agrees."""
    request, now = prepared.request, world.clock.now()
    spoken = {label.conversation.id: _spoken(label, now) for label in labels}
    path = request.replay or request.reuse
    inputs = RunInputs(
        prepared=prepared,
        earlier={name: ConversationLog(events) for name, events in spoken.items()},
        recording=None if path is None else Recording.open(path),
        begin=[event for events in spoken.values() for event in events],
    )
    # `outputs/latest` still points to the last run of scenarios.
    out = request.out or outputs() / f"{stamp()}-judge-eval-{secrets.token_hex(2)}"
    result = await play_new(inputs, observer, world, name="judge-eval", out=out, latest=False)

    outcomes = {record.planned.id: record.outcome for record in result.played.records}
    graded = [
        (label.label, outcomes[label.conversation.id] is Outcome.PASSED)
        for label in labels
        if outcomes[label.conversation.id] in {Outcome.PASSED, Outcome.FAILED}
    ]
    return Graded(
        result=result,
        agreement=agreement(graded) if graded else None,
        missing=len(labels) - len(graded),
    )


def _spoken(label: Labelled, now: str) -> tuple[Event, ...]:
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
        tags=(),
        system=None,
        params=conversation.params,
        roles=("user",),
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
        return Path(path).read_text(encoding="utf-8").split("\n")
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
    if value.get("label") not in tuple(_LABELS):
        return "`label` must be pass or fail"
    return None


def _labelled(
    value: Mapping[str, object], name: str, *, position: Position, judges: Sequence[str]
) -> Labelled:
    form = "rubric" if "rubric" in value else "question"
    # Texts of the file come in as values: those are data, whatever braces they hold.
    expectation = Expectation(kind=NAME, value={form: "{{ criterion }}"}, position=position)
    prompt = Text(source="{{ prompt }}", position=position)
    return Labelled(
        conversation=Conversation(
            identity=Identity(
                id=f"judge-eval/{name}",
                scenario="judge-eval",
                path=position.path,
                case=name,
                model=judges[0],
                model_label=judges[0],
            ),
            position=position,
            vars={"prompt": str(value.get("prompt", "")), "criterion": str(value[form])},
            params={"max_tokens": 1},
            cache="off",
            turns=(UserTurn(content=prompt, expect=(expectation,), position=position),),
            judge=Graders(models=tuple(judges)),
        ),
        reply=str(value["reply"]),
        label=_LABELS[str(value["label"])],
    )
