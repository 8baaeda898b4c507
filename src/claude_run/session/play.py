"""Playing what was prepared: a folder, a connection, the conversations, and the verdict of the gate.

Where cases look broken against the baseline, fresh attempts of them are played that were not planned at
first: one of each case at a time, until chance is told from change.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from claude_run import __version__
from claude_run.conversation.sample import Sample
from claude_run.conversation.script import generated_turns
from claude_run.errors import ExitCode
from claude_run.plan.prices import price_table
from claude_run.plan.shards import parse_shard
from claude_run.play.batch import Crowd
from claude_run.play.batch_calls import DAY_S, BatchTimes
from claude_run.play.batch_queue import BatchQueue
from claude_run.play.batch_sender import BatchSender
from claude_run.play.budget import Budget
from claude_run.play.pace import RunPace
from claude_run.play.pacing import AdaptivePacing
from claude_run.play.ports import Deadlines
from claude_run.play.prefixes import Prefixes
from claude_run.play.retry import RetryPolicy
from claude_run.play.runner import LocalExecutor, PlayContext, Player
from claude_run.play.sender import Sender
from claude_run.play.stop import Halt, StopSignal
from claude_run.record.derive import Collector, Played, read_played
from claude_run.record.folder import RunFolder
from claude_run.record.history import Submitted
from claude_run.record.run import Run, ShardOf, Spent
from claude_run.record.runs import note_played
from claude_run.record.summary import Ending
from claude_run.session.compare import accepted_replies
from claude_run.session.connect import Connected, connect, graceful
from claude_run.session.gate import digest_of, fresh_attempts, gate, match, samples_of
from claude_run.session.known_checks import digests
from claude_run.session.open_files import affordable, exhaustion_said_once
from claude_run.session.options import saved_options
from claude_run.session.own_check_files import OwnCheckFiles
from claude_run.session.own_checks import OwnCheckProcesses
from claude_run.session.world import ListPrices
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from claude_run.cluster.executor import Cluster
    from claude_run.conversation.events import Event
    from claude_run.conversation.identity import Identity
    from claude_run.conversation.log import ConversationLog
    from claude_run.conversation.script import Conversation
    from claude_run.conversation.transcript import Transcript
    from claude_run.play.ports import Clock, OwnChecks, Progress
    from claude_run.record.derive import Sections
    from claude_run.record.journal import Journal
    from claude_run.record.recording import Recording
    from claude_run.session.prepare import Prepared
    from claude_run.session.request import RunRequest
    from claude_run.session.world import World
    from claude_run.verdict.comparison import Arm

_LIMITS = frozenset({ExitCode.CAPPED, ExitCode.FAILED})
_NAMED = 3  # cases that a line names


@dataclass(frozen=True, slots=True, kw_only=True)
class RunObserver:
    """Who is told while a run is played: of its progress, and of what cannot wait for its end.

    `warn` may be silent where the user wants few words; `notify` never is. `sections` make the parts of the
    files of reports that are made of one conversation, by name, as soon as it has ended; `get_ready` loads
    what they need, while the first replies are awaited. `drafts` are files that lie in a new run folder from
    the start, by name: what was asked for is known there, whatever becomes of the run.
    """

    progress: Progress
    notify: Callable[[str], None]
    warn: Callable[[str], None]
    sections: Sections = field(default_factory=dict)
    get_ready: Callable[[], None] = lambda: None
    drafts: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInputs:
    """What is to be played, with what is there of it already, what that has cost and in how many attempts.

    `submitted` is what has gone into batches, and `proven` are the models that have answered.
    `begin` are events that are written down before anything is played. With `ask_again` replies that cannot
    be used are asked for once more.
    """

    prepared: Prepared
    earlier: Mapping[str, ConversationLog] = field(default_factory=dict)
    done: frozenset[str] = frozenset()
    recording: Recording | None = None
    spent_usd: Decimal = Decimal(0)
    attempts: int = 0
    submitted: Submitted = field(default_factory=Submitted)
    proven: frozenset[str] = frozenset()
    begin: Sequence[Event] = ()
    ask_again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """A run that was played or read again: its folder, and what its journal tells."""

    folder: RunFolder
    played: Played


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIO:
    """Where it is played: the folder and its journal, the API, who watches, and the machine.

    `collector` adds the run up where all of it is played by this process.
    """

    folder: RunFolder
    journal: Journal
    connected: Connected
    observer: RunObserver
    world: World
    collector: Collector | None = None


async def play_new(  # noqa: PLR0913 - three of them say where the run lands
    inputs: RunInputs,
    observer: RunObserver,
    world: World,
    *,
    name: str,
    out: Path | None,
    latest: bool = True,
) -> RunResult:
    """Make a run folder, connect, and play."""
    prepared = inputs.prepared
    async with AsyncExitStack() as stack:
        stack.enter_context(exhaustion_said_once(observer.notify))
        connected = await connect_run(prepared, stack, observer, world)
        run = Run(
            run_id=secrets.token_hex(8),
            name=name,
            claude_run=__version__,
            created_at=world.clock.now(),
            paths=prepared.request.paths,
            labels=prepared.labels,
            options=saved_options(prepared.request),
            files=prepared.plan.files,
            own_checks=digests(prepared.request.own_checks),
            pass_rates=prepared.plan.pass_rates,
            baseline_sha256=None if prepared.baseline is None else digest_of(prepared.baseline),
            shard=_shard_of(prepared),
            prices=price_table(),
            simulated=prepared.request.simulate,
            spent_before=Spent(usd=inputs.spent_usd, attempts=inputs.attempts),
            conversations=prepared.plan.identities,
        )
        folder = RunFolder.create(
            run, out=out, stamp=stamp(), latest=latest, disk=world.disk, redactor=world.redactor
        )
        for file, draft in observer.drafts.items():
            folder.write(file, [draft])
        if latest:
            note_played(world.disk, folder.path)
        journal, _ = folder.open_journal(run)
        stack.enter_context(closing(journal))
        io = RunIO(
            folder=folder,
            journal=journal,
            connected=connected,
            observer=observer,
            world=world,
            # What others write is read back from the journal.
            collector=None
            if connected.cluster is not None
            else Collector(folder, journal, run, observer.sections),
        )
        return await play_run(inputs, io)


async def connect_run(
    prepared: Prepared, stack: AsyncExitStack, observer: RunObserver, world: World
) -> Connected:
    """Connect to whoever answers, or plays, a run; errors as `connect` raises them."""
    request, conversations = prepared.request, prepared.plan.conversations
    if request.engine == "local" or not conversations:
        return await connect(request, conversations, stack, redactor=world.redactor, warn=observer.warn)
    from claude_run.session.on_cluster import PlayersKit, cluster_of  # noqa: PLC0415 - most runs are local

    kit = PlayersKit(
        request=request,
        conversations=conversations,
        registry=prepared.registry,
        accepted=_accepted(prepared),
        deadlines=_deadlines(request, world.clock),
    )
    return Connected(cluster=await stack.enter_async_context(cluster_of(kit, world, observer.warn)))


async def play_run(inputs: RunInputs, io: RunIO) -> RunResult:
    """Play what is left to play, write down how it began and ended, and gate it if it has a baseline."""
    journal, clock, prepared, stop = io.journal, io.world.clock, inputs.prepared, StopSignal()
    begin = clock.monotonic()
    grace_s = prepared.request.grace_s
    if prepared.baseline is not None:
        told = "holding it against" if prepared.gates else "once all shards are merged they are held against"
        io.observer.warn(f"{told} {prepared.baseline.name}")
    for event in inputs.begin:
        journal.append(event)
    with graceful(io.world.signals, stop, grace_s=grace_s, notify=io.observer.notify):
        journal.append_run("started", at=clock.now())
        ready = asyncio.create_task(asyncio.to_thread(io.observer.get_ready))
        try:
            unfinished = await _play_all(inputs, io, stop)
        finally:
            await ready
            await journal.settled()
        # A signal that came after the last reply is seen to before the end is written down.
        await asyncio.sleep(0)
    halt = stop.halt
    if halt is not None and halt.code in _LIMITS and not unfinished:
        halt = None  # a limit that was reached with the last reply has stopped nothing
    ending = Ending(
        stop=halt.code if halt else None,
        reason=halt.reason if halt else None,
        at=clock.now(),
        duration_s=round(clock.monotonic() - begin, 3),
    )
    journal.append_run(
        "ended",
        at=ending.at,
        duration_s=ending.duration_s,
        stop=None if ending.stop is None else int(ending.stop),
        reason=ending.reason,
    )
    await journal.synced()

    # What the run came to, of which the gate and every report are made: what other processes have played of
    # it only the journal tells.
    played = (
        read_played(io.folder, io.observer.sections) if io.collector is None else io.collector.played(ending)
    )
    if prepared.baseline is not None and prepared.gates and halt is None:
        found = gate(played, prepared.baseline, request=prepared.request, rules=prepared.gate_rules)
        journal.append_run("gated", **found.to_json())
        await journal.synced()
        played = played.gated(found, journal.extent)
    return RunResult(folder=io.folder, played=played)


def stamp() -> str:
    """Return the UTC time as the names of run folders begin with it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")


async def _play_all(inputs: RunInputs, io: RunIO, stop: StopSignal) -> int:
    """Play what was planned, then what confirms; return how many conversations did not come to their end."""
    prepared, request = inputs.prepared, inputs.prepared.request
    own_checks = OwnCheckProcesses(
        OwnCheckFiles.of(request.own_checks),
        limit_s=request.check_limit_s,
        clock=io.world.clock,
        tell=io.observer.warn,
        redactor=io.world.redactor,
    )
    async with _playing(inputs, io, stop, own_checks) as player:
        if todo := _left_of(prepared.plan.conversations, inputs.done):
            await player.play(todo, inputs.earlier)
        # Where all passed there is nothing to confirm, and no reason to read the journal twice.
        might_be_broken = player.failures or inputs.done
        if prepared.baseline is not None and prepared.gates and might_be_broken and not player.unfinished:
            return await _confirm(prepared.baseline, player, inputs, io)
        return player.unfinished


def _shard_of(prepared: Prepared) -> ShardOf | None:
    """Return which part of which whole is played; None where that is no part."""
    whole, shard = prepared.plan.whole, prepared.request.shard
    if whole is None or shard is None:
        return None
    return ShardOf.of(parse_shard(shard), whole.identities, whole.files)


def _left_of(planned: Sequence[Conversation], done: frozenset[str]) -> Sequence[Conversation]:
    """Return what has not ended yet."""
    return [each for each in planned if each.id not in done] if done else planned


@asynccontextmanager
async def _playing(
    inputs: RunInputs, io: RunIO, stop: StopSignal, own_checks: OwnCheckProcesses
) -> AsyncIterator[Player]:
    """Yield the player, with all that works beside it: the timer, own checks, the batches."""
    request = inputs.prepared.request
    timer = asyncio.create_task(_stop_in_time(stop, io.world.clock, request))
    crowd = Crowd()
    queue = _queue(inputs, io, stop, crowd)
    try:
        if io.connected.cluster is not None:
            async with _playing_on(io.connected.cluster, inputs, io, stop) as player:
                yield player
            return
        if queue is None:
            yield _player(inputs, io, stop, own_checks=own_checks, crowd=crowd)
            return
        async with queue:
            yield _player(inputs, io, stop, own_checks=own_checks, crowd=crowd, queue=queue)
        if left := queue.left_behind:
            requests = count(sum(left.values()), "request")
            ends = "canceled" if stop.is_now else "left at the API"
            io.observer.notify(
                f"{count(len(left), 'batch', plural='batches')} with {requests} {ends}: `claude-run resume"
                f" {io.folder.path}` takes up the results"
            )
        if queue.uncertain:
            batches = count(queue.uncertain, "batch", plural="batches")
            io.observer.notify(
                f"{batches} may be at the API without an answer that says so, and not canceled: `claude-run"
                f" resume {io.folder.path}` looks there before it sends anything again"
            )
    finally:
        timer.cancel()
        own_checks.end()


@asynccontextmanager
async def _playing_on(
    cluster: Cluster, inputs: RunInputs, io: RunIO, stop: StopSignal
) -> AsyncIterator[Player]:
    """Yield who plays on a cluster, which writes the journal meanwhile."""
    from claude_run.cluster.executor import ClusterRun, playing  # noqa: PLC0415 - most runs are local
    from claude_run.cluster.pace import Terms  # noqa: PLC0415 - same

    prepared, request, recording = inputs.prepared, inputs.prepared.request, inputs.recording
    places = {identity.id: place for place, identity in enumerate(prepared.plan.identities)}
    run = ClusterRun(
        terms=Terms(
            concurrency=request.concurrency,
            cap_usd=request.max_cost,
            spent_usd=inputs.spent_usd,
            attempts=inputs.attempts,
            max_requests=request.max_requests,
            patience_s=request.patience_s,
            attempt_s=request.attempt_s,
            left_s=request.max_time_s or math.inf,
        ),
        stop=stop,
        progress=io.observer.progress,
        place_of=lambda conversation: places.get(conversation.id),
        recorded=lambda conversation: _part(recording, conversation),
        say=io.observer.warn,
        ask_again=inputs.ask_again,
    )
    async with playing(cluster, run, io.journal) as (executor, spending):
        yield Player(
            executor=executor,
            stop=stop,
            clock=io.world.clock,
            progress=io.observer.progress,
            spending=spending,
            concurrency=request.concurrency,
            max_failures=request.failures_allowed,
        )


def _part(recording: Recording | None, conversation: Conversation) -> Recording | None:
    return None if recording is None else recording.of(conversation.identity)


def _queue(inputs: RunInputs, io: RunIO, stop: StopSignal, crowd: Crowd) -> BatchQueue | None:
    """Return the batches of the run; None where it is played live, or from a recording."""
    request, api = inputs.prepared.request, io.connected.batches
    if not request.batch or api is None:
        return None
    return BatchQueue(
        api,
        io.journal,
        crowd=crowd,
        stop=stop,
        clock=io.world.clock,
        progress=io.observer.progress,
        policy=RetryPolicy(patience_s=request.patience_s),
        earlier=inputs.submitted,
        proven=inputs.proven,
        times=BatchTimes(live_after_s=request.batch_then_live_s),
    )


async def _confirm(baseline: Arm, player: Player, inputs: RunInputs, io: RunIO) -> int:
    """Play fresh attempts of the cases that look broken, and return how many were wanted and did not end."""
    prepared, recording = inputs.prepared, inputs.recording
    planned = {each.id for each in prepared.plan.identities}
    played = read_played(io.folder)
    if played.summary.must_failed:
        return player.unfinished  # the run is red already, and nothing could excuse it
    samples = list(samples_of(played, only=lambda name: name in planned or name in inputs.done))
    tell = player.tell

    def tell_both(transcript: Transcript) -> None:
        tell(transcript)
        samples.append(Sample.of(transcript))

    player.tell = tell_both
    offline = prepared.request.replay is not None
    is_told = False
    while wanted := fresh_attempts(
        match(baseline, samples),
        prepared.plan.conversations,
        prepared.gate_rules,
        can_be_had=lambda name: not offline or (recording is not None and recording.has(name)),
    ):
        # A stop that came with the last reply leaves the question open, which these would have answered.
        if player.stop.halt is not None:
            return player.unfinished + len(wanted)
        if not is_told:
            names = ", ".join(each.identity.case_name for each in wanted[:_NAMED])
            more = ", ..." if len(wanted) > _NAMED else ""
            io.observer.warn(f"fresh attempts of {count(len(wanted), 'case')} that failed: {names}{more}")
            is_told = True
        _plan_further(io, [each.identity for each in wanted])
        if await player.play(wanted, inputs.earlier) is not None:
            return player.unfinished
    return player.unfinished


def _player(  # noqa: PLR0913 - keywords, but for what is played, and where
    inputs: RunInputs,
    io: RunIO,
    stop: StopSignal,
    *,
    own_checks: OwnChecks,
    crowd: Crowd,
    queue: BatchQueue | None = None,
) -> Player:
    prepared, clock, progress = inputs.prepared, io.world.clock, io.observer.progress
    request = prepared.request
    concurrency = request.concurrency
    if io.connected.messages is not None:
        concurrency = affordable(concurrency, io.observer.warn)
    deadlines = _deadlines(request, clock)
    pace = RunPace(
        budget=Budget(
            request.max_cost,
            stop=stop,
            max_requests=request.max_requests,
            spent_usd=inputs.spent_usd,
            attempts=inputs.attempts,
            crowd=crowd,
        ),
        pacing=AdaptivePacing(ceiling=concurrency, clock=clock, longest_reset_s=request.patience_s),
        prefixes=Prefixes(clock),
        stop=stop,
        clock=clock,
        progress=progress,
        deadlines=deadlines,
        policy=RetryPolicy(patience_s=request.patience_s),
    )
    make: Callable[..., Sender] = Sender
    if queue is not None:
        make = partial(BatchSender, queue=queue, batch_prices=ListPrices())
    sender = make(
        messages=io.connected.messages,
        recording=inputs.recording,
        prices=ListPrices(),
        pace=pace,
        stop=stop,
        clock=clock,
        progress=progress,
        deadlines=deadlines,
    )
    context = PlayContext(
        sender=sender,
        recorder=io.journal,
        registry=prepared.registry,
        stop=stop,
        clock=clock,
        accepted=_accepted(prepared),
        own_checks=own_checks,
        ask_again=inputs.ask_again,
    )
    player = Player(
        executor=LocalExecutor(context),
        stop=stop,
        clock=clock,
        progress=progress,
        spending=pace.budget,
        # In a batch every conversation is under way at once.
        concurrency=concurrency if queue is None else max(1, len(prepared.plan.conversations)),
        crowd=crowd,
        max_failures=request.failures_allowed,
    )
    if io.collector is not None:
        player.tell = io.collector.add
    return player


def _deadlines(request: RunRequest, clock: Clock) -> Deadlines:
    """Return how long things may take; whoever has more patience has it for the whole conversation."""
    usual = Deadlines()
    return Deadlines(
        attempt_s=request.attempt_s,
        # The results of a batch can be had for about a month.
        conversation_s=30 * DAY_S
        if request.batch
        else max(usual.conversation_s, 2 * request.patience_s, 2 * request.attempt_s),
        end=clock.monotonic() + (request.max_time_s or math.inf),
    )


def _accepted(prepared: Prepared) -> Callable[[Conversation, int], str | None]:
    """Return what finds the accepted reply to a turn: of the same model, or of the only one accepted."""
    replies = accepted_replies(prepared.accepted) if prepared.accepted else {}

    def find(conversation: Conversation, turn: int) -> str | None:
        by_model = replies.get(conversation.identity.question_name, {})
        only = next(iter(by_model.values())) if len(by_model) == 1 else ()
        texts = by_model.get(conversation.identity.model_label, only)
        position = generated_turns(conversation.turns).index(turn)
        # Where the turn was left out there is no reply to it.
        return (texts[position] or None) if position < len(texts) else None

    return find


async def _stop_in_time(stop: StopSignal, clock: Clock, request: RunRequest) -> None:
    if request.max_time_s is not None:
        await clock.sleep(request.max_time_s)
        reason = f"stopped by --max-time after {request.max_time_s:g} s"
        stop.request(Halt(code=ExitCode.CAPPED, reason=reason, grace_s=request.grace_s))


def _plan_further(io: RunIO, identities: Sequence[Identity]) -> None:
    """Add conversations to the run's plan before they are played, so that a resumed run knows of them."""
    run = io.folder.read_run() if io.collector is None else io.collector.run
    known = {planned.id for planned in run.conversations}
    added = tuple(each for each in identities if each.id not in known)
    if added:
        grown = replace(run, conversations=(*run.conversations, *added))
        io.folder.write_json("run.json", grown.to_json())
        if io.collector is not None:
            io.collector.run = grown
