"""How well a judge agrees with people: it grades labelled replies, as part of an ordinary run."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from claude_run.checks.registry import default_registry
from claude_run.conversation.events import Asked, Replied, Started
from claude_run.conversation.exchange import Reply, SentMessage
from claude_run.conversation.log import ConversationLog
from claude_run.conversation.results import Outcome
from claude_run.errors import InputError
from claude_run.plan.matrix import Plan
from claude_run.play.labels import read_labels
from claude_run.record.folder import OUTPUTS
from claude_run.record.recording import Recording
from claude_run.session.play import RunInputs, RunResult, play_new, stamp
from claude_run.session.prepare import Prepared, refuse_unpriced
from claude_run.verdict.agreement import agreement

if TYPE_CHECKING:
    from claude_run.conversation.events import Event
    from claude_run.play.labels import Labelled
    from claude_run.session.play import RunObserver
    from claude_run.session.request import RunRequest
    from claude_run.session.world import World
    from claude_run.verdict.agreement import Agreement


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """The run in which a judge graded, how often it agreed, and how many replies it could not grade."""

    result: RunResult
    agreement: Agreement | None
    missing: int


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
    # Named here, so that `outputs/latest` still points to the last run of scenarios.
    out = request.out or OUTPUTS / f"{stamp()}-judge-eval-{secrets.token_hex(2)}"
    result = await play_new(inputs, observer, world, name="judge-eval", out=out)

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
            "model": "labelled",
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
