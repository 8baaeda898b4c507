"""Asking judges about one conversation: further requests through the same sender, journal and caps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.checks.judge_check import NAME
from claude_run.checks.judge_question import Manner, Question, Ruling, Talk, digest, gradings, rule
from claude_run.conversation.steps import Send
from claude_run.conversation.transcript import exchanges_of
from claude_run.errors import ClaudeRunError
from claude_run.play.ports import RequestFailedError
from claude_run.scenario.model import UserTurn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from claude_run.checks.judge_question import Grading
    from claude_run.checks.registry import Registry
    from claude_run.conversation.exchange import Reply
    from claude_run.conversation.script import Conversation
    from claude_run.conversation.transcript import Transcript, TurnRecord
    from claude_run.play.sender import Log, Sender
    from claude_run.scenario.model import Expectation, Json

NO_JUDGE = "no judge is named: write `judge: {model: ...}` in the scenario, or pass --judge-model"
NO_BASELINE = "there is no accepted reply to hold it against: `claude-run accept` writes a baseline"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judges:
    """The judges of one conversation.

    `render` fills in the templates of expectations, `accepted` gives the baseline's reply to a turn.
    """

    conversation: Conversation
    registry: Registry
    sender: Sender
    log: Log
    render: Callable[[str], str]
    accepted: Callable[[Conversation, int], str | None]
    deadline: float

    async def rulings(self, transcript: Transcript) -> Mapping[int | None, Mapping[str, Ruling]]:
        """Return what judges say, by turn index and question; None stands for the whole conversation."""
        found: dict[int | None, Mapping[str, Ruling]] = {}
        for index, record in enumerate(transcript.turns):
            turn = self.conversation.turns[index]
            if record.exchanges and isinstance(turn, UserTurn):
                found[index] = await self._on(turn.expect, transcript.turns[: index + 1], index)
        if all(record.sent for record in transcript.turns):
            last = len(transcript.turns) - 1
            found[None] = await self._on(self.conversation.expect, transcript.turns, last)
        return found

    async def _on(
        self, expectations: Iterable[Expectation], turns: Sequence[TurnRecord], index: int
    ) -> Mapping[str, Ruling]:
        return {
            digest(question): await self._ask(question, turns, index)
            for question in self._questions(expectations)
        }

    def _questions(self, expectations: Iterable[Expectation]) -> Iterator[Question]:
        for expectation in expectations:
            yield from self._questions(expectation.children)
            if expectation.kind == NAME:
                try:
                    value = self.registry.rendered(NAME, expectation.value, self.render)
                except ClaudeRunError:
                    continue  # evaluating the expectation meets the same error, and reports it at its place
                yield Question.read(value)

    async def _ask(self, question: Question, turns: Sequence[TurnRecord], index: int) -> Ruling:
        graders = self.conversation.judge
        models = question.by or (graders.models if graders else ())
        if not models:
            return Ruling(passed=None, reason=NO_JUDGE)
        accepted = None
        if question.manner is Manner.PAIRWISE:
            accepted = self.accepted(self.conversation, index)
        if question.manner is Manner.PAIRWISE and accepted is None:
            return Ruling(passed=None, reason=NO_BASELINE)
        talk = Talk(messages=_messages(turns), reply=turns[index].text, accepted=accepted)
        answers: list[tuple[Grading, Reply | None]] = []
        for grading in gradings(question, talk, models=models, params=graders.params if graders else {}):
            try:
                answers.append((grading, await self._answer(grading, index)))
            except RequestFailedError as error:
                return Ruling(passed=None, reason=f"the judge could not be asked: {error.failure.message}")
        return rule(question, answers)

    async def _answer(self, grading: Grading, index: int) -> Reply:
        step = Send(turn=index, request=grading.request, sent=())
        label = f"{grading.label}:turn-{index + 1}"
        key = await self.sender.ask(
            self.conversation, step, log=self.log, deadline=self.deadline, judge=label
        )
        exchanges = exchanges_of(self.log.events, judged=True)
        return next(exchange.reply for exchange in exchanges if exchange.key == key)


def _messages(turns: Sequence[TurnRecord]) -> Sequence[Json]:
    """Return the conversation as a judge reads it: what was said, without the reply to be judged."""
    messages: list[Json] = []
    for record in turns:
        messages.append({"role": record.role, "content": record.content})
        if record.exchanges and record is not turns[-1]:
            messages.append({"role": "assistant", "content": record.text})
    return messages
