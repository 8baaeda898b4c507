"""Plays the conversations of a plan, many at once, each from its next unsent turn to its end.

The decision what comes next is made by `conversation.steps.Steps`, the sending by `Sender.ask`.
"""

from __future__ import annotations

import asyncio
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from claude_run.checks.conditions import ScriptRenderer
from claude_run.checks.custom import question_key
from claude_run.conversation.content import named_files
from claude_run.conversation.events import Ended, Started
from claude_run.conversation.lazy import LazySequence
from claude_run.conversation.results import Outcome
from claude_run.conversation.steps import NO_ANSWER, Finish, Steps, StopKind, role_of, system_blocks
from claude_run.errors import ExitCode
from claude_run.play.batch import Crowd
from claude_run.play.evaluate import End, evaluate_expectations, judged_parts
from claude_run.play.judges import JudgeClient
from claude_run.play.ports import RequestFailedError
from claude_run.play.sender import JournalledLog
from claude_run.play.stop import Halt, HaltedError
from claude_run.scenario.template import RenderError
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from claude_run.checks.judge_question import Grades
    from claude_run.checks.kind import Finding
    from claude_run.checks.registry import Registry
    from claude_run.conversation.events import Event
    from claude_run.conversation.log import ConversationLog
    from claude_run.conversation.script import Conversation
    from claude_run.conversation.steps import Stop
    from claude_run.conversation.transcript import Transcript
    from claude_run.play.evaluate import Findings, Part
    from claude_run.play.ports import Clock, OwnChecks, Progress, Recorder, Spending
    from claude_run.play.sender import Sender
    from claude_run.play.stop import StopSignal
    from claude_run.scenario.json_values import Json


class Executor(Protocol):
    """Whoever plays single conversations: this process, or others.

    `waiting` are those of the tasks that play which only wait to send something: a stop ends them at once.
    """

    waiting: set[asyncio.Task[object]]

    async def play(self, conversation: Conversation, earlier: ConversationLog | None) -> Transcript:
        """Play a conversation to its end from what is known of it; HaltedError when the run is stopped."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlayContext:
    """What all conversations that a process plays work with.

    `accepted` gives the baseline's reply to one of the turns of a conversation. `own_checks` calls those of
    the registry that are code of others. With `ask_again` replies of an earlier process that cannot be used
    are asked for once more.
    """

    sender: Sender
    recorder: Recorder
    registry: Registry
    stop: StopSignal
    clock: Clock
    accepted: Callable[[Conversation, int], str | None] = lambda _conversation, _turn: None
    own_checks: OwnChecks | None = None
    ask_again: bool = False


class LocalExecutor:
    """Plays conversations in this process; satisfies `Executor`."""

    def __init__(self, context: PlayContext) -> None:
        self._context = context
        self.waiting = context.sender.waiting

    async def play(self, conversation: Conversation, earlier: ConversationLog | None) -> Transcript:
        return await ConversationRunner(self._context, conversation, earlier).play()


@dataclass(slots=True, kw_only=True, eq=False)
class Player:
    """Plays conversations by an executor, at most `concurrency` of them under way for each model.

    `spending` is what the run has cost so far, and `crowd` counts those that move. `unfinished` is how many
    of those that it was to play did not come to their end; `tell` gets each that did. `failures` is how many
    did not pass, which `max_failures` bounds; fresh attempts do not count.
    """

    executor: Executor
    stop: StopSignal
    clock: Clock
    progress: Progress
    spending: Spending
    concurrency: int
    crowd: Crowd = field(default_factory=Crowd)
    max_failures: int | None = None
    tell: Callable[[Transcript], None] = lambda _transcript: None
    unfinished: int = 0
    failures: int = 0

    async def play(
        self, conversations: Sequence[Conversation], earlier: Mapping[str, ConversationLog]
    ) -> Halt | None:
        """Play them all; return why the run ended early, or None.

        `earlier` holds what a resumed run already has, by conversation id. An error of storage,
        or a bug, ends everything at once and is raised.
        """
        self.unfinished += len(conversations)
        queues, totals = _queues(conversations)
        self.progress.begin(totals, self.spending)
        places = [
            queue for waiting in queues for queue in [iter(waiting)] * min(self.concurrency, len(waiting))
        ]
        crowd = self.crowd
        crowd.enter(len(places))
        workers = {asyncio.create_task(self._work(queue, earlier)) for queue in places}
        for worker in workers:
            worker.add_done_callback(lambda _: crowd.leave())
        try:
            await self._supervise(workers)
        finally:
            await _cancel(workers)
            self.progress.end()
        return self.stop.halt

    async def _supervise(self, workers: set[asyncio.Task[None]]) -> None:
        """Wait for the workers; after a stop is requested, only for those that do not wait to send."""
        requested = asyncio.create_task(self.stop.requested())
        running = set(workers)
        try:
            while running and not requested.done():
                done, _ = await asyncio.wait({*running, requested}, return_when=asyncio.FIRST_COMPLETED)
                running -= _finished(done)
            if running:
                # A request under way ends, and a conversation that has all its replies is judged. Whatever
                # else would be sent is held back by the stop itself.
                waiting = self.executor.waiting
                await let_finish(
                    running, requested.result(), waiting=waiting, stop=self.stop, clock=self.clock
                )
        finally:
            await _cancel({requested})

    async def _work(self, queue: Iterable[Conversation], earlier: Mapping[str, ConversationLog]) -> None:
        for conversation in queue:
            try:
                self.stop.check()
                transcript = await self.executor.play(conversation, earlier.get(conversation.id))
            except HaltedError:
                return
            finally:
                self.progress.left(conversation.id)
            self.unfinished -= 1
            self.progress.finished(transcript)
            self.tell(transcript)
            self._count(transcript)

    def _count(self, transcript: Transcript) -> None:
        is_first = transcript.started.identity.confirm is None
        if is_first and transcript.outcome in {Outcome.FAILED, Outcome.ERRORED}:
            self.failures += 1
        if self.max_failures is not None and self.failures >= self.max_failures:
            reason = f"stopped after {count(self.failures, 'failed conversation')} (--max-failures)"
            self.stop.request(Halt(code=ExitCode.FAILED, reason=reason))


async def let_finish(
    running: set[asyncio.Task[None]],
    halt: Halt,
    *,
    waiting: Collection[asyncio.Task[object]],
    stop: StopSignal,
    clock: Clock,
) -> None:
    """End the tasks that wait to send, and let the others come to their end within the grace of a stop."""
    held_back = {task for task in running if task in waiting}
    await _cancel(held_back)
    under_way = running - held_back
    ends = {
        asyncio.create_task(stop.requested_again()),
        asyncio.create_task(_grace(clock, halt.grace_s)),
        asyncio.create_task(_grace_of_user(clock, stop)),
    }
    try:
        while under_way and not any(end.done() for end in ends):
            done, _ = await asyncio.wait({*under_way, *ends}, return_when=asyncio.FIRST_COMPLETED)
            under_way -= _finished(done)
    finally:
        await _cancel({*under_way, *ends})


class ConversationRunner:
    """Plays one conversation, from its next unsent turn to its end.

    `earlier` is what earlier processes have left of it, and `handed_on` what became of it since.
    """

    def __init__(
        self,
        context: PlayContext,
        conversation: Conversation,
        earlier: ConversationLog | None,
        handed_on: Sequence[Event] = (),
    ) -> None:
        self._context = context
        self._conversation = conversation
        self._renderer = ScriptRenderer(conversation.vars, context.registry)
        self._steps = Steps(conversation, self._renderer)
        self._log = JournalledLog(context.recorder, earlier, handed_on)
        self._begin = context.clock.monotonic()
        self._deadline = self._begin + context.sender.deadlines.conversation_s

    async def play(self) -> Transcript:
        """Play and judge it; HaltedError when the run is stopped first."""
        conversation, context, log = self._conversation, self._context, self._log

        # Ask turn by turn, until the script is over or cannot go on.
        end = await self._play_turns()
        played = self._so_far()

        # Ask the judges, whose questions may quote what the turns have saved.
        saved = self._steps.saved
        grades: Grades = {}
        if end.problem is None:
            judges = JudgeClient(
                conversation=conversation,
                registry=context.registry,
                sender=context.sender,
                log=log,
                fill=lambda slot: self._renderer.fill(slot.source, saved, into=slot.into),
                accepted=context.accepted,
                deadline=self._deadline,
                ask_again=context.ask_again,
            )
            grades = await judges.grades(played)
            played = self._so_far() if any(grades.values()) else played

        # Call the own checks, evaluate every expectation, and write down how it ended.
        parts = tuple(judged_parts(conversation, played, end))
        evaluation = evaluate_expectations(
            conversation,
            played,
            end=end,
            parts=parts,
            grades=grades,
            findings=await self._findings(parts),
            evaluate=lambda expectation, subject: context.registry.evaluate(
                expectation,
                subject,
                lambda slot: self._renderer.fill(
                    slot.source, saved, into=slot.into, position=expectation.position
                ),
            ),
        )
        log.append(
            Ended(
                conversation_id=conversation.id,
                outcome=evaluation.outcome,
                error=evaluation.error,
                error_turn=evaluation.error_turn,
                warnings=evaluation.warnings,
                turn_checks=evaluation.turn_checks,
                checks=evaluation.checks,
                duration_s=round(context.clock.monotonic() - self._begin, 3),
                left_out=tuple(sorted(self._steps.left_out)),
                at=context.clock.now(),
            )
        )
        await log.synced()
        return log.known.transcript()

    def _so_far(self) -> Transcript:
        return self._log.known.transcript(left_out=self._steps.left_out)

    async def _findings(self, parts: Iterable[Part]) -> Findings:
        """Call every own check that is expected to hold of something, and return what each has found."""
        context, saved = self._context, self._steps.saved
        found: dict[int | None, dict[str, Finding]] = {}
        foreign = context.registry.foreign
        if context.own_checks is None or not foreign:
            return found
        for part in parts:
            findings = found.setdefault(part.index, {})
            for kind, value in context.registry.values(
                foreign,
                part.expectations,
                lambda slot: self._renderer.fill(slot.source, saved, into=slot.into),
            ):
                findings[question_key(kind, value)] = await context.own_checks.judge(
                    kind, value, part.subject
                )
        return found

    async def _play_turns(self) -> End:
        conversation, log = self._conversation, self._log
        while True:
            # What comes next follows from the script and the exchanges alone, whoever sent them.
            try:
                step = self._steps.next(log.known.exchanges)
            except RenderError as error:
                if log.known.started is None:
                    log.append(self._started(system=None))
                return End(problem=str(error))
            if isinstance(step, Finish):
                if step.stop is not None and self._set_aside(step.stop):
                    continue
                # What another model said is no measurement, and nothing that a judge should be paid for.
                if step.stop is not None and step.stop.kind is StopKind.OTHER_MODEL:
                    return End(problem=step.stop.message, problem_turn=step.stop.turn)
                return End(stop=step.stop)
            if log.known.started is None:
                log.append(self._started(system_blocks(conversation, self._renderer) or None))
            try:
                await self._context.sender.ask(conversation, step, log=log, deadline=self._deadline)
            except RequestFailedError as error:
                return End(problem=error.failure.message, problem_turn=step.turn)

    def _set_aside(self, stop: Stop) -> bool:
        """Have the reply that stopped the conversation asked for again, where that is wanted and may help."""
        log = self._log
        if not self._context.ask_again or stop.kind not in NO_ANSWER:
            return False
        last, whose = log.known.exchanges[-1], self._conversation.id
        if not self._context.sender.set_aside(last, stop.message, log=log, conversation_id=whose):
            return False
        self._steps = Steps(self._conversation, self._renderer)
        return True

    def _started(self, system: Json) -> Started:
        conversation = self._conversation
        return Started(
            identity=conversation.identity,
            vars=conversation.vars,
            tags=conversation.tags,
            system=system,
            params=conversation.params,
            roles=tuple(map(role_of, conversation.turns)),
            expectations=conversation.expectations_digest,
            files=named_files(conversation),
            at=self._context.clock.now(),
        )


def _queues(
    conversations: Sequence[Conversation],
) -> tuple[Sequence[Sequence[Conversation]], Mapping[str, int]]:
    """Return the conversations of each model, which its workers share, and how many each label of one has.

    A plan makes each when it is asked for, so that one that has ended is in memory no longer.
    """
    by_model: dict[str, array[int]] = {}
    totals: Counter[str] = Counter()
    for place, conversation in enumerate(conversations):
        by_model.setdefault(conversation.model, array("Q")).append(place)
        totals[conversation.identity.model_label] += 1
    return [LazySequence(conversations.__getitem__, places) for places in by_model.values()], totals


def _finished(done: Iterable[asyncio.Task[object]]) -> set[asyncio.Task[None]]:
    """Return the tasks as a set, and raise what one of them has raised."""
    tasks = set(done)
    for task in tasks:
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
    return tasks  # type: ignore[return-value] # only workers are looked for in it


async def _cancel(tasks: Iterable[asyncio.Task[object]]) -> None:
    """Cancel what still runs and wait for its end; the first error is on its way up already."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _grace_of_user(clock: Clock, stop: StopSignal) -> None:
    """Return when a user who interrupts, perhaps a run that stops already, has waited long enough."""
    await _grace(clock, (await stop.interrupted()).grace_s)


async def _grace(clock: Clock, seconds: float | None) -> None:
    if seconds is None:
        await asyncio.Event().wait()
    else:
        await clock.sleep(seconds)
