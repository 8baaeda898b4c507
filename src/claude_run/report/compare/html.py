"""A comparison as one self-contained page: no script, nothing remote, every text escaped."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from claude_run.report.compare import words
from claude_run.report.compare.evidence import evidence, verdict_basis
from claude_run.report.text.diff import condense
from claude_run.report.text.safe import html_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2 import Environment

    from claude_run.verdict.comparison import CandidateResult, Comparison

_WIDTH = 240
_PAD = 6
_EVIDENCE = 100
_CONTEXT = 2_000
_REPLY = 20_000


class _Html(str):
    """Text that is HTML already."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plot:
    """An interval as places on a line of 240 units, on one scale for all candidates."""

    lower: float
    centre: float
    upper: float
    zero: float
    margin: float


def comparison_html(comparison: Comparison) -> str:
    """Return the comparison as an HTML page, which may show itself and do nothing else.

    Its policy (Content-Security-Policy) allows its own style by its hash and denies all that loads.
    """
    environment = _environment()
    style = environment.get_template("comparison.css.j2").render()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    # The more candidates there are, the fewer changed cases of each are shown with their replies.
    candidates = words.ranked(comparison)
    return environment.get_template("comparison.html.j2").render(
        comparison=comparison,
        headline=words.headline(comparison),
        overview=words.table(words.OVERVIEW, map(words.overview_row, candidates)),
        most=max(3, _EVIDENCE // max(1, len(candidates))),
        rows=list(zip(candidates, _plots(candidates), strict=True)),
        style=_Html(style),
        digest=digest,
    )


@cache
def _environment() -> Environment:
    import jinja2  # noqa: PLC0415 - heavy, and needed only when a page is written

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("claude_run.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        # Whatever a template prints is escaped, but for what is `_Html`.
        finalize=lambda value: value if isinstance(value, _Html) else _Html(html_text(str(value))),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    environment.globals.update(
        words=words,
        verdict_basis=verdict_basis,
        evidence=evidence,
        condensed=lambda reply: condense(reply.pieces, context=_CONTEXT, most=_REPLY),
    )
    return environment


def _plots(candidates: Sequence[CandidateResult]) -> list[_Plot | None]:
    """Return a plot for every candidate that could be compared, all on the same scale."""
    # The scale holds no change, every margin and every interval.
    compared = [(candidate.result.rules, candidate.result.effect) for candidate in candidates]
    ends = [0.0]
    for rules, effect in compared:
        if effect is not None:
            ends.extend((-rules.margin, effect.interval.lower, effect.interval.upper))
    lowest, highest = min(ends), max(ends)

    def at(difference: float) -> float:
        share = (difference - lowest) / (highest - lowest)
        return round(_PAD + share * (_WIDTH - 2 * _PAD), 1)

    return [
        None
        if effect is None
        else _Plot(
            lower=at(effect.interval.lower),
            centre=at(float(effect.difference)),
            upper=at(effect.interval.upper),
            zero=at(0.0),
            margin=at(-rules.margin),
        )
        for rules, effect in compared
    ]
