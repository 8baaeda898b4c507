"""Numbers of a comparison as people read them: rates, points, intervals, p-values, metrics in their unit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from claude_run.verdict.pairing import Metric

if TYPE_CHECKING:
    from fractions import Fraction

    from claude_run.verdict.intervals import Interval

METRICS = {
    Metric.COST_USD: "cost",
    Metric.LATENCY_S: "latency",
    Metric.INPUT_TOKENS: "input tokens",
    Metric.OUTPUT_TOKENS: "output tokens",
    Metric.OUTPUT_CHARS: "output characters",
}

_LEAST_P = 0.001
_CENTS = 2
_DIGITS = 3
_FEW = 100
_MOST_DECIMALS = 12


def percent(rate: Fraction | float, *, signed: bool = False, digits: int | None = None) -> str:
    """Return a rate as `70.0%`, `+4.2%` when signed; with `digits`, as many as count: `98.3%`, `95%`."""
    if digits is not None:
        return f"{100 * float(rate):.{digits}g}%"
    return f"{100 * float(rate):{'+' if signed else ''}.1f}%"


def points(difference: Fraction | float, *, unit: str = " points") -> str:
    """Return a difference of rates in percentage points: `-20.0 points`."""
    return f"{100 * float(difference):+.1f}{unit}"


def span(interval: Interval) -> str:
    """Return an interval of a difference of rates, in points: `-37.3 to -2.7`."""
    return f"{points(interval.lower, unit='')} to {points(interval.upper, unit='')}"


def p_value(value: float) -> str:
    """Return a p-value with three digits that count; small ones are `<0.001`."""
    return f"<{_LEAST_P}" if value < _LEAST_P else f"{value:.3g}"


def metric_amount(metric: Metric, value: float) -> str:
    """Return a mean in its unit: `$0.00123`, `1.20 s`, `204.5`, `1,204`."""
    if metric is Metric.COST_USD:
        return f"${value:,.{_decimals(value)}f}"
    if metric is Metric.LATENCY_S:
        return f"{value:,.2f} s"
    return f"{value:,.1f}" if value < _FEW else f"{value:,.0f}"


def change_of(metric: Metric, value: float) -> str:
    """Return a difference as `metric_amount` does, with its sign."""
    return f"{'-' if value < 0 else '+'}{metric_amount(metric, abs(value))}"


def span_of(metric: Metric, interval: Interval) -> str:
    """Return an interval of a difference of a metric: `-$0.01 to +$0.02`."""
    return f"{change_of(metric, interval.lower)} to {change_of(metric, interval.upper)}"


def _decimals(value: float) -> int:
    """Return how many decimals show three digits that count of an amount below one dollar, else cents."""
    if not 0 < value < 1:
        return _CENTS
    return min(_MOST_DECIMALS, _DIGITS - 1 - math.floor(math.log10(value)))
