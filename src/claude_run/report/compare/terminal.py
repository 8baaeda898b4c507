"""A comparison on a terminal or in a log: the verdict first, what it rests on, and what changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from claude_run.report.compare import words
from claude_run.report.compare.evidence import evidence, verdict_basis
from claude_run.report.text.console import aligned, open_console, print_escaped
from claude_run.report.text.diff import DIFF_INDENT, condense, print_pieces
from claude_run.report.text.safe import safe_line
from claude_run.report.text.tables import fitting
from claude_run.text.visible import count
from claude_run.verdict.basics import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from claude_run.report.compare.evidence import Evidence
    from claude_run.report.compare.words import Headline
    from claude_run.verdict.comparison import CandidateResult, Comparison

_STYLES = {
    Verdict.IMPROVED: "bold green",
    Verdict.NOT_WORSE: "bold green",
    Verdict.REGRESSED: "bold red",
    Verdict.INCONCLUSIVE: "bold yellow",
}
_SPARE = ("note", "relative", "interval", "points")
"""Columns that a terminal does without where it is too narrow, the first first: others tell the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Detail:
    """How much is shown: changed cases, those with replies, names in a list, characters around a change.

    `metrics`: whether those are shown that nobody would act on.
    """

    cases: int
    evidence: int
    names: int
    context: int
    most: int
    metrics: bool = True


_DETAILS = (  # without -v, with -v, with -vv
    _Detail(cases=25, evidence=3, names=10, context=80, most=1_200, metrics=False),
    _Detail(cases=250, evidence=25, names=100, context=400, most=10_000),
    _Detail(cases=100_000, evidence=2_000, names=100_000, context=20_000, most=100_000),
)


def print_comparison(
    comparison: Comparison, *, stream: TextIO, colour: bool = False, verbose: int = 0
) -> None:
    """Print the verdict on every candidate, the gravest of several first, then each with its evidence.

    `verbose` 1 shows more of the changed cases and of their replies, 2 all.
    """
    console = open_console(stream, colour=colour)
    candidates = words.ranked(comparison)
    detail = _DETAILS[min(verbose, len(_DETAILS) - 1)]
    # In what the arms differ besides what is compared: what follows may be about that.
    for line in words.differing(comparison):
        style = _STYLES[Verdict.INCONCLUSIVE]
        print_escaped(console, f" {safe_line(line)}", lead="DIFFERS", style=style)
    # With several candidates, or none, first what all of them came to.
    if len(candidates) != 1:
        _print_headline(console, words.headline(comparison))
        _print_table(console, words.OVERVIEW, map(words.overview_row, candidates))
    # Then each by itself: its verdict, and changed cases with their replies.
    for candidate in candidates:
        if len(candidates) > 1:
            print_escaped(console, "")
        _print_verdict(console, comparison, candidate, detail=detail)
        for found in evidence(candidate, most=detail.evidence):
            _print_evidence(console, found, detail=detail, colour=colour)
        if detail.evidence < len(candidate.result.changes):
            left = count(len(candidate.result.changes) - detail.evidence, "more changed case")
            print_escaped(console, f"\n{left} without replies here: pass {'-v' if not verbose else '-vv'}")


def _print_verdict(
    console: Console, comparison: Comparison, candidate: CandidateResult, *, detail: _Detail
) -> None:
    """Print all that is said of a candidate but for the replies of changed cases."""
    result = candidate.result

    # The verdict, and at once what it does not speak of.
    _print_headline(console, words.candidate_headline(comparison, candidate))
    for group in words.left_out(comparison, candidate):
        listed = safe_line(_listed(group.cases, most=detail.names))
        line = f", {safe_line(group.reason)} ({len(group.cases):,}): {listed}"
        print_escaped(console, line, lead="NOT COMPARED", style=_STYLES[Verdict.INCONCLUSIVE])

    # What it rests on.
    basis = verdict_basis(candidate, family=len(comparison.candidates))
    width = max((len(entry.label) for entry in basis), default=0)
    for entry in basis:
        print_escaped(console, f"  {entry.label:<{width}}  {entry.text}")
    for note in result.notes:
        print_escaped(console, f"  note: {note}")
    shown = result.secondary if detail.metrics else words.findings(result)
    _print_table(console, words.METRIC_COLUMNS, words.metric_rows(shown))
    if result.secondary and not shown:
        print_escaped(console, "  cost, latency, tokens, length: no change to act on (-v shows them)")

    # Which cases changed, and which passed and failed on either side without a change.
    changes = result.changes
    _print_table(console, words.CHANGE_COLUMNS, map(words.change_row, changes[: detail.cases]))
    if len(changes) > detail.cases:
        print_escaped(console, f"{count(len(changes) - detail.cases, 'more changed case')}: pass -v or -vv")
    flaky = [pair.case for pair in words.steady(result.pairing.pairs) if words.is_flaky(pair)]
    if flaky:
        print_escaped(console, f"flaky, but no change: {safe_line(_listed(flaky, most=detail.names))}")


def _print_evidence(console: Console, found: Evidence, *, detail: _Detail, colour: bool) -> None:
    change = found.change
    rates = f"{words.rate_words(change.baseline)} became {words.rate_words(change.candidate)}"
    print_escaped(console, "")
    print_escaped(console, f": {rates}", lead=safe_line(words.short_name(change.case)), style="bold")
    print_escaped(console, f"{DIFF_INDENT}{found.title}")
    for failure in found.failures:
        print_escaped(console, f"{DIFF_INDENT}failed: {safe_line(failure)}")
    if not found.replies:
        print_escaped(console, f"{DIFF_INDENT}the replies of these two are the same")
    for reply in found.replies:
        print_escaped(console, f"{DIFF_INDENT}{reply.title}")
        if reply.asked:
            print_escaped(console, f"{DIFF_INDENT}asked: {safe_line(reply.asked)}")
        pieces = condense(reply.pieces, context=detail.context, most=detail.most)
        print_pieces(pieces, console=console, colour=colour)


def _print_headline(console: Console, headline: Headline) -> None:
    style = _STYLES[headline.verdict]
    print_escaped(console, f" {safe_line(headline.text)}", lead=headline.word, style=style)


def _print_table(console: Console, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Print a table with an empty line before it; nothing where it has no rows."""
    table = words.table(columns, rows)
    cells = [[safe_line(cell) for cell in row] for row in table.rows]
    if cells:
        print_escaped(console, "")
        lines = [list(table.columns), *cells]
        if console.file.isatty():
            lines = fitting(lines, width=console.width, spare=_SPARE)
        for line in aligned(lines):
            print_escaped(console, line.rstrip())


def _listed(names: Sequence[str], *, most: int) -> str:
    shown = ", ".join(words.short_name(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown}, and {len(names) - most:,} more"
