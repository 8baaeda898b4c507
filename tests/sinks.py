"""Every place where text that others wrote is shown, by name: the hostile corpus goes through all of them.

A new public function of `report/safe.py`, a new template, or a new name in `report/terminal.py` must be
registered here, or a test fails.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from claude_run.errors import ExitCode
from claude_run.record.summary import Ending
from claude_run.report import safe
from claude_run.report.markdown import summary_markdown, transcripts_markdown
from claude_run.report.terminal import LineProgress, LiveProgress, print_summary
from tests.report.samples import hostile, never_started, play, record

if TYPE_CHECKING:
    from collections.abc import Callable

    from claude_run.record.derive import Played

Medium = Literal["terminal", "line", "log", "fence", "inline", "cell", "document"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """How a text is shown, and by which rules the result is judged.

    `terminal` is text that a caller prints, `line` the same on one line, `log` whole output of ours,
    `fence`, `inline` and `cell` are pieces of Markdown, `document` is a whole Markdown file.
    """

    medium: Medium
    show: Callable[[str], str]


def _run(text: str) -> Played:
    ending = Ending(stop=ExitCode.CAPPED, reason=text or "none", at=text)
    rows = [record(hostile(text)), record(replace(hostile(text), error=None)), never_started(text)]
    return play(rows, name=text, ending=ending)


@cache
def _transcripts(text: str) -> str:
    return b"".join(transcripts_markdown(_run(text))).decode()


def _summary(text: str) -> str:
    return summary_markdown(_run(text))


def _lines(text: str) -> str:
    stream = io.StringIO()
    progress = LineProgress(stream, clock=lambda: 0.0)
    progress.begin(1)
    progress.waiting(text, 1.0, text)
    progress.finished(hostile(text))
    progress.finished(replace(hostile(text), error=None))
    progress.end()
    return stream.getvalue()


def _live(text: str) -> str:
    progress = LiveProgress(io.StringIO(), clock=lambda: 0.0)
    progress.waiting(text, 1.0, text)
    return progress.display().plain


def _closing(text: str) -> str:
    stream = io.StringIO()
    print_summary(_run(text), folder=Path(text.replace("/", "-") or "x"), stream=stream, verbose=2)
    return stream.getvalue()


SINKS: dict[str, Sink] = {
    "safe.safe_terminal": Sink(medium="terminal", show=safe.safe_terminal),
    "safe.safe_line": Sink(medium="line", show=safe.safe_line),
    "safe.safe_block": Sink(medium="terminal", show=lambda text: safe.safe_block(text, "| ")),
    "safe.fence": Sink(medium="fence", show=safe.fence),
    "safe.md_inline": Sink(medium="inline", show=safe.md_inline),
    "safe.md_cell": Sink(medium="cell", show=safe.md_cell),
    "safe.md_code": Sink(medium="inline", show=safe.md_code),
    "safe.md_code_cell": Sink(medium="cell", show=safe.md_code_cell),
    "template.transcripts.md.j2": Sink(medium="document", show=_transcripts),
    "template.conversation.md.j2": Sink(medium="document", show=_transcripts),
    "template.turns.md.j2": Sink(medium="document", show=_transcripts),
    "template.part.md.j2": Sink(medium="document", show=_transcripts),
    "template.checks.md.j2": Sink(medium="document", show=_transcripts),
    "template.notices.md.j2": Sink(medium="document", show=_transcripts),
    "template.summary.md.j2": Sink(medium="document", show=_summary),
    "terminal.LineProgress": Sink(medium="log", show=_lines),
    "terminal.LiveProgress": Sink(medium="log", show=_live),
    "terminal.print_summary": Sink(medium="log", show=_closing),
}
