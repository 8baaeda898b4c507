"""The formats in which a run is told, in one table: a further one is a module of this package and a line."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from claude_run.report.run.facts import RunFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from claude_run.record.derive import Played

FILES: Mapping[str, str] = {
    "transcripts.md": "markdown:transcripts_markdown",
    "summary.md": "markdown:summary_markdown",
}
"""The files for people in every run folder, by name; each is made by `module:function` of this package."""

OPTIONAL: Mapping[str, str] = {
    "junit": "junit:junit_xml",
    "github": "github:step_summary",
}
"""What is made only when it is asked for, by the option or the service that asks; made in the same way."""


def render(name: str, played: Played, *, facts: RunFacts | None = None) -> Iterable[bytes]:
    """Return the content of a format in UTF-8, piece by piece.

    Its module is imported here and not before, because most commands start without showing a run. Without
    `facts` they are computed.
    """
    module, function = {**FILES, **OPTIONAL}[name].split(":")
    renderer: Callable[[Played, RunFacts], Iterable[bytes]]
    renderer = getattr(import_module(f"claude_run.report.run.{module}"), function)
    return renderer(played, RunFacts.of(played) if facts is None else facts)
