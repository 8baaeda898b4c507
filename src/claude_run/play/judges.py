"""Asking judges about one conversation: further requests through the same sender, journal and caps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from claude_run.checks.judge_check import NAME
from claude_run.checks.judge_question import (
    Grade,
    GradedTranscript,
    GradeMode,
    Question,
    answer_problem,
    digest,
    grade_requests,
    tally_votes,
)
from claude_run.conversation.exchange import Failure, SentMessage
from claude_run.conversation.steps import Send
from claude_run.play.ports import RequestFailedError
from claude_run.scenario.model import UserTurn, turn_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from claude_run.checks.judge_question import GradeRequest, Grades
    from claude_run.checks.registry import Registry
    from claude_run.conversation.exchange import Reply
    from claude_run.conversation.script import Conversation
    from claude_run.conversation.transcript import Transcript, TurnRecord
    from claude_run.play.sender import JournalledLog, Sender
    from claude_run.scenario.json_values import Json
    from claude_run.scenario.model import Expectation
    from claude_run.scenario.vocabulary import Slot

NO_JUDGE = "no judge is named: write `judge: {model: ...}` in the scenario, or pass --judge-model"
NO_BASELINE = "there is no accepted reply to compare it with: `claude-run accept` writes a baseline"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JudgeClient:
    """The judges of one conversation.

    `fill` fills in the templates of expectations, `accepted` gives the baseline's reply to a turn. With
    `ask_again` an answer that cannot be used, and was there before, is asked for once more.
    """

    conversation: Conversation
    registry: Registry
    sender: Sender
    log: JournalledLog
    fill: Callable[[Slot], Json]
    accepted: Callable[[Conversation, int], str | None]
    deadline: float
    ask_again: bool = False

    async def grades(self, transcript: Transcript) -> Grades:
        """Return what judges say of every turn that was answered, and of the whole."""
        found: dict[int | None, Mapping[str, Grade]] = {}
        answered = [index for index, record in enumerate(transcript.turns) if record.exchanges]
        for index in answered:
            turn = self.conversation.turns[index]
            if isinstance(turn, UserTurn):
                found[index] = await self._grade_all(turn.expect, transcript.turns, index)
        if answered and transcript.played_out:
            found[None] = await self._grade_all(self.conversation.expect, transcript.turns, answered[-1])
        return found

    async def _grade_all(
        self, expectations: Iterable[Expectation], turns: Sequence[TurnRecord], index: int
    ) -> Mapping[str, Grade]:
        return {
            digest(question): await self._ask(question, turns, index)
            for _, value in self.registry.values({NAME}, expectations, self.fill)
            for question in (Question.read(value),)
        }

    async def _ask(self, question: Question, turns: Sequence[TurnRecord], index: int) -> Grade:
        graders = self.conversation.judge
        models = question.by or (graders.models if graders else ())
        if not models:
            return Grade(passed=None, reason=NO_JUDGE)
        accepted = None
        if question.mode is GradeMode.PAIRWISE:
            accepted = self.accepted(self.conversation, index)
        if question.mode is GradeMode.PAIRWISE and accepted is None:
            return Grade(passed=None, reason=NO_BASELINE)
        graded = GradedTranscript(
            messages=_messages(turns, index), reply=turns[index].text, accepted=accepted
        )
        return await self._tally(
            question,
            grade_requests(question, graded, models=models, params=graders.params if graders else {}),
            index,
        )

    async def _tally(self, question: Question, asked: Iterable[GradeRequest], index: int) -> Grade:
        answers: list[tuple[GradeRequest, Reply | None]] = []
        lost: str | None = None
        for grading in asked:
            reply = None
            try:
                reply = await self._answer(question, grading, index)
            except RequestFailedError as error:
                lost = f"the judge could not be asked: {error.failure.message}"
            answers.append((grading, reply))
        grade = tally_votes(question, answers)
        return grade if lost is None or grade.passed is not None else Grade(passed=None, reason=lost)

    async def _answer(self, question: Question, grading: GradeRequest, index: int) -> Reply:
        sent = (SentMessage(turn=index, role="user", content=grading.content),)
        step = Send(turn=index, request=grading.request, sent=sent)
        label = f"{grading.label}:turn-{turn_number(index)}"
        ask = partial(
            self.sender.ask, self.conversation, step, log=self.log, deadline=self.deadline, judge=label
        )
        exchange = await ask()
        if self.ask_again:
            problem = self._other_model(grading, exchange.reply) or answer_problem(question, exchange.reply)
            whose = self.conversation.id
            if problem and self.sender.set_aside(exchange, problem, log=self.log, conversation_id=whose):
                exchange = await ask()
        if other := self._other_model(grading, exchange.reply):
            raise RequestFailedError(Failure(kind="other_model", message=other, may_retry=False))
        return exchange.reply

    def _other_model(self, grading: GradeRequest, reply: Reply) -> str | None:
        return self.conversation.served.problem(grading.request.model, reply.model)


def _messages(turns: Sequence[TurnRecord], judged: int) -> Sequence[Json]:
    """Return what was said before the reply to be judged, in the order in which it was sent.

    A system turn stands behind the user turn whose reply it steers, so the reply comes after both.
    """
    messages: list[Json] = []
    reply: str | None = None
    for index, record in enumerate(turns):
        if record.left_out:
            continue
        if record.role != "system":
            if reply is not None:
                messages.append({"role": "assistant", "content": reply})
            if index > judged:
                break
            reply = record.text if record.exchanges and index != judged else None
        messages.append({"role": record.role, "content": _readable(record.content)})
    return messages


def _readable(content: Json) -> Json:
    """Return content without images and documents: their data would cost more than all the rest."""
    if not isinstance(content, Sequence) or isinstance(content, str):
        return content
    blocks = [cast("Mapping[str, Json]", block) for block in content]
    return [
        block if block["type"] == "text" else {"type": block["type"], "left_out": True} for block in blocks
    ]
