"""The verdict on a difference: the candidate is worse, better, not worse, or nobody can tell yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.text.visible import count
from claude_run.verdict.basics import ComparisonRules, PValue, Verdict, as_decimal, holm
from claude_run.verdict.changes import CaseChange, list_changes
from claude_run.verdict.effect import Effect, SecondaryRow, compare_metrics, measure_effect
from claude_run.verdict.exact import Tails, fewest_changes, label_shuffle, sign_flip, stricter
from claude_run.verdict.pairing import clusters_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from claude_run.verdict.pairing import Pairing


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonResult:
    """A candidate against its baseline: the verdict and everything that it rests on.

    `p_worse` and `p_better` are one-sided sign-flip p-values, `p_worse_adjusted` and `p_better_adjusted` the
    same after Holm over all comparisons that were judged together; the verdict reads the adjusted ones.
    `effect` is None when no case could be paired. `fewest_changes` units must get worse together before the
    test can say `regressed` at all. `notes` are plain English sentences without any text of the user's.
    `pairing` names what was left out.
    """

    verdict: Verdict
    rules: ComparisonRules
    pairing: Pairing
    effect: Effect | None
    p_worse: float
    p_better: float
    p_worse_adjusted: float
    p_better_adjusted: float
    fewest_changes: int
    changes: tuple[CaseChange, ...]
    secondary: tuple[SecondaryRow, ...]
    notes: tuple[str, ...]


def judge(pairing: Pairing, rules: ComparisonRules | None = None) -> ComparisonResult:
    """Judge one candidate against its baseline.

    - `regressed`: the one-sided sign-flip p of "worse" is <= alpha;
    - `improved`: the p of "better" is <= alpha;
    - `not worse`: neither, and the interval excludes a drop of `margin` (non-inferior);
    - `inconclusive`: none of these, or nothing to compare.
    """
    return judge_all([pairing], rules)[0]


def judge_all(
    pairings: Sequence[Pairing], rules: ComparisonRules | None = None
) -> tuple[ComparisonResult, ...]:
    """Judge several candidates against one baseline as one family, in the order given.

    The p-values of "worse", and apart from them those of "better", are Holm-adjusted over the family; the
    intervals are Bonferroni-adjusted, so that all claims of `not worse` hold together.
    """
    rules = rules or ComparisonRules()
    family = len(pairings)
    tails = [_test(pairing) for pairing in pairings]
    all_worse = holm([rules.worse(each) for each in tails])
    all_better = holm([rules.better(each) for each in tails])
    found: list[ComparisonResult] = []
    for pairing, each, worse, better in zip(pairings, tails, all_worse, all_better, strict=True):
        # The verdict, from the adjusted p-values and the interval of the change.
        confidence = 1 - (1 - rules.confidence) / family
        effect = measure_effect(pairing.pairs, confidence=confidence)
        verdict = _decide(effect, rules=rules, worse=worse, better=better)
        # How many changes the strictest level of the family asks for.
        fewest = fewest_changes(rules.level / family, mid_p=rules.p_value is PValue.MID)
        result = ComparisonResult(
            verdict=verdict,
            rules=rules,
            pairing=pairing,
            effect=effect,
            p_worse=float(rules.worse(each)),
            p_better=float(rules.better(each)),
            p_worse_adjusted=float(worse),
            p_better_adjusted=float(better),
            fewest_changes=fewest,
            changes=list_changes(pairing.pairs, alpha=rules.level),
            secondary=compare_metrics(pairing.pairs, confidence=rules.confidence, alpha=rules.alpha),
            notes=_notes(pairing, effect, fewest=fewest, verdict=verdict),
        )
        found.append(result)
    return tuple(found)


def _test(pairing: Pairing) -> Tails:
    """Test by sign flips; where the sides have different numbers of samples, by shuffled labels as well."""
    differences = [pair.difference for pair in pairing.pairs]
    flipped = sign_flip(differences, clusters=clusters_of(pairing.pairs))
    if all(pair.baseline.total == pair.candidate.total for pair in pairing.pairs):
        return flipped
    return stricter(flipped, label_shuffle([(pair.baseline, pair.candidate) for pair in pairing.pairs]))


def _decide(effect: Effect | None, *, rules: ComparisonRules, worse: Fraction, better: Fraction) -> Verdict:
    if effect is None:
        return Verdict.INCONCLUSIVE
    if worse <= rules.level:
        return Verdict.REGRESSED
    if better <= rules.level:
        return Verdict.IMPROVED
    excluded = effect.interval.lower > -as_decimal(rules.margin)
    return Verdict.NOT_WORSE if excluded else Verdict.INCONCLUSIVE


def _notes(pairing: Pairing, effect: Effect | None, *, fewest: int, verdict: Verdict) -> tuple[str, ...]:
    """Return what a reader must be told, the gravest first, in sentences that hold numbers only."""
    left_out = _left_out(pairing)
    if effect is None:
        return ("No case was measured in both runs: there is nothing to compare.", *left_out)
    notes = [_too_little(pairing, effect, fewest=fewest)]
    once = all(max(pair.baseline.total, pair.candidate.total) == 1 for pair in pairing.pairs)
    if once and verdict is Verdict.INCONCLUSIVE:
        notes.append(
            "Every case was tried once: how much repeats would help is unknown until there are at least two."
        )
    return (*(note for note in notes if note), *left_out)


def _left_out(pairing: Pairing) -> list[str]:
    counts = [
        (len(pairing.baseline_only), "only in the baseline"),
        (len(pairing.candidate_only), "only in the candidate"),
        (len(pairing.unmeasured), "without a measured sample in one of the runs"),
    ]
    notes = [f"Left out: {count(number, 'case')} {where}." for number, where in counts if number]
    if pairing.lost_samples:
        lost = count(pairing.lost_samples, "sample")
        notes.append(f"{lost} could not be measured and count neither as passed nor as failed.")
    return notes


def _too_little(pairing: Pairing, effect: Effect, *, fewest: int) -> str | None:
    unit = "case" if effect.units == effect.cases else "group"
    if effect.units < fewest:
        verb = "was" if effect.units == 1 else "were"
        return (
            f"This comparison can never say that it got worse: at least {count(fewest, unit)} must get "
            f"worse together, and only {count(effect.units, unit)} {verb} compared. Add cases."
        )
    changed = len({pair.cluster for pair in pairing.pairs if pair.difference})
    if effect.worse and changed < fewest:
        return (
            f"Only {count(changed, unit)} changed: the least that the test can call a regression is "
            f"{fewest} changes in one direction."
        )
    return None
