"""`simulate`: the simulator alone, for any program that speaks the Messages API."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from claude_run.cli.options import RunOptions
from claude_run.cli.planning import prepare
from claude_run.cli.playing import renderer_of
from claude_run.cli.talk import complain, say
from claude_run.simulator.examples import ExampleBook
from claude_run.simulator.fault_text import parse_faults
from claude_run.simulator.server import Simulator

if TYPE_CHECKING:
    from collections.abc import Sequence

_ANY_MODEL = "claude-haiku-5-5"
"""Examples are looked up whatever the model; planning needs one where a scenario names none."""


def simulate(paths: Sequence[str], *, port: int, faults: str) -> int:
    """Serve until SIGINT or SIGTERM; the address is the one line on stdout, so that a script can read it."""
    simulator = Simulator(replies=_examples(paths), faults=parse_faults(faults), port=port, ledger_limit=0)
    asyncio.run(_serve(simulator))
    return 0


async def _serve(simulator: Simulator) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with simulator:
        say(simulator.base_url)
        complain(
            "simulating the Messages API: every reply is made up. Point a client at it with"
            f" ANTHROPIC_BASE_URL={simulator.base_url} and any key; stop with Ctrl-C"
        )
        await stop.wait()


def _examples(paths: Sequence[str]) -> ExampleBook:
    if not paths:
        return ExampleBook()
    options = RunOptions(paths=tuple(paths), models=(_ANY_MODEL,))
    plan = prepare(options).plan
    return ExampleBook.from_conversations(plan.conversations, renderer_of)
