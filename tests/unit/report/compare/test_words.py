"""Numbers of a comparison as people read them."""

from __future__ import annotations

from fractions import Fraction

import pytest

from claude_run.report.compare.words import (
    change_of,
    metric_amount,
    p_value,
    percent,
    points,
    span,
    span_of,
)
from claude_run.verdict.intervals import Interval, Method
from claude_run.verdict.pairing import Metric


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "$0.00"),
        (0.000123456, "$0.000123"),
        (0.5, "$0.500"),
        (1234.5, "$1,234.50"),
        (1e-300, "$0.000000000000"),
    ],
)
def test_dollars_keep_three_digits_that_count(value: float, expected: str) -> None:
    """Small costs are not rounded away, large ones are cents, and no number grows without end."""
    assert metric_amount(Metric.COST_USD, value) == expected


def test_other_metrics_have_their_unit() -> None:
    """Latency is in seconds; counts have one decimal while they are small."""
    assert metric_amount(Metric.LATENCY_S, 1.234) == "1.23 s"
    assert metric_amount(Metric.OUTPUT_TOKENS, 31.25) == "31.2"
    assert metric_amount(Metric.OUTPUT_CHARS, 12345.6) == "12,346"


def test_changes_have_a_sign() -> None:
    """A sign stands in front of the unit."""
    interval = Interval(lower=-0.01, upper=0.02, confidence=0.95, method=Method.PAIRED_T)
    assert change_of(Metric.COST_USD, -0.0042) == "-$0.00420"
    assert span_of(Metric.LATENCY_S, interval) == "-0.01 s to +0.02 s"
    assert span(interval) == "-1.0 to +2.0"
    assert points(Fraction(-1, 5)) == "-20.0 points"


def test_rates_and_p_values() -> None:
    """Rates have one decimal or the digits asked for; p-values three digits that count."""
    assert percent(Fraction(2, 3)) == "66.7%"
    assert percent(1.28, signed=True) == "+128.0%"
    assert percent(0.98333, digits=3) == "98.3%"
    assert [p_value(value) for value in (1.0, 0.03125, 0.0004)] == ["1", "0.0312", "<0.001"]
