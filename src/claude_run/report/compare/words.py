"""The sentences, table cells and numbers that every form of a comparison shares.

Sentences and cells may hold names, which are untrusted: escape them.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.errors import ExitCode
from claude_run.report.text.blocks import truncate
from claude_run.report.text.numbers import ABSENT
from claude_run.text.visible import count
from claude_run.verdict.basics import Verdict
from claude_run.verdict.pairing import Metric

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from fractions import Fraction

    from claude_run.verdict.basics import Rate
    from claude_run.verdict.changes import CaseChange
    from claude_run.verdict.comparison import CandidateResult, Comparison
    from claude_run.verdict.difference import ComparisonResult
    from claude_run.verdict.effect import SecondaryRow
    from claude_run.verdict.intervals import Interval
    from claude_run.verdict.pairing import Pair
    from claude_run.verdict.setups import Unlike

OVERVIEW = (
    "candidate",
    "verdict",
    "pass rate",
    "baseline",
    "points",
    "interval",
    "p worse",
    "p better",
    "cost",
)
METRIC_COLUMNS = ("mean per case", "baseline", "candidate", "change", "relative", "interval", "p (Holm)")
CHANGE_COLUMNS = ("case", "change", "baseline", "candidate", "points", "p worse (Holm)", "note")
STEADY_COLUMNS = ("case", "baseline", "candidate", "note")

METRICS = {
    Metric.COST_USD: "cost",
    Metric.LATENCY_S: "latency",
    Metric.INPUT_TOKENS: "input tokens",
    Metric.OUTPUT_TOKENS: "output tokens",
    Metric.OUTPUT_CHARS: "output characters",
}

_NAME = 100
_P_COLUMN = "p "
_ONE = "1"
_LEAST_P = 0.001
_CENTS = 2
_DIGITS = 3
_FEW = 100
_MOST_DECIMALS = 12
_GRAVITY = (Verdict.REGRESSED, Verdict.INCONCLUSIVE, Verdict.NOT_WORSE, Verdict.IMPROVED)
_MOST_DIFFERING = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The verdict and the sentence that goes on from it: `REGRESSED`, `against baseline main: ...`."""

    verdict: Verdict
    text: str

    @property
    def word(self) -> str:
        return self.verdict.upper()

    @property
    def mark(self) -> str:
        """The verdict as a class of HTML."""
        return self.verdict.replace(" ", "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Columns and rows of cells, as wide as the columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Cases that were not compared, and why."""

    reason: str
    cases: tuple[str, ...]


def headline(comparison: Comparison) -> Headline:
    """Return the verdict of the only candidate, or the gravest of several and how many came to what."""
    if len(comparison.candidates) == 1:
        return candidate_headline(comparison, comparison.candidates[0])
    verdicts = Counter(candidate.result.verdict for candidate in comparison.candidates)
    counts = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in _GRAVITY if verdicts[verdict])
    against = f"against baseline {short_name(comparison.baseline.name)}"
    return Headline(
        verdict=next((verdict for verdict in _GRAVITY if verdicts[verdict]), Verdict.INCONCLUSIVE),
        text=f"{against}: {count(len(comparison.candidates), 'candidate')}{', ' if counts else ''}{counts}",
    )


def ending(comparison: Comparison, code: ExitCode) -> str:
    """Return the last line, which says what the exit code says: `FAILED (exit code 1): regressed`."""
    verdict = headline(comparison).verdict
    reason = str(verdict)
    if verdict is Verdict.INCONCLUSIVE:
        passed = "inconclusive; with --on-inconclusive fail this would fail"
        reason = passed if code is ExitCode.PASSED else "inconclusive, and that was asked to fail"
    return f"{'PASSED' if code is ExitCode.PASSED else 'FAILED'} (exit code {int(code)}): {reason}"


def ranked(comparison: Comparison) -> tuple[CandidateResult, ...]:
    """Return the candidates, the gravest verdict first, else in the order of the comparison."""
    return tuple(
        sorted(comparison.candidates, key=lambda candidate: _GRAVITY.index(candidate.result.verdict))
    )


def candidate_headline(comparison: Comparison, candidate: CandidateResult) -> Headline:
    """Return the verdict on one candidate: how many cases passed, or the mean pass rate with repeats."""
    result, name = candidate.result, short_name(candidate.arm.name)
    effect, pairs = result.effect, result.pairing.pairs
    if effect is None:
        text = f"no case was measured both there and in {name}"
    elif all(pair.baseline.total == pair.candidate.total == 1 for pair in pairs):
        before, after = (sum(rate.passed for rate in rates) for rates in rates_of(pairs))
        cases = count(effect.cases, "case")
        text = f"{name} passes {after:,} of {cases}, was {before:,} ({points(effect.difference)})"
    else:
        text = (
            f"the mean pass rate of {name} over {count(effect.cases, 'case')} is "
            f"{percent(effect.candidate_rate)}, was {percent(effect.baseline_rate)} "
            f"({points(effect.difference)})"
        )
    against = f"against baseline {short_name(comparison.baseline.name)}"
    return Headline(verdict=result.verdict, text=f"{against}: {text}")


def differing(comparison: Comparison) -> tuple[str, ...]:
    """Return in what the arms were played unlike each other, besides the one thing that is compared."""
    lines = [
        _differing(comparison, candidate, unlike)
        for candidate in comparison.candidates
        for unlike in candidate.conditions.differs
    ]
    left = len(lines) - _MOST_DIFFERING
    return (*lines[:_MOST_DIFFERING], *([f"{left:,} more: see --json"] if left > 0 else []))


def left_out(comparison: Comparison, candidate: CandidateResult) -> tuple[LeftOut, ...]:
    """Return the cases without a partner, each group with its reason."""
    pairing = candidate.result.pairing
    groups = (
        (f"only in baseline {short_name(comparison.baseline.name)}", pairing.baseline_only),
        (f"only in candidate {short_name(candidate.arm.name)}", pairing.candidate_only),
        ("without a measured sample on one side", pairing.unmeasured),
    )
    return tuple(LeftOut(reason=reason, cases=cases) for reason, cases in groups if cases)


def overview_row(candidate: CandidateResult) -> tuple[str, ...]:
    """Return the cells of `OVERVIEW` for one candidate; `interval` is of the points."""
    # Where nothing could be compared there are no rates and no p-values, but perhaps a cost.
    result = candidate.result
    effect = result.effect
    cost = next((row.relative for row in result.secondary if row.metric is Metric.COST_USD), None)
    rates = (
        (ABSENT,) * 4
        if effect is None
        else (
            percent(effect.candidate_rate),
            percent(effect.baseline_rate),
            points(effect.difference, unit=""),
            span(effect.interval),
        )
    )
    worse, better = result.p_worse_adjusted, result.p_better_adjusted
    return (
        short_name(candidate.arm.name),
        result.verdict.upper(),
        *rates,
        *((ABSENT,) * 2 if effect is None else (p_value(worse), p_value(better))),
        ABSENT if cost is None else percent(cost, signed=True),
    )


def table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    """Return a table without the columns of p-values that are all 1: they say nothing."""
    cells = tuple(rows)
    told = [
        place
        for place, column in enumerate(columns)
        if not column.startswith(_P_COLUMN) or any(row[place] not in {_ONE, ABSENT} for row in cells)
    ]
    shown = (tuple(row[place] for place in told) for row in (columns, *cells))
    return Table(columns=next(shown), rows=tuple(shown))


def findings(result: ComparisonResult) -> tuple[SecondaryRow, ...]:
    """Return the metrics whose change somebody would act on."""
    return tuple(row for row in result.secondary if row.is_finding)


def metric_rows(rows: Iterable[SecondaryRow]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of `METRIC_COLUMNS` for each metric; they inform and never decide."""
    for row in rows:
        yield (
            METRICS[row.metric],
            metric_amount(row.metric, row.baseline_mean),
            metric_amount(row.metric, row.candidate_mean),
            change_of(row.metric, row.difference),
            ABSENT if row.relative is None else percent(row.relative, signed=True),
            ABSENT if row.interval is None else span_of(row.metric, row.interval),
            p_value(row.p_holm),
        )


def change_table(result: ComparisonResult) -> Table:
    """Return the changed cases as a table."""
    return table(CHANGE_COLUMNS, map(change_row, result.changes))


def change_row(change: CaseChange) -> tuple[str, ...]:
    """Return the cells of `CHANGE_COLUMNS` for one changed case."""
    return (
        short_name(change.case),
        change_word(change),
        rate_words(change.baseline),
        rate_words(change.candidate),
        points(change.difference, unit=""),
        p_value(change.p_holm),
        "flaky" if change.flaky else "",
    )


def change_word(change: CaseChange) -> str:
    """Return `REGRESSED` where one may claim it of this case alone, else in which direction it moved."""
    if change.regressed:
        return "REGRESSED"
    if change.difference > 0:
        return "better"
    return "worse, look" if change.worth_a_look else "worse"


def steady(pairs: Iterable[Pair]) -> tuple[Pair, ...]:
    """Return the cases whose pass rate did not move."""
    return tuple(pair for pair in pairs if not pair.difference)


def steady_row(pair: Pair) -> tuple[str, ...]:
    """Return the cells of `STEADY_COLUMNS` for one case that did not change."""
    rates = (rate_words(pair.baseline), rate_words(pair.candidate))
    return (short_name(pair.case), *rates, "flaky" if is_flaky(pair) else "")


def is_flaky(pair: Pair) -> bool:
    """Return whether a case passed in some samples of a side and failed in others of it."""
    return any(0 < rate.passed < rate.total for rate in (pair.baseline, pair.candidate))


def rate_words(rate: Rate) -> str:
    """Return `2/3`: passed out of measured samples."""
    return f"{rate.passed}/{rate.total}"


def short_name(text: str) -> str:
    """Return a name that others chose, cut where it is too long for a line."""
    return truncate(text, _NAME)


def rates_of(pairs: Sequence[Pair]) -> tuple[list[Rate], list[Rate]]:
    """Return the rates of the baseline and those of the candidate."""
    return [pair.baseline for pair in pairs], [pair.candidate for pair in pairs]


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
        # Below one dollar three digits that count, else cents.
        decimals = _CENTS
        if 0 < value < 1:
            decimals = min(_MOST_DECIMALS, _DIGITS - 1 - math.floor(math.log10(value)))
        return f"${value:,.{decimals}f}"
    if metric is Metric.LATENCY_S:
        return f"{value:,.2f} s"
    return f"{value:,.1f}" if value < _FEW else f"{value:,.0f}"


def change_of(metric: Metric, value: float) -> str:
    """Return a difference as `metric_amount` does, with its sign."""
    return f"{'-' if value < 0 else '+'}{metric_amount(metric, abs(value))}"


def span_of(metric: Metric, interval: Interval) -> str:
    """Return an interval of a difference of a metric: `-$0.01 to +$0.02`."""
    return f"{change_of(metric, interval.lower)} to {change_of(metric, interval.upper)}"


def _differing(comparison: Comparison, candidate: CandidateResult, unlike: Unlike) -> str:
    tested, before, after = candidate.conditions.under_test, unlike.baseline, unlike.candidate
    names = short_name(comparison.baseline.name), short_name(candidate.arm.name)
    told = (
        f"is not the same in {names[0]} and {names[1]}"
        if before is None or after is None
        else f"is {short_name(before)} in {names[0]}, {short_name(after)} in {names[1]}"
    )
    compared = len(candidate.result.pairing.pairs)
    some = f" ({unlike.cases:,} of {count(compared, 'case')})" if unlike.cases < compared else ""
    besides = f"besides the {tested}: " if tested else ""
    return f"{besides}{short_name(unlike.name)} {told}{some}"
