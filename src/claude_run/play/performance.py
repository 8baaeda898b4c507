"""One conversation on stage: asked turn by turn, then judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.conversation.events import Ended, Started
from claude_run.conversation.steps import Finish, next_step, role_of, saved_values, system_blocks
from claude_run.play.judges import Judges
from claude_run.play.judging import End, judge
from claude_run.play.ports import RequestFailedError
from claude_run.play.sender import JournalledLog
from claude_run.scenario.template import Renderer, RenderError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from claude_run.checks.judge_question import Grade
    from claude_run.checks.registry import Registry
    from claude_run.conversation.log import ConversationLog
    from claude_run.conversation.script import Conversation
    from claude_run.conversation.transcript import Transcript
    from claude_run.play.brake import Brake
    from claude_run.play.ports import Clock, Progress, Recorder
    from claude_run.play.sender import Sender
    from claude_run.scenario.model import Json


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stage:
    """What all conversations of a run work with.

    `accepted` gives the baseline's reply to one of the turns of a conversation.
    """

    sender: Sender
    recorder: Recorder
    registry: Registry
    brake: Brake
    clock: Clock
    progress: Progress
    accepted: Callable[[Conversation, int], str | None] = lambda _conversation, _turn: None


class Performance:
    """One conversation, from its next unsent turn to its end. `earlier` is what it has already."""

    def __init__(self, stage: Stage, conversation: Conversation, earlier: ConversationLog | None) -> None:
        self._stage = stage
        self._conversation = conversation
        self._renderer = Renderer(conversation.vars)
        self._log = JournalledLog(stage.recorder, earlier)
        self._begin = stage.clock.monotonic()
        self._deadline = self._begin + stage.sender.deadlines.conversation_s

    async def play(self) -> Transcript:
        """Play and judge it; HaltedError when the run is stopped first."""
        end = await self._play_turns()
        saved = saved_values(self._conversation, self._log.known.exchanges, self._renderer)
        rulings = (
            await self._judges(saved).rulings(self._log.known.transcript()) if end.problem is None else {}
        )
        self._log.append(self._ended(end, saved, rulings))
        await self._log.synced()
        return self._log.known.transcript()

    async def _play_turns(self) -> End:
        while True:
            try:
                step = next_step(self._conversation, self._log.known.exchanges, self._renderer)
            except RenderError as error:
                if self._log.known.started is None:
                    self._log.append(self._started(system=None))
                return End(problem=str(error))
            if isinstance(step, Finish):
                return End(stop=step.stop)
            if self._log.known.started is None:
                system = system_blocks(self._conversation, self._renderer) or None
                self._log.append(self._started(system))
            try:
                await self._stage.sender.ask(self._conversation, step, log=self._log, deadline=self._deadline)
            except RequestFailedError as error:
                return End(problem=error.failure.message, problem_turn=step.turn)

    def _started(self, system: Json) -> Started:
        conversation = self._conversation
        return Started(
            identity=conversation.identity,
            vars=conversation.vars,
            tags=conversation.tags,
            system=system,
            params=conversation.params,
            roles=tuple(map(role_of, conversation.turns)),
            at=self._stage.clock.now(),
        )

    def _judges(self, saved: Mapping[str, str]) -> Judges:
        return Judges(
            conversation=self._conversation,
            registry=self._stage.registry,
            sender=self._stage.sender,
            log=self._log,
            render=lambda source: self._renderer.render_string(source, saved),
            accepted=self._stage.accepted,
            deadline=self._deadline,
        )

    def _ended(
        self, end: End, saved: Mapping[str, str], rulings: Mapping[int | None, Mapping[str, Grade]]
    ) -> Ended:
        conversation = self._conversation
        judgement = judge(
            conversation,
            self._log.known.transcript(),
            end=end,
            rulings=rulings,
            evaluate=lambda expectation, subject: self._stage.registry.evaluate(
                expectation,
                subject,
                lambda source: self._renderer.render_string(source, saved, position=expectation.position),
            ),
        )
        return Ended(
            conversation_id=conversation.id,
            outcome=judgement.outcome,
            error=judgement.error,
            error_turn=judgement.error_turn,
            warnings=judgement.warnings,
            turn_checks=judgement.turn_checks,
            checks=judgement.checks,
            duration_s=round(self._stage.clock.monotonic() - self._begin, 3),
            at=self._stage.clock.now(),
        )
