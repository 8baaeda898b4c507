"""`--lf`: the cases that did not pass when they were last played, whichever run that was."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from claude_run.conversation.identity import aligned_to
from claude_run.conversation.results import Outcome
from claude_run.errors import SelectionError
from claude_run.record.derive import read_played
from claude_run.record.folder import RunFolder
from claude_run.record.runs import runs_played
from claude_run.record.summary import CaseRate
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from claude_run.conversation.script import Conversation


@dataclass(kw_only=True, eq=False)
class _Case:
    """What became of a case and model when it was last played: the outcome of each repeat.

    `run` is the newest run that has it, with all of its repeats: no shard has only some of them.
    """

    question: str
    run: Path
    required: float
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    broke_a_rule: bool = False

    @property
    def failed(self) -> bool:
        found = list(self.outcomes.values())
        rate = CaseRate(
            name=self.question,
            passed=found.count(Outcome.PASSED),
            measured=found.count(Outcome.PASSED) + found.count(Outcome.FAILED),
            repeats=len(found),
            required=self.required,
        )
        return not rate.settled or self.broke_a_rule


def last_failed(
    conversations: Sequence[Conversation], *, simulated: bool, told: Callable[[str], None]
) -> Sequence[Conversation]:
    """Return the conversations whose case did not reach its pass rate when it was last played.

    A case is scenario, case, variant and model, with all of its repeats. On a model that has never played it,
    what counts is the newest run that asked the same of any other. A case that was never played has not
    failed. What was made up by the simulator counts only where the new run is `simulated` too.

    `told` gets a line that names the runs. InputError where there is no run, or one that counts is still
    going on; SelectionError where nothing has failed.
    """
    cases = _last_played(conversations, simulated=simulated)
    by_question: dict[str, list[_Case]] = {}
    for case in cases.values():
        by_question.setdefault(case.question, []).append(case)

    def failure(conversation: Conversation) -> _Case | None:
        identity = conversation.identity
        if identity.case_name in cases:
            asked = [cases[identity.case_name]]
        else:
            others = by_question.get(identity.question_name, [])
            asked = [each for each in others if each.run == others[0].run]
        return next((each for each in asked if each.failed), None)

    kept = [(each, found) for each in conversations if (found := failure(each)) is not None]
    if not kept:
        raise SelectionError("--lf: nothing of this selection failed when it was last played")
    names = {conversation.identity.case_name for conversation, _ in kept}
    runs = dict.fromkeys(str(found.run) for _, found in kept)
    told(f"--lf: {count(len(names), 'case')} did not pass when last played, in {', '.join(runs)}")
    return tuple(conversation for conversation, _ in kept)


def _last_played(conversations: Sequence[Conversation], *, simulated: bool) -> dict[str, _Case]:
    """Return what became of all that these conversations ask, by case and model, newest runs first."""
    wanted = {conversation.identity.case_name for conversation in conversations}
    questions = {conversation.identity.question_name for conversation in conversations}
    cases: dict[str, _Case] = {}
    for path in runs_played():
        if wanted <= cases.keys():
            break
        folder = RunFolder(path)
        if not folder.journal.exists() and not folder.derived():
            continue  # it was killed before it began to play
        run = folder.read_run()
        called = aligned_to(run.conversations, (each.identity for each in conversations))
        renamed = [(each.id, called(each)) for each in run.conversations]
        planned = [(name, each) for name, each in renamed if each.confirm is None]
        asked = [(name, each) for name, each in planned if each.question_name in questions]
        news = {each.case_name for _, each in asked if each.case_name not in cases}
        if not news or (run.simulated and not simulated):
            continue
        played = read_played(RunFolder.open(path))
        outcomes = {each.planned.id: each.outcome for each in played.records}
        for name, identity in asked:
            if identity.case_name in news:
                case = cases.setdefault(
                    identity.case_name,
                    _Case(
                        question=identity.question_name,
                        run=path,
                        required=run.pass_rates.get(identity.scenario, 1.0),
                    ),
                )
                if (identity.repeat or 1) not in case.outcomes:
                    case.outcomes[identity.repeat or 1] = outcomes[name]
                    case.broke_a_rule |= name in played.summary.must_failed
    return cases
