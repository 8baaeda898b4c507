"""Run folders as large as one likes, written through the journal without anything being played."""

from __future__ import annotations

import random
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING

from claude_run.conversation.events import Asked, Attempted, Ended, Replied, Started
from claude_run.conversation.exchange import Reply, SentMessage
from claude_run.conversation.identity import Identity
from claude_run.conversation.results import CheckResult, Outcome, Status
from claude_run.record.folder import RunFolder
from claude_run.record.run import Run
from claude_run.scenario.model import Position

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from claude_run.conversation.events import Event
    from claude_run.scenario.json_values import JsonObject

MODEL = "claude-haiku-5-5"
AT = "2026-11-23T07:00:00.000Z"
GOOD = "You can return it within 30 days of delivery. What is the number of your order? " * 4
BAD = "You can return it whenever you like, and that is guaranteed. What is your order? " * 4
HERE = Position(path="scenarios/big.yaml", line=9, column=9)


def write_run(path: Path, *, cases: int, repeats: int, chance: float, seed: int) -> None:
    """Write a run of one turn per conversation, each of which passes with this chance."""
    source = random.Random(seed)  # noqa: S311 - made-up runs, not secrets
    planned = [_planned(case, repeat) for case in range(cases) for repeat in range(1, repeats + 1)]
    folder = RunFolder.create(_run(planned), out=path, stamp="")
    with closing(folder.open_journal()[0]) as journal:
        journal.append_run("started", at=AT)
        for each in planned:
            for event in _events(each, passed=source.random() < chance, source=source):
                journal.append(event)
        journal.append_run("ended", at=AT, duration_s=60.0, stop=None, reason=None)


def _planned(case: int, repeat: int) -> Identity:
    return Identity.of(
        scenario="big",
        path=HERE.path,
        case=f"case-{case:04}",
        variant=None,
        model=MODEL,
        model_label=MODEL,
        repeat=repeat,
    )


def _run(planned: list[Identity]) -> Run:
    return Run(
        name="big",
        claude_run="0",
        created_at=AT,
        paths=(HERE.path,),
        options={},
        files={},
        pass_rates={"big": 0.5},
        prices="none",
        simulated=False,
        conversations=tuple(planned),
    )


def _events(planned: Identity, *, passed: bool, source: random.Random) -> Iterator[Event]:
    key = f"{source.getrandbits(256):064x}"
    yield Started(
        identity=planned,
        vars={"item": "a phone"},
        tags=(),
        system=[{"type": "text", "text": "You are a support agent. " * 8}],
        params={"max_tokens": 1024},
        roles=("user",),
        expectations="0123456789abcdef",
        at=AT,
    )
    question = SentMessage(turn=0, role="user", content="I bought a phone last week. May I return it?")
    yield Asked(conversation_id=planned.id, turn=0, key=key, sent=(question,))
    yield Attempted(conversation_id=planned.id, turn=0, key=key, n=1, worst_cost_usd=Decimal("0.005"), at=AT)
    yield Replied(
        conversation_id=planned.id,
        turn=0,
        key=key,
        n=1,
        reply=Reply.from_body(_body(GOOD if passed else BAD, source.randint(40, 90))),
        request_id=f"req_{key[:20]}",
        latency_s=round(source.uniform(0.5, 3.0), 3),
        cost_usd=Decimal("0.000321"),
        simulated=False,
        replayed=False,
        at=AT,
    )
    yield _ended(planned, passed=passed)


def _body(text: str, output_tokens: int) -> JsonObject:
    return {
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 61,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": output_tokens,
            "service_tier": "standard",
        },
    }


def _ended(planned: Identity, *, passed: bool) -> Ended:
    message = "the reply contains '30 days'" if passed else "the reply does not contain '30 days'"
    check = CheckResult(
        kind="contains",
        status=Status.PASSED if passed else Status.FAILED,
        message=message,
        expected="30 days",
        position=HERE,
    )
    return Ended(
        conversation_id=planned.id,
        outcome=Outcome.PASSED if passed else Outcome.FAILED,
        error=None,
        error_turn=None,
        warnings=(),
        turn_checks=((0, (check,)),),
        checks=(),
        duration_s=1.2,
        at=AT,
    )
