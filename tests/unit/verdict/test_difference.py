"""Verdicts: what is said, when, and with which words beside it."""

from __future__ import annotations

import math
import time
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.verdict.basics import ComparisonRules, PValue, Verdict
from claude_run.verdict.difference import ComparisonResult, judge, judge_all
from claude_run.verdict.effect import measure_effect
from claude_run.verdict.intervals import Method, PairedTable, newcombe_paired, paired_t
from claude_run.verdict.pairing import Metric, Observation, Pairing, pair_runs
from tests.unit.verdict.builders import numbered, pairing, run

RUNS = st.integers(1, 8).flatmap(
    lambda cases: st.tuples(
        *[st.lists(st.text("01", min_size=1, max_size=4), min_size=cases, max_size=cases)] * 2
    )
)


def _pair_marks(before: list[str], after: list[str]) -> Pairing:
    return pair_runs(
        run({f"c{place}": marks for place, marks in enumerate(before)}),
        run({f"c{place}": marks for place, marks in enumerate(after)}),
    )


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ("1" * 20, "1" * 15 + "0" * 5, Verdict.REGRESSED),
        ("1" * 20, "1" * 16 + "0" * 4, Verdict.INCONCLUSIVE),
        ("1" * 15 + "0" * 5, "1" * 20, Verdict.IMPROVED),
        ("1" * 60, "1" * 60, Verdict.NOT_WORSE),
        ("1" * 20, "1" * 20, Verdict.INCONCLUSIVE),
        ("1" * 4, "0" * 4, Verdict.INCONCLUSIVE),
        ("0" * 6, "1" * 6, Verdict.IMPROVED),
        ("0" * 4, "1" * 4, Verdict.NOT_WORSE),
        ("0", "1", Verdict.INCONCLUSIVE),
        ("1" * 35, "1" * 35, Verdict.NOT_WORSE),
        ("1" * 35, "1" * 34 + "0", Verdict.INCONCLUSIVE),
        ("1" * 50, "1" * 49 + "0", Verdict.INCONCLUSIVE),
    ],
)
def test_verdicts(before: str, after: str, verdict: Verdict) -> None:
    """Five more failures are a regression, four may be chance; 20 equal cases do not exclude ten points."""
    assert judge(pairing(before, after)).verdict is verdict


def test_everything_behind_a_verdict() -> None:
    """The effect is candidate minus baseline, with counts, p-values and (below 15 cases) Newcombe's."""
    found = judge(pairing("1111111011", "0010100111"))
    effect = found.effect
    assert effect is not None
    assert (effect.cases, effect.units, effect.worse, effect.better, effect.same) == (10, 10, 5, 1, 4)
    assert (effect.baseline_rate, effect.candidate_rate) == (Fraction(9, 10), Fraction(1, 2))
    assert effect.difference == Fraction(-2, 5)
    assert effect.correlation == pytest.approx(-1 / 3)
    assert effect.interval.method is Method.NEWCOMBE_PAIRED
    assert found.p_worse == 7 / 64
    assert found.p_better == 63 / 64
    assert (found.p_worse_adjusted, found.p_better_adjusted) == (found.p_worse, found.p_better)


@pytest.mark.parametrize("cases", [35, 50, 65, 99, 100, 150, 250])
@pytest.mark.parametrize("margin", [0.05, 0.1])
def test_not_worse_is_seldom_said_of_a_drop_of_the_margin(cases: int, margin: float) -> None:
    """Each case is broken by a chance as large as the margin: at most 2.5 % may look like no such drop.

    Counted, not simulated: the number of broken cases is binomial. By the t interval alone it was 13 % of
    35 cases, and 6 to 12 % of 100.
    """
    missed = 0.0
    for broken in range(int(cases * margin) + 1):
        effect = measure_effect(pairing("1" * cases, "1" * (cases - broken) + "0" * broken).pairs)
        assert effect is not None
        if effect.interval.lower > -margin:
            missed += math.comb(cases, broken) * margin**broken * (1 - margin) ** (cases - broken)
    assert missed <= 0.0255


def test_either_end_is_the_farther_one_of_two() -> None:
    """Where few cases changed the interval holds both that of t and Newcombe's; its method says so."""
    found = measure_effect(pairing("1" * 60, "0" + "1" * 59).pairs)
    assert found is not None
    by_t = paired_t([-1] + [0] * 59)
    newcombe = newcombe_paired(PairedTable(both=59, first_only=0, second_only=1, neither=0))
    assert by_t is not None
    assert found.interval.lower == min(by_t.lower, newcombe.lower)
    assert found.interval.upper == max(by_t.upper, newcombe.upper)
    assert found.interval.method in {Method.WIDER, Method.NEWCOMBE_PAIRED}
    many = measure_effect(pairing("1" * 200, "0" * 40 + "1" * 160).pairs)
    assert many is not None
    assert many.interval.method is Method.PAIRED_T


def test_newcombe_alone_below_fifteen_cases_or_without_variation() -> None:
    """Fifteen units and some variation make the t interval count; without variation it has no width."""
    varied = [measure_effect(pairing("1" * cases, "1" * (cases - 7) + "0" * 7).pairs) for cases in (14, 15)]
    flat = measure_effect(pairing("1" * 15, "1" * 15).pairs)
    assert [each.interval.method for each in varied if each] == [Method.NEWCOMBE_PAIRED, Method.WIDER]
    assert flat is not None
    assert flat.interval.method is Method.NEWCOMBE_PAIRED
    assert flat.interval.upper > flat.interval.lower
    assert flat.correlation is None


def test_intervals_stay_between_minus_one_and_one() -> None:
    """A t interval that would reach beyond is cut, and the standard error is the uncut one's."""
    found = judge(_pair_marks(["11"] * 15, ["00"] * 14 + ["01"]), ComparisonRules(confidence=0.99999))
    assert found.effect is not None
    assert found.effect.interval.lower == -1
    assert found.effect.interval.upper < 0
    assert found.effect.standard_error == pytest.approx(1 / 30)


def test_groups_flip_together() -> None:
    """Six failures in one group are one change; in six groups they are six."""
    before, after = numbered("1" * 12), numbered("1" * 6 + "0" * 6)
    one = {f"c{place:03}": "late" for place in range(6, 12)}
    together = judge(pair_runs(run(before, groups=one), run(after, groups=one)))
    apart = judge(pair_runs(run(before), run(after)))
    assert (together.verdict, apart.verdict) == (Verdict.INCONCLUSIVE, Verdict.REGRESSED)
    assert together.p_worse == 0.5
    assert together.effect is not None
    assert together.effect.units == 7
    assert together.notes[0].startswith("Only 1 group changed")


def test_mid_p_is_less_strict() -> None:
    """Four changes reach .05 by the mid-p value only."""
    runs = pairing("1" * 20, "1" * 16 + "0" * 4)
    found = judge(runs, ComparisonRules(p_value=PValue.MID))
    assert found.verdict is Verdict.REGRESSED
    assert found.p_worse == 1 / 32
    assert found.fewest_changes == 4


def test_several_candidates_are_one_family() -> None:
    """Holm over the candidates: what stands alone may fall in a family, and intervals widen."""
    runs = [pairing("1" * 20, "1" * 15 + "0" * 5), pairing("1" * 20, "1" * 20), pairing("1" * 20, "0" * 20)]
    alone, family = judge(runs[0]), judge_all(runs)
    assert [each.verdict for each in family] == [
        Verdict.INCONCLUSIVE,
        Verdict.INCONCLUSIVE,
        Verdict.REGRESSED,
    ]
    assert family[0].p_worse == 1 / 32
    assert family[0].p_worse_adjusted == 2 / 32
    assert alone.effect is not None
    assert family[0].effect is not None
    assert family[0].effect.interval.lower < alone.effect.interval.lower
    assert judge_all([]) == ()


def test_case_changes_are_listed_worst_first() -> None:
    """Fisher one-sided for "worse", Holm and Benjamini-Hochberg over all cases, flaky ones marked."""
    found = judge(_pair_marks(["1" * 9, "111", "101", "110"], ["0" * 9, "110", "111", "110"]))
    assert [change.case for change in found.changes] == ["c0", "c1", "c2"]
    worst, mild, gain = found.changes
    assert worst.p_worse == pytest.approx(1 / 48620)
    assert worst.p_holm == pytest.approx(4 / 48620)
    assert (worst.regressed, worst.worth_a_look, worst.flaky) == (True, True, False)
    assert (mild.difference, mild.p_worse, mild.regressed, mild.flaky) == (Fraction(-1, 3), 0.5, False, True)
    assert (gain.p_worse, gain.p_bh) == (1.0, 1.0)


def test_one_case_cannot_be_blamed_with_few_repeats() -> None:
    """5/5 against 1/5 is p = .0238, which three cases take away."""
    found = judge(_pair_marks(["11111"] * 3, ["10000", "11111", "11111"]))
    (change,) = found.changes
    assert round(change.p_worse, 4) == 0.0238
    assert (change.regressed, change.worth_a_look) == (False, False)


def _metered(values: list[float], **more: Any) -> list[Observation]:
    return [
        Observation(case=f"c{place}", passed=True, cost_usd=value, **more)
        for place, value in enumerate(values)
    ]


def test_secondary_rows() -> None:
    """Mean paired differences with a t interval, in the order of the metrics, Holm-adjusted."""
    before = _metered([0.1, 0.2, 0.3, 0.4], output_tokens=100)
    after = _metered([0.2, 0.3, 0.5, 0.6], output_tokens=90)
    cost, tokens = judge(pair_runs(before, after)).secondary
    assert (cost.metric, tokens.metric) == (Metric.COST_USD, Metric.OUTPUT_TOKENS)
    assert cost.difference == pytest.approx(0.15)
    assert cost.relative == pytest.approx(0.6)
    assert (cost.baseline_mean, cost.candidate_mean) == pytest.approx((0.25, 0.4))
    assert cost.interval is not None
    assert cost.interval.lower < 0.15 < cost.interval.upper
    assert cost.p_value == pytest.approx(0.0138468, rel=1e-4)  # scipy.stats.ttest_rel
    assert cost.p_holm == pytest.approx(2 * cost.p_value)
    # Ten tokens less in every case vary by nothing: no interval, and the p of the sign test.
    assert (tokens.difference, tokens.interval, tokens.p_value, tokens.p_holm) == (-10.0, None, 0.125, 0.125)


@pytest.mark.parametrize(
    ("before", "after", "is_finding"),
    [
        ([1.0, 1.1, 0.9, 1.0], [2.0, 2.2, 1.9, 2.1], True),
        ([1.0, 1.1, 0.9, 1.0], [1.04, 1.14, 0.94, 1.03], False),  # sure, and too small to act on
        ([1.0, 3.0, 0.5, 9.0], [9.0, 1.0, 3.0, 2.0], False),  # large, and by chance
        ([1.0, 1.0], [2.0, 2.0], True),  # it does not vary: it is what it is
        ([0.0, 0.0], [0.5, 0.5], True),
        ([1.0, 1.0], [1.0, 1.0], False),
    ],
)
def test_a_finding_is_large_and_beyond_chance(
    before: list[float], after: list[float], *, is_finding: bool
) -> None:
    """Below 5 %, or where the interval holds 0 and the test is not sure, nobody would act."""
    (row,) = judge(pair_runs(_metered(before), _metered(after))).secondary
    assert row.is_finding is is_finding


def test_secondary_rows_without_change_or_base() -> None:
    """No change has p = 1; a mean of 0 has no relative change; a metric that one run lacks has no row."""
    before = _metered([0.0, 0.0], latency_s=1.0)
    after = _metered([0.0, 0.0], input_tokens=7)
    (row,) = judge(pair_runs(before, after)).secondary
    assert (row.metric, row.p_value, row.relative, row.interval) == (Metric.COST_USD, 1.0, None, None)


def test_too_few_cases_can_never_fail() -> None:
    """Below five cases nothing can be called a regression, and it is said."""
    found = judge(pairing("111", "000"))
    assert found.fewest_changes == 5
    assert found.notes[0] == (
        "This comparison can never say that it got worse: at least 5 cases must get worse together, "
        "and only 3 cases were compared. Add cases."
    )


def test_single_tries_are_said_where_nobody_can_tell() -> None:
    """How much repeats would help is unknown while there are none."""
    once = judge(pairing("1" * 10 + "0", "0" + "1" * 10))
    assert once.notes[-1].startswith("Every case was tried once")


def test_nothing_in_common_is_inconclusive() -> None:
    """Two runs without a common case are not equal, they are not compared."""
    found = judge(pair_runs(run({"a": "1", "z": "?"}), run({"b": "1", "z": "1"})))
    assert (found.verdict, found.effect) == (Verdict.INCONCLUSIVE, None)
    assert (found.p_worse, found.p_better) == (1.0, 1.0)
    assert found.notes == (
        "No case was measured in both runs: there is nothing to compare.",
        "Left out: 1 case only in the baseline.",
        "Left out: 1 case only in the candidate.",
        "Left out: 1 case without a measured sample in one of the runs.",
        "1 sample could not be measured and count neither as passed nor as failed.",
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"alpha": 0.5}, "alpha must be above 0 and below 0.5, got 0.5"),
        ({"margin": 0}, "margin must be above 0 and at most 1, got 0"),
        ({"confidence": 1}, "confidence must be above 0 and below 1, got 1"),
    ],
)
def test_impossible_rules_are_refused(wrong: dict[str, Any], message: str) -> None:
    """The message names the rule, its range and the value."""
    with pytest.raises(ValueError, match=message):
        ComparisonRules(**wrong)


@given(RUNS)
@settings(max_examples=30, deadline=None)
def test_swapping_the_runs_turns_the_comparison_around(marks: tuple[list[str], list[str]]) -> None:
    """Improved and regressed change places, the interval holds the difference and turns around."""
    before, after = marks
    found, swapped = judge(_pair_marks(before, after)), judge(_pair_marks(after, before))
    assert (found.p_worse, found.p_better) == (swapped.p_better, swapped.p_worse)
    assert (found.verdict is Verdict.REGRESSED) == (swapped.verdict is Verdict.IMPROVED)
    assert found.effect is not None
    assert swapped.effect is not None
    interval, mirror = found.effect.interval, swapped.effect.interval
    assert found.effect.difference == -swapped.effect.difference
    assert interval.lower - 1e-12 <= found.effect.difference <= interval.upper + 1e-12
    assert (mirror.lower, mirror.upper) == pytest.approx((-interval.upper, -interval.lower))
    assert interval.lower < interval.upper
    assert found.effect.standard_error > 0


@given(RUNS, st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_order_of_attempts_does_not_matter(marks: tuple[list[str], list[str]], source: Random) -> None:
    """Replies come in any order; the numbers are the same to the last digit."""
    before, after = (run({f"c{place}": each for place, each in enumerate(side)}) for side in marks)
    first = judge(pair_runs(before, after))
    source.shuffle(before)
    source.shuffle(after)
    second = judge(pair_runs(before, after))
    assert _numbers(first) == _numbers(second)


def _numbers(found: ComparisonResult) -> tuple[object, ...]:
    return (found.verdict, found.effect, found.p_worse, found.p_better, found.changes)


def test_a_thousand_cases_by_five_compare_quickly() -> None:
    """Two runs of 5,000 samples with three metrics: well under a second of processor time."""
    source = Random(7)  # noqa: S311 - simulation, not secrets
    chances = [source.choice((0.95, 0.6)) for _ in range(1000)]
    runs = [
        [
            Observation(
                case=f"c{place}",
                passed=source.random() < chance,
                cost_usd=source.random(),
                latency_s=source.random(),
                output_tokens=source.randrange(500),
            )
            for place, chance in enumerate(chances)
            for _ in range(5)
        ]
        for _ in range(2)
    ]
    started = time.process_time()
    found = judge(pair_runs(*runs))
    assert time.process_time() - started < 2
    assert found.effect is not None
    assert found.effect.cases == 1000
