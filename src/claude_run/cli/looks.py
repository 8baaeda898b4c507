"""Playing in looks: once, or with `--until-sure` again and again until the results can be judged.

Each look tests at a level that holds over all the looks that there may be, so that adding repeats never turns
a false alarm, or a false all-clear, into a habit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from claude_run.cli.gate import gate_run
from claude_run.cli.planning import LOOKS
from claude_run.record.derive import read_played
from claude_run.verdict.basics import Rate, Verdict
from claude_run.verdict.reliability import RateVerdict, judge_rate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from claude_run.cli.planning import Prepared
    from claude_run.conversation.script import Conversation
    from claude_run.record.folder import RunFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """The conversations of a plan by the look that plays them; one look where `--until-sure` is not given."""

    prepared: Prepared
    by_look: Sequence[Sequence[Conversation]]

    @classmethod
    def of(cls, prepared: Prepared) -> Looks:
        conversations = prepared.plan.conversations
        if not prepared.options.until_sure:
            return cls(prepared=prepared, by_look=[conversations])
        sizes = {s.name: prepared.options.repeat or s.repeat for s in prepared.scenarios}
        looks: list[list[Conversation]] = [[] for _ in range(LOOKS)]
        for conversation in conversations:
            identity = conversation.identity
            looks[((identity.repeat or 1) - 1) // sizes[identity.scenario]].append(conversation)
        return cls(prepared=prepared, by_look=looks)

    @property
    def number(self) -> int:
        """How many looks there may be."""
        return len(self.by_look)

    def needed(self, look: int, folder: RunFolder) -> Sequence[Conversation]:
        """Return what the look with this index must play after those before it; none once all is sure."""
        if look == 0:
            return self.by_look[0]
        # What was planned before the run was cut off stays planned: half a look decides nothing.
        planned = {each.id for each in folder.read_run().conversations}
        begun = [each for each in self.by_look[look] if each.id in planned]
        if begun:
            return begun
        played = read_played(folder)
        if self.prepared.baseline is not None:
            contest = gate_run(played, self.prepared.baseline, self.prepared.options.gate, looks=self.number)
            unsure = contest.duels[0].comparison.verdict is Verdict.INCONCLUSIVE
            return self.by_look[look] if unsure else ()
        open_cases = {
            rate.name for rate in played.summary.rates if _is_open(rate.passed, rate.measured, rate.required)
        }
        return [each for each in self.by_look[look] if each.identity.case_name in open_cases]


def plan_further(
    folder: RunFolder, conversations: Sequence[Conversation], rates: Mapping[str, float]
) -> None:
    """Add conversations to the run's plan before they are played, so that a resumed run knows of them."""
    run = folder.read_run()
    known = {planned.id for planned in run.conversations}
    added = tuple(each.identity for each in conversations if each.id not in known)
    if added:
        grown = replace(run, conversations=(*run.conversations, *added), pass_rates=dict(rates))
        folder.write_json("run.json", grown.to_json())


def _is_open(passed: int, measured: int, required: float) -> bool:
    if measured == 0:
        return False
    rate = Rate(passed=passed, total=measured)
    return judge_rate(rate, required, looks=LOOKS).verdict is RateVerdict.UNSURE
