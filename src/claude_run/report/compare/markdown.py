"""A comparison as a comment on a pull request: the verdict first, the rest folded, and never too long."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from claude_run.report.compare import words
from claude_run.report.compare.evidence import evidence, verdict_basis
from claude_run.report.text.diff import condense, markdown_diff
from claude_run.report.text.numbers import tokens
from claude_run.report.text.safe import (
    Escaped,
    escaping_environment,
    md_cell,
    md_code,
    md_code_cell,
    md_inline,
    safe_line,
)
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jinja2 import Environment

    from claude_run.report.compare.evidence import BasisLine, Evidence
    from claude_run.report.compare.words import Headline
    from claude_run.verdict.comparison import CandidateResult, Comparison

LIMIT = 60_000
"""Bytes of UTF-8: GitHub refuses a comment of more than 65,536 characters."""

_ROWS = 1_500
_NAMES = 50
_EVIDENCE = 60
_REPLIES = 4
_CONTEXT = 80
_REPLY = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _ShownCounts:
    """How many of what are shown, of each candidate; the fields in the order in which they are given up."""

    unchanged: int
    replies: int
    changed: int
    names: int
    candidates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _NamedGroup:
    """Cases that were not compared, and how many; `names` are code spans, of the first ones."""

    reason: str
    cases: int
    names: tuple[Escaped, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _CandidateSection:
    """What is said of one candidate. `Escaped` values are Markdown already: whole rows, whole paragraphs."""

    name: str
    headline: Headline
    basis: tuple[BasisLine, ...]
    notes: tuple[str, ...]
    left_out: tuple[_NamedGroup, ...]
    metric_columns: tuple[str, ...]
    metrics: tuple[Escaped, ...]
    findings: int
    change_columns: tuple[str, ...]
    changed: tuple[Escaped, ...]
    replies: tuple[Escaped, ...]
    unchanged: tuple[Escaped, ...]
    all_changed: int
    all_unchanged: int


def comparison_markdown(comparison: Comparison) -> str:
    """Return the comparison as Markdown of at most 60,000 bytes; at its end it says what was left out.

    Its first line is a hidden mark by which a bot finds its comment again. The next one holds the verdict,
    where the arms do not differ in what is not compared: that would stand before it.
    Given up are, in this order, unchanged cases, replies, changed cases, names, and candidates.
    """
    candidates = words.ranked(comparison)
    most = max(3, _EVIDENCE // max(1, len(candidates)))
    sections = [_section(comparison, candidate, replies=most) for candidate in candidates]
    template = _environment().get_template("comparison.md.j2")

    overview = words.table(words.OVERVIEW, map(words.overview_row, candidates))
    rows = tuple(map(_row, overview.rows))

    def render(shown: _ShownCounts) -> str:
        return template.render(
            headline=words.headline(comparison),
            differing=words.differing(comparison),
            overview_columns=overview.columns,
            overview=rows[: shown.candidates],
            sections=sections[: shown.candidates],
            shown=shown,
            missing=_missing(sections, shown),
            several=len(sections) > 1,
        )

    shown = _ShownCounts(
        unchanged=max((len(section.unchanged) for section in sections), default=0),
        replies=max((len(section.replies) for section in sections), default=0),
        changed=max((len(section.changed) for section in sections), default=0),
        names=max((len(group.names) for section in sections for group in section.left_out), default=0),
        candidates=len(sections),
    )
    text = render(shown)

    # As long as it is too long one kind of thing after the other is cut to the largest number that fits.
    for name in _ShownCounts.__slots__:
        if len(text.encode()) <= LIMIT:
            break
        too_many = bisect_right(
            range(getattr(shown, name) + 1),
            LIMIT,
            key=lambda number: len(render(replace(shown, **{name: number})).encode()),
        )
        shown = replace(shown, **{name: max(0, too_many - 1)})
        text = render(shown)
    return text


def _section(comparison: Comparison, candidate: CandidateResult, *, replies: int) -> _CandidateSection:
    # More rows than could ever fit are not even made; `all_changed` and `all_unchanged` count them.
    result = candidate.result
    steady = words.steady(result.pairing.pairs)
    metrics = words.table(words.METRIC_COLUMNS, words.metric_rows(result.secondary))
    changes = words.change_table(result)
    return _CandidateSection(
        name=words.short_name(candidate.arm.name),
        headline=words.candidate_headline(comparison, candidate),
        basis=verdict_basis(candidate, family=len(comparison.candidates)),
        notes=result.notes,
        left_out=tuple(
            _NamedGroup(
                reason=f"{group.reason} ({count(len(group.cases), 'case')})",
                cases=len(group.cases),
                names=tuple(Escaped(_code(case)) for case in group.cases[:_NAMES]),
            )
            for group in words.left_out(comparison, candidate)
        ),
        metric_columns=metrics.columns,
        metrics=tuple(_row(row, first=md_cell) for row in metrics.rows),
        findings=len(words.findings(result)),
        change_columns=changes.columns,
        changed=tuple(map(_row, changes.rows[:_ROWS])),
        replies=tuple(map(_evidence, evidence(candidate, most=replies))),
        unchanged=tuple(_row(words.steady_row(pair)) for pair in steady[:_ROWS]),
        all_changed=len(result.changes),
        all_unchanged=len(steady),
    )


def _row(cells: Sequence[str], *, first: Callable[[str], str] = md_code_cell) -> Escaped:
    name, *rest = cells
    return Escaped(f"| {' | '.join([first(safe_line(name)), *map(md_cell, rest)])} |")


def _code(case: str) -> str:
    # In a code span nothing is escaped, and this text may be printed to a log.
    return md_code(safe_line(words.short_name(case)))


def _evidence(found: Evidence) -> Escaped:
    rates = f"{words.rate_words(found.change.baseline)} became {words.rate_words(found.change.candidate)}"
    paragraphs = [f"**{_code(found.change.case)}** {md_inline(f'{rates}: {found.title}')}"]
    if found.failures:
        paragraphs.append("\n".join(f"- failed: {md_inline(failure)}" for failure in found.failures))
    for reply in found.replies[:_REPLIES]:
        pieces = condense(reply.pieces, context=_CONTEXT, most=_REPLY)
        asked = f", asked: {md_inline(safe_line(reply.asked))}" if reply.asked else ""
        paragraphs.extend([f"*{reply.title}*{asked}", markdown_diff(pieces)])
    if not found.replies:
        paragraphs.append("*The replies of these two are the same.*")
    if len(found.replies) > _REPLIES:
        paragraphs.append(
            f"*{count(len(found.replies) - _REPLIES, 'more reply', plural='more replies')} differ.*"
        )
    return Escaped("\n\n".join(paragraphs))


def _missing(sections: Sequence[_CandidateSection], shown: _ShownCounts) -> str:
    """Return what is not shown, as the end of a sentence; empty when all is."""
    told = sections[: shown.candidates]
    unchanged = sum(each.all_unchanged - min(len(each.unchanged), shown.unchanged) for each in told)
    replies = sum(each.all_changed - min(len(each.replies), shown.replies) for each in told)
    changed = sum(each.all_changed - min(len(each.changed), shown.changed) for each in told)
    names = sum(group.cases - min(len(group.names), shown.names) for each in told for group in each.left_out)
    candidates = len(sections) - len(told)
    parts = [
        count(unchanged, "unchanged case") if unchanged else "",
        f"the replies of {count(replies, 'changed case')}" if replies else "",
        count(changed, "changed case") if changed else "",
        f"{count(names, 'name')} of cases that were not compared" if names else "",
        count(candidates, "candidate") if candidates else "",
    ]
    return ", ".join(part for part in parts if part)


@cache
def _environment() -> Environment:
    filters: dict[str, Callable[..., str]] = {
        "inline": md_inline,
        "number": tokens,
        # The two lines that begin a table: the first column to the left, the others to the right.
        "header": lambda columns: f"| {' | '.join(columns)} |\n|---|{'---:|' * (len(columns) - 1)}",
        "listed": _listed,
    }
    helpers = {
        "STEADY_COLUMNS": words.STEADY_COLUMNS,
    }
    return escaping_environment(filters, helpers)


def _listed(group: _NamedGroup, most: int) -> str:
    """Return the names as the end of a sentence, and how many more there are."""
    names = group.names[:most]
    more = f" and {group.cases - len(names):,} more" if len(names) < group.cases else ""
    return f": {', '.join(names)}{more}" if names else ""
