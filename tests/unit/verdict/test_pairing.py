"""Pairing two runs, and counting their samples."""

from __future__ import annotations

from fractions import Fraction

import pytest

from claude_run.verdict.pairing import Metric, Observation, pair_runs, score_cases
from tests.unit.verdict.builders import rate, run


def test_cases_are_paired_by_key() -> None:
    """The baseline's order holds, the score is the exact mean over the measured samples."""
    found = pair_runs(run({"b": "110", "a": "11"}), run({"a": "011", "b": "100"}))
    assert [(pair.case, pair.baseline, pair.candidate) for pair in found.pairs] == [
        ("b", rate(2, 3), rate(1, 3)),
        ("a", rate(2, 2), rate(2, 3)),
    ]
    assert [pair.difference for pair in found.pairs] == [Fraction(-1, 3), Fraction(-1, 3)]


def test_cases_without_a_partner_are_named() -> None:
    """Both sides, and apart from them the cases that one side never measured."""
    found = pair_runs(run({"a": "1", "old": "1", "lost": "??"}), run({"new": "0", "a": "1?", "lost": "1"}))
    assert [pair.case for pair in found.pairs] == ["a"]
    assert (found.baseline_only, found.candidate_only, found.unmeasured) == (("old",), ("new",), ("lost",))
    assert found.lost_samples == 3


def test_unmeasured_attempts_are_counted_but_not_scored() -> None:
    """A sample that could not be measured is neither a pass nor a failure."""
    (score,) = score_cases(run({"a": "1?0?"}))
    assert (len(score.places), len(score.results), score.rate) == (4, 2, rate(1, 2))
    (never,) = score_cases(run({"a": "?"}))
    assert never.rate is None


def test_groups_come_from_the_candidate_first() -> None:
    """The newer run's grouping holds; a run that does not know groups takes the other's."""
    before = run({"a": "1", "b": "1", "c": "1"}, groups={"a": "old", "b": "old"})
    after = run({"a": "1", "b": "1", "c": "1"}, groups={"a": "new"})
    found = pair_runs(before, after)
    assert [pair.group for pair in found.pairs] == ["new", "old", None]


def test_a_group_is_never_mistaken_for_a_case() -> None:
    """A group named like another case does not swallow it."""
    before = run({"a": "1", "x": "1"}, groups={"a": "x"})
    found = pair_runs(before, before)
    assert len({pair.cluster for pair in found.pairs}) == 2


def test_one_case_in_two_groups_is_refused() -> None:
    """A run that contradicts itself cannot be clustered."""
    samples = [Observation(case="a", passed=True, group="x"), Observation(case="a", passed=True)]
    with pytest.raises(ValueError, match=r"case 'a' stands in several groups of one run \('x', None\)"):
        score_cases(samples)


def test_metrics_are_averaged_where_known() -> None:
    """Unknown values are left out, unmeasured samples too; nothing known is None."""
    (score,) = score_cases(
        [
            Observation(case="a", passed=True, latency_s=1.5, output_tokens=10),
            Observation(case="a", passed=False, output_tokens=11),
            Observation(case="a", passed=None, output_tokens=99),
        ]
    )
    assert score.mean(Metric.OUTPUT_TOKENS) == Fraction(21, 2)
    assert score.mean(Metric.LATENCY_S) == Fraction(3, 2)
    assert score.mean(Metric.COST_USD) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_metrics_must_be_finite(value: float) -> None:
    """A metric that is not a number says where it stands."""
    with pytest.raises(ValueError, match="cost_usd of case 'a' is"):
        Observation(case="a", passed=True, cost_usd=value)
