"""The verdict: whether the candidate run is better, worse, the same, or nobody can tell yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.verdict.changes import CaseChange, list_changes
from claude_run.verdict.effect import Effect, measure_effect
from claude_run.verdict.exact import Tails, sign_flip
from claude_run.verdict.multiple import holm
from claude_run.verdict.notes import write_notes
from claude_run.verdict.outlook import Outlook, look_ahead
from claude_run.verdict.rational import as_decimal
from claude_run.verdict.rules import GateRules, Verdict
from claude_run.verdict.secondary import SecondaryRow, compare_metrics
from claude_run.verdict.shuffle import label_shuffle, stricter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from claude_run.verdict.pairing import Pairing


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A candidate against its baseline: the verdict and everything that it rests on.

    `p_worse` and `p_better` are one-sided sign-flip p-values, `p_worse_adjusted` and `p_better_adjusted` the
    same after Holm over all comparisons that were judged together; the verdict reads the adjusted ones.
    `effect` and `outlook` are None when no case could be paired. `notes` are plain English sentences without
    any text of the user's. `pairing` names what was left out.
    """

    verdict: Verdict
    rules: GateRules
    pairing: Pairing
    effect: Effect | None
    p_worse: float
    p_better: float
    p_worse_adjusted: float
    p_better_adjusted: float
    outlook: Outlook | None
    changes: tuple[CaseChange, ...]
    secondary: tuple[SecondaryRow, ...]
    notes: tuple[str, ...]


def judge(pairing: Pairing, rules: GateRules | None = None) -> Comparison:
    """Judge one candidate against its baseline.

    - `regressed`: the one-sided sign-flip p of "worse" is <= alpha and the mean drop is >= min_drop;
    - `improved`: the p of "better" is <= alpha;
    - `unchanged`: neither, and the interval excludes a drop of `margin` (non-inferior);
    - `inconclusive`: none of these, or nothing to compare.
    """
    return judge_all([pairing], rules)[0]


def judge_all(pairings: Sequence[Pairing], rules: GateRules | None = None) -> tuple[Comparison, ...]:
    """Judge several candidates against one baseline as one family, in the order given.

    The p-values of "worse", and apart from them those of "better", are Holm-adjusted over the family; the
    intervals are Bonferroni-adjusted, so that all claims of `unchanged` hold together.
    """
    chosen = rules or GateRules()
    tails = [_flip(pairing) for pairing in pairings]
    worse = holm([chosen.worse(each) for each in tails])
    better = holm([chosen.better(each) for each in tails])
    return tuple(
        _compare(
            pairing, rules=chosen, findings=_Findings(tails=each, worse=down, better=up, family=len(pairings))
        )
        for pairing, each, down, up in zip(pairings, tails, worse, better, strict=True)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Findings:
    """The test of one pairing, and its p-values adjusted over a family of that many."""

    tails: Tails
    worse: Fraction
    better: Fraction
    family: int


def _flip(pairing: Pairing) -> Tails:
    """Test by sign flips; where the sides have different numbers of attempts, by shuffled labels as well."""
    flipped = sign_flip(
        [pair.difference for pair in pairing.pairs], clusters=[pair.cluster for pair in pairing.pairs]
    )
    if all(pair.baseline.total == pair.candidate.total for pair in pairing.pairs):
        return flipped
    return stricter(flipped, label_shuffle([(pair.baseline, pair.candidate) for pair in pairing.pairs]))


def _compare(pairing: Pairing, *, rules: GateRules, findings: _Findings) -> Comparison:
    confidence = 1 - (1 - rules.look_confidence) / findings.family
    effect = measure_effect(pairing.pairs, confidence=confidence)
    verdict = _decide(effect, rules=rules, findings=findings)
    outlook = None
    if effect is not None:
        decided = verdict is not Verdict.INCONCLUSIVE
        level = float(rules.level / findings.family)
        outlook = look_ahead(pairing.pairs, effect, rules=rules, decided=decided, level=level)
    return Comparison(
        verdict=verdict,
        rules=rules,
        pairing=pairing,
        effect=effect,
        p_worse=float(rules.worse(findings.tails)),
        p_better=float(rules.better(findings.tails)),
        p_worse_adjusted=float(findings.worse),
        p_better_adjusted=float(findings.better),
        outlook=outlook,
        changes=list_changes(pairing.pairs, alpha=rules.level),
        secondary=compare_metrics(pairing.pairs, confidence=rules.look_confidence),
        notes=write_notes(
            pairing, effect, outlook=outlook, verdict=verdict, sure=findings.worse <= rules.level
        ),
    )


def _decide(effect: Effect | None, *, rules: GateRules, findings: _Findings) -> Verdict:
    if effect is None:
        return Verdict.INCONCLUSIVE
    if findings.worse <= rules.level and -effect.difference >= as_decimal(rules.min_drop):
        return Verdict.REGRESSED
    if findings.better <= rules.level:
        return Verdict.IMPROVED
    excluded = effect.interval.lower > -as_decimal(rules.margin)
    return Verdict.UNCHANGED if excluded else Verdict.INCONCLUSIVE
