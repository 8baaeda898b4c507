"""The way to the API, or to a simulator of it, and the signals that end it in good order."""

from __future__ import annotations

import asyncio
import gc
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.checks.conditions import ScriptRenderer
from claude_run.plan.providers import provider
from claude_run.play.stop import Halt
from claude_run.process import CODES, Signals
from claude_run.session.open_files import exhaustion_said_once
from claude_run.session.prepare import prepare
from claude_run.session.request import RunRequest
from claude_run.text.visible import count

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AsyncExitStack

    from claude_run.cluster.executor import Cluster
    from claude_run.conversation.script import Conversation
    from claude_run.play.ports import Batches, Messages, ReplyWatcher
    from claude_run.play.stop import StopSignal
    from claude_run.record.redact import Redactor
    from claude_run.session.world import World

_ANY_MODEL = "claude-haiku-5-5"
"""Examples are looked up whatever the model; planning needs one where a scenario names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """The API, live and for a run in batches; None where nothing may be sent, or it is not asked for.

    On a cluster its players are connected, each on its machine.
    """

    messages: Messages | None = None
    batches: Batches | None = None
    cluster: Cluster | None = None


async def simulate(  # noqa: PLR0913 - keywords, but for the paths
    paths: Sequence[str],
    *,
    port: int,
    faults: str,
    ready: Callable[[str], None],
    notify: Callable[[str], None],
    world: World,
) -> None:
    """Serve the simulator with the examples of these scenarios until a signal ends it.

    `ready` is called with its address, `notify` with what its user should know.
    """
    from claude_run.simulator.examples import ExampleBook  # noqa: PLC0415 - only a simulated run needs it
    from claude_run.simulator.fault_text import parse_faults  # noqa: PLC0415 - same
    from claude_run.simulator.server import Simulator  # noqa: PLC0415 - same

    replies = ExampleBook()
    if paths:
        plan = prepare(RunRequest(paths=tuple(paths), models=(_ANY_MODEL,)), today=world.today).plan
        replies = ExampleBook.from_conversations(plan.conversations, lambda each: ScriptRenderer(each.vars))
    simulator = Simulator(replies=replies, faults=parse_faults(faults), port=port, ledger_limit=0)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    with exhaustion_said_once(notify):
        async with simulator:
            with world.signals.handed_to(lambda _number: loop.call_soon_threadsafe(stop.set)):
                ready(simulator.base_url)
                await stop.wait()


async def connect(  # noqa: PLR0913 - keywords, but for what is played and for how long
    request: RunRequest,
    conversations: Sequence[Conversation],
    stack: AsyncExitStack,
    *,
    redactor: Redactor,
    warn: Callable[[str], None],
    watcher: ReplyWatcher | None = None,
) -> Connected:
    """Open the client, to the simulator where that is wanted; nothing is there where nothing may be sent.

    What is opened is closed with `stack`; `redactor` keeps credentials out of replies; `warn` is told what
    the simulator cannot do, and a `watcher` what replies say while they are written. CredentialsError when
    there is no key, InputError when the provider lacks a setting or an extra.
    """
    # An empty shard sends nothing either.
    if request.replay is not None or not conversations:
        return Connected()
    with _lasting():
        from claude_run.api.client import open_client  # noqa: PLC0415 - the SDK costs seconds
        from claude_run.api.messages import AnthropicMessages  # noqa: PLC0415 - same
        from claude_run.plan.prices import list_prices  # noqa: PLC0415 - same

        # The price table, before it keeps the first request from going out.
        for model in dict.fromkeys(each.model for each in conversations):
            list_prices(model)

    url = None
    if request.simulate:
        from claude_run.simulator.examples import ExampleBook  # noqa: PLC0415 - only a simulated run needs it
        from claude_run.simulator.fault_text import parse_faults  # noqa: PLC0415 - same
        from claude_run.simulator.server import Simulator  # noqa: PLC0415 - same

        replies = ExampleBook.from_conversations(conversations, lambda each: ScriptRenderer(each.vars))
        if replies.overruled:
            warn(_overruled(list(replies.overruled)))
        faults = parse_faults(request.faults or "")
        simulator = Simulator(replies=replies, faults=faults, ledger_limit=0)
        url = (await stack.enter_async_context(simulator)).base_url
    served_by = provider(request.provider)
    opened = open_client(
        attempt_s=request.attempt_s, simulator_url=url, provider=served_by, redactor=redactor
    )
    client = await stack.enter_async_context(opened)
    messages = AnthropicMessages(
        client, redactor, by_force=request.no_model_rules, provider=served_by, watcher=watcher
    )
    if not request.batch:
        return Connected(messages=messages)
    from claude_run.api.batches import AnthropicBatches  # noqa: PLC0415 - only a run in batches needs it

    batches = AnthropicBatches(client, redactor, by_force=request.no_model_rules, provider=served_by)
    return Connected(messages=messages, batches=batches)


@contextmanager
def _lasting() -> Iterator[None]:
    """Import what stays until the process ends: nothing of it needs to be looked through for garbage.

    Of the time that the SDK's modules take that is a fifth, and it would be looked through again and again
    while a run is played.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if running:
            gc.enable()


def _overruled(names: Sequence[str]) -> str:
    first, more = names[0], len(names) - 1
    who = f"{first} and {count(more, 'other conversation')} send" if more else f"{first} sends"
    return (
        f"warning: {who} the same as an earlier conversation, with another `example`: the simulator cannot"
        " tell them apart, and answers with the first one"
    )


@contextmanager
def graceful(
    signals: Signals, stop: StopSignal, *, grace_s: float, notify: Callable[[str], None]
) -> Iterator[None]:
    """Request a stop on a signal while the block runs, whatever else is stopping the run.

    The first signal stops new sends and lets what is under way finish, the second stops now. One that was
    noted before the block, while this was made ready, is the first. Signals that come after the block wait
    for the reports.
    """
    loop = asyncio.get_running_loop()
    seen: list[signal.Signals] = []
    taken: list[signal.Signals] = []

    def on_signal(number: signal.Signals) -> None:
        seen.append(number)
        if len(seen) > 1:
            notify(f"{number.name}: what is under way is given up")
            stop.request_now()
            return
        notify(f"{number.name}: nothing more is sent; replies under way have {grace_s:g} s, again stops now")
        stop.interrupt(Halt(code=CODES[number], reason=f"stopped by {number.name}", grace_s=grace_s))

    def take(number: signal.Signals) -> None:
        signals.note(number)
        taken.append(number)
        loop.call_soon_threadsafe(on_signal, number)

    with signals.handed_to(take):
        if signals.first is not None and not taken:
            on_signal(signals.first)
        yield
