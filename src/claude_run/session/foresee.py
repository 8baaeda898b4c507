"""What a gated run will catch, and what confirming may cost at most: told before anything is paid for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.checks.judge_check import judges_of
from claude_run.conversation.sample import Sample
from claude_run.conversation.transcript import total_cost
from claude_run.session.gate import Matched, match
from claude_run.verdict.basics import Rate
from claude_run.verdict.power import REPEATS, PlannedCase, Power, power_of, repeats_for_drop
from claude_run.verdict.regression import LEAST_COVERED, fresh_attempts, sure_passes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from claude_run.conversation.script import Conversation
    from claude_run.plan.estimate import Bound
    from claude_run.verdict.comparison import Arm
    from claude_run.verdict.gate import GateRules

MOST_REPEATS = REPEATS[-1]
"""The most repeats that are tried for it."""

WORTH_SEEING = 0.1
"""The drop of all pass rates for which the fewest repeats are looked up: ten points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshBound:
    """What confirming comes to at most; the cost is None where a model has no price.

    The answers of judges are in no other number.
    """

    conversations: int
    requests: int
    worst_cost_usd: Decimal | None
    judge_answers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Foresight:
    """What is known of a gated run beforehand.

    `compared` cases stand on both sides, and the `others` do not: `power` is about the former, None where
    there is none. Of `uncovered` ones too few attempts were accepted for any promise. With `repeats` of each
    case a drop of ten points is seen in four of five runs; None where even the most would not do.
    """

    compared: int
    others: int
    uncovered: int
    fresh: FreshBound
    power: Power | None
    repeats: int | None


def foresee(
    baseline: Arm, conversations: Sequence[Conversation], rules: GateRules, *, bounds: Mapping[str, Bound]
) -> Foresight:
    """Simulate the gate with the rates of the baseline; `bounds` are those of each case, by its name."""
    matched = match(baseline, [_unplayed(conversation) for conversation in conversations])
    judges = {each.identity.case_name: len(judges_of(each)) for each in conversations}
    planned = _planned(matched)
    by_model: dict[str, list[PlannedCase]] = {}
    for name, case in planned.items():
        by_model.setdefault(name[0], []).append(case)
    return Foresight(
        compared=len(planned),
        others=len(matched.cases) - len(planned),
        uncovered=sum(case.accepted.total < LEAST_COVERED for case in planned.values()),
        fresh=_most_fresh(planned, rules, bounds=bounds, judges=judges),
        power=power_of(by_model, rules) if by_model else None,
        repeats=repeats_for_drop(by_model, rules, drop=WORTH_SEEING) if by_model else None,
    )


def _unplayed(conversation: Conversation) -> Sample:
    return Sample(
        identity=conversation.identity,
        passed=None,
        cost_usd=None,
        latency_s=None,
        input_tokens=None,
        output_tokens=None,
        output_chars=0,
        replies=(),
        vars=conversation.vars,
        expectations=conversation.expectations_digest,
    )


def _planned(matched: Matched) -> dict[tuple[str, str], PlannedCase]:
    """Return what will be compared, by model and name of the case."""
    found: dict[tuple[str, str], PlannedCase] = {}
    for case in matched.cases:
        measured = [sample for sample in case.accepted if sample.passed is not None]
        if measured and case.edited is None:
            rate = Rate(passed=sum(sample.passed is True for sample in measured), total=len(measured))
            found[case.identity.model_label, case.name] = PlannedCase(accepted=rate, attempts=len(case.now))
    return found


def _most_fresh(
    planned: Mapping[tuple[str, str], PlannedCase],
    rules: GateRules,
    *,
    bounds: Mapping[str, Bound],
    judges: Mapping[str, int],
) -> FreshBound:
    """Return what confirming comes to where every case that was fine looks broken, and none of them passes.

    The more cases fail, the more fresh attempts each one needs, so no other run comes to more.
    """
    failing = Counter(model for model, _ in planned)
    level = rules.confirm_level(max(1, len(failing)))
    found = []
    for (model, name), case in planned.items():
        accepted = case.accepted
        if accepted.passed >= sure_passes(accepted.total):
            needed = fresh_attempts(accepted.total, failing[model], level=level)
            number = rules.most_fresh if needed is None else min(needed, rules.most_fresh)
            found.append((number, bounds[name], judges[name]))
    costs = (
        None if bound.worst_cost_usd is None else number * bound.worst_cost_usd for number, bound, _ in found
    )
    return FreshBound(
        conversations=sum(number for number, *_ in found),
        requests=sum(number * bound.requests for number, bound, _ in found),
        worst_cost_usd=total_cost(costs),
        judge_answers=sum(number * answers for number, _, answers in found),
    )
