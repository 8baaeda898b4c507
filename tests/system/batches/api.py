"""The simulator in a thread of its own, and what was submitted to it."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from claude_run.checks.conditions import ScriptRenderer
from claude_run.checks.registry import default_registry
from claude_run.plan.matrix import Selection, expand
from claude_run.scenario.loader import load
from claude_run.simulator.examples import ExampleBook
from claude_run.simulator.fault_text import parse_faults
from claude_run.simulator.server import Simulator
from tests.support.threaded import ThreadedServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

BATCHES = "/v1/messages/batches"

TALK = """\
name: talk
model: claude-haiku-5-5
max_tokens: 64
system: You count.
cases:
  - {id: ada, vars: {who: Ada}}
  - {id: bob, vars: {who: Bob}}
  - {id: eve, vars: {who: Eve}}
  - {id: joe, vars: {who: Joe}}
turns:
  - user: I am {{ who }}. Give me a number.
    example: "{{ who }}, my number is 7."
    expect: [{contains: number}]
    save: {number: 'number is (\\d+)'}
  - user: Is {{ saved.number }} even?
    example: No.
  - user: Goodbye from {{ who }}.
"""

_LEFT_OUT = {"id", "request_id", "received_at", "latency_s", "started_at", "duration_s", "attempts"}
_LEFT_OUT |= {"cost_usd", "uncertain_cost_usd"}


@dataclass(kw_only=True, eq=False)
class BatchApi(ThreadedServer):
    """A context manager; it answers with the examples of a scenario, and does wrong what `faults` say."""

    scenario: Path
    faults: str = ""
    simulator: Simulator = field(init=False)

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[int]:
        plan = expand(load([str(self.scenario)], vocabulary=default_registry()), Selection())
        book = ExampleBook.from_conversations(plan.conversations, lambda each: ScriptRenderer(each.vars))
        async with Simulator(replies=book, faults=parse_faults(self.faults)) as self.simulator:
            yield self.simulator.port

    @property
    def batches(self) -> Sequence[Mapping[str, Mapping[str, Any]]]:
        """The parameters of the requests of every batch that was taken, by their ids."""
        bodies = [
            each.body
            for each in self.simulator.ledger
            if (each.method, each.path) == ("POST", BATCHES) and each.body is not None
            # Without a status the answer was lost, and the batch was taken.
            if each.status in {200, None}
        ]
        return [{each["custom_id"]: each["params"] for each in _list(body["requests"])} for body in bodies]

    @property
    def sizes(self) -> Sequence[int]:
        """How many requests each batch has."""
        return [len(batch) for batch in self.batches]

    @property
    def live(self) -> Sequence[Any]:
        """The bodies of the requests that were sent live."""
        return [each.body for each in self.simulator.ledger if each.path == "/v1/messages"]

    @property
    def canceled(self) -> int:
        """How often the end of a batch was asked for."""
        return sum(each.path.endswith("/cancel") for each in self.simulator.ledger)

    def submissions(self) -> Counter[str]:
        """Count how often each request was submitted, by what of its key stands in its id."""
        return Counter(name.partition("-")[2] for batch in self.batches for name in batch)


def _list(value: Any) -> Any:
    return value


def comparable(folder: Path) -> list[Any]:
    """Return the transcripts of a run without ids, times, attempts and prices."""
    text = (folder / "transcripts.jsonl").read_text(encoding="utf-8")
    return [_plain(json.loads(line)) for line in text.splitlines()]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items() if name not in _LEFT_OUT}
    return [_plain(item) for item in value] if isinstance(value, list) else value
