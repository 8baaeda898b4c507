"""`judge-eval`: how well a judge agrees with people, measured on labelled replies."""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from claude_run import __version__
from claude_run.checks.registry import default_registry
from claude_run.cli.looks import Looks
from claude_run.cli.planning import Prepared, refuse_unpriced
from claude_run.cli.playing import Job, Scene, connect, perform
from claude_run.cli.reports import finish
from claude_run.cli.talk import complain, say, say_json
from claude_run.cli.terminal import Terminal
from claude_run.conversation.events import Asked, Replied, Started
from claude_run.conversation.exchange import Reply, SentMessage
from claude_run.conversation.log import ConversationLog
from claude_run.conversation.results import Outcome
from claude_run.errors import InputError
from claude_run.plan.matrix import Plan
from claude_run.plan.prices import price_table
from claude_run.play.labels import read_labels
from claude_run.record.derive import read_played
from claude_run.record.folder import OUTPUTS, RunFolder
from claude_run.record.recording import Recording
from claude_run.record.redact import Redactor
from claude_run.record.run import Run
from claude_run.text.visible import count
from claude_run.verdict.agreement import agreement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.cli.options import RunOptions
    from claude_run.cli.wiring import World
    from claude_run.conversation.events import Event
    from claude_run.play.labels import Labelled
    from claude_run.record.derive import Played
    from claude_run.scenario.model import JsonObject
    from claude_run.verdict.agreement import Agreement


def judge_eval(path: str, options: RunOptions, world: World) -> int:
    """Let the judge grade every labelled reply, and print how often it agrees; 0 if all were graded."""
    if not options.judge_models:
        raise InputError("no judge: name the model with --judge-model")
    labels = read_labels(path, options.judge_models)
    plan = Plan(
        conversations=tuple(label.conversation for label in labels), pass_rates={"judge-eval": 0.0}, files={}
    )
    refuse_unpriced(options, plan)
    ready = Prepared(options=options, scenarios=(), plan=plan, registry=default_registry(), baseline=None)
    folder = asyncio.run(_grade(ready, labels, world))
    code = finish(folder, Terminal.of(options), options.without_json())
    _report(read_played(folder), labels, as_json=options.json)
    return code


async def _grade(ready: Prepared, labels: Sequence[Labelled], world: World) -> RunFolder:
    options, now = ready.options, world.clock.now()
    earlier = {label.conversation.id: _spoken(label, now) for label in labels}
    logs = {name: ConversationLog(events) for name, events in earlier.items()}
    async with AsyncExitStack() as stack:
        messages = await connect(options, ready.plan.conversations, stack)
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
        folder = RunFolder.create(
            _run_of(ready, now),
            # Named here, so that `outputs/latest` still points to the last run of scenarios.
            out=options.out or OUTPUTS / f"{stamp}-judge-eval-{secrets.token_hex(2)}",
            stamp=stamp,
            disk=world.disk,
            redactor=Redactor.from_environment(os.environ),
        )
        journal = stack.enter_context(closing(folder.open_journal()))
        for events in earlier.values():
            for event in events:
                journal.append(event)
        path = options.replay or options.reuse
        job = Job(
            looks=Looks.of(ready),
            earlier=logs,
            done=frozenset(),
            recording=None if path is None else Recording.open(path),
            spent_usd=Decimal(0),
        )
        progress = Terminal.of(options).progress()
        await perform(
            job,
            Scene(folder=folder, journal=journal, messages=messages, progress=progress, clock=world.clock),
        )
    return folder


def _spoken(label: Labelled, now: str) -> tuple[Event, ...]:
    """Return the events of a conversation whose reply is already there: it costs nothing and is not sent."""
    conversation = label.conversation
    sent = (SentMessage(turn=0, role="user", content=str(conversation.vars["prompt"])),)
    body: JsonObject = {
        "id": "labelled",
        "type": "message",
        "role": "assistant",
        "model": "labelled",
        "content": [{"type": "text", "text": label.reply}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }
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
        reply=Reply.from_body(body),
        request_id=None,
        latency_s=0.0,
        cost_usd=Decimal(0),
        simulated=False,
        replayed=False,
        at=now,
    )
    return (started, Asked(conversation_id=conversation.id, turn=0, key=conversation.id, sent=sent), replied)


def _report(played: Played, labels: Sequence[Labelled], *, as_json: bool) -> None:
    outcomes = {record.planned.id: record.outcome for record in played.records}
    graded = [
        (label.label, outcomes[label.conversation.id] is Outcome.PASSED)
        for label in labels
        if outcomes[label.conversation.id] in {Outcome.PASSED, Outcome.FAILED}
    ]
    missing = len(labels) - len(graded)
    if missing:
        complain(f"{count(missing, 'reply', plural='replies')} could not be graded: see the transcripts")
    if graded:
        found = agreement(graded)
        _print(found, missing) if not as_json else say_json(_json(found, missing))


def _print(found: Agreement, missing: int) -> None:
    rate, interval = found.rate, found.rate_interval
    say(f"agreement {rate.passed} of {rate.total}, 95 % {interval.lower:.2f} to {interval.upper:.2f}")
    if found.kappa is None:
        say("Cohen's kappa is not defined: all labels are the same")
    elif found.kappa_interval is None:
        say(f"Cohen's kappa {found.kappa:.2f}, without an interval: these labels do not vary enough")
    else:
        low, high = found.kappa_interval
        say(f"Cohen's kappa {found.kappa:.2f}, 95 % {low:.2f} to {high:.2f}")
    say(f"judge passed what people failed: {found.counts[False, True]}")
    say(f"judge failed what people passed: {found.counts[True, False]}")
    if missing:
        say(f"not graded: {missing}")


def _json(found: Agreement, missing: int) -> dict[str, object]:
    return {
        "schema_version": 1,
        "agreement": {
            "agreed": found.rate.passed,
            "graded": found.rate.total,
            "interval": [float(found.rate_interval.lower), float(found.rate_interval.upper)],
        },
        "kappa": found.kappa,
        "kappa_interval": None if found.kappa_interval is None else list(found.kappa_interval),
        "judge_passed_human_failed": found.counts[False, True],
        "judge_failed_human_passed": found.counts[True, False],
        "not_graded": missing,
    }


def _run_of(ready: Prepared, now: str) -> Run:
    return Run(
        name="judge-eval",
        claude_run=__version__,
        created_at=now,
        paths=(),
        options=ready.options.to_json(),
        files={},
        pass_rates=ready.plan.pass_rates,
        prices=price_table(),
        simulated=ready.options.simulate,
        conversations=tuple(each.identity for each in ready.plan.conversations),
    )
