"""What a verdict rests on, line by line: rates, p-values, what could have been seen, what would settle it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.report.comparison_numbers import p_value, percent, points, span
from claude_run.report.comparison_words import is_flaky, rates_of
from claude_run.text.visible import count
from claude_run.verdict.reliability import reliability
from claude_run.verdict.rules import PValue, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from claude_run.verdict.contest import Duel
    from claude_run.verdict.effect import Effect
    from claude_run.verdict.gate import Comparison
    from claude_run.verdict.outlook import Outlook
    from claude_run.verdict.pairing import Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One line of what a verdict rests on."""

    label: str
    text: str


def facts(duel: Duel, *, family: int) -> tuple[Fact, ...]:
    """Return what the verdict rests on, line by line; none where nothing was compared.

    `family` is how many candidates were judged together.
    """
    comparison = duel.comparison
    effect, outlook = comparison.effect, comparison.outlook
    if effect is None or outlook is None:
        return ()
    rows = [
        Fact(label="pass rate", text=_rate_words(comparison, effect)),
        Fact(label="cases", text=_case_words(effect)),
        Fact(label="p-value", text=_p_words(comparison, family)),
        Fact(label="would see", text=_reach_words(comparison, effect, outlook=outlook)),
    ]
    if comparison.verdict is Verdict.INCONCLUSIVE:
        rows.append(Fact(label="would settle", text=_settle_words(outlook)))
    return (*rows, *_reliability_facts(comparison.pairing.pairs))


def _rate_words(comparison: Comparison, effect: Effect) -> str:
    interval, margin = effect.interval, comparison.rules.margin
    excluded = "is excluded" if interval.lower > -margin else "is not excluded"
    moved = f"{percent(effect.baseline_rate)} became {percent(effect.candidate_rate)}"
    return (
        f"{moved}, {points(effect.difference)}; "
        f"{percent(interval.confidence, digits=3)} interval {span(interval)} points ({interval.method}); "
        f"a drop of {100 * margin:g} points {excluded}"
    )


def _case_words(effect: Effect) -> str:
    groups = f" in {effect.units:,} groups that rise and fall together" if effect.units < effect.cases else ""
    related = "" if effect.correlation is None else f"; correlation {effect.correlation:.2f}"
    return (
        f"{effect.cases:,} compared{groups}: {effect.worse:,} worse, {effect.better:,} better, "
        f"{effect.same:,} the same{related}"
    )


def _p_words(comparison: Comparison, family: int) -> str:
    rules = comparison.rules
    test = "mid-p sign-flip" if rules.p_value is PValue.MID else "exact sign-flip"
    adjusted = (
        f"; adjusted over {family:,} candidates: {p_value(comparison.p_worse_adjusted)} for worse, "
        f"{p_value(comparison.p_better_adjusted)} for better"
        if family > 1
        else ""
    )
    drop = f" and a drop of at least {100 * rules.min_drop:g} points" if rules.min_drop else ""
    return (
        f"{p_value(comparison.p_worse)} for worse, {p_value(comparison.p_better)} for better "
        f"(one-sided {test} test){adjusted}; regressed means at most {float(rules.level):.3g}{drop}"
    )


def _reach_words(comparison: Comparison, effect: Effect, *, outlook: Outlook) -> str:
    if outlook.detectable_drop is None:
        fewest = count(outlook.fewest_changes, "case" if effect.units == effect.cases else "group")
        return f"no drop of any size: at least {fewest} must get worse together"
    power = percent(comparison.rules.power, digits=3)
    return f"a drop of {100 * outlook.detectable_drop:.1f} points or more, {power} of the time"


def _settle_words(outlook: Outlook) -> str:
    ways = []
    if outlook.repeats_needed is not None:
        ways.append(f"about {count(outlook.repeats_needed, 'repeat')} of each case")
    if outlook.cases_needed is not None:
        ways.append(f"about {count(outlook.cases_needed, 'case')} with as many repeats as now")
    return ", or ".join(ways) or "neither more cases nor more repeats"


def _reliability_facts(pairs: Iterable[Pair]) -> Iterator[Fact]:
    """Yield pass^k and pass@k over the cases that have k attempts on both sides, k the commonest number."""
    sizes = [(min(pair.baseline.total, pair.candidate.total), pair) for pair in pairs]
    k = Counter(size for size, _ in sizes).most_common(1)[0][0]
    if k == 1:
        return
    before, after = (reliability(rates, k) for rates in rates_of(pair for size, pair in sizes if size >= k))
    if before and after:
        yield Fact(
            label=f"pass^{k}",
            text=f"{percent(before.all_pass)} became {percent(after.all_pass)}: all {k} pass",
        )
        yield Fact(
            label=f"pass@{k}",
            text=f"{percent(before.any_passes)} became {percent(after.any_passes)}: one of {k} passes",
        )
    flaky = sum(is_flaky(pair) for _, pair in sizes)
    yield Fact(label="flaky", text=f"{count(flaky, 'case')} passed in some attempts and failed in others")
