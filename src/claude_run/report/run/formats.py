"""The formats in which a run is told, in one table: a further one is a module of this package and a line."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from claude_run.report.run.facts import RunFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from claude_run.record.derive import Played
    from claude_run.record.records import Record

FILES: Mapping[str, str] = {
    "transcripts.md": "markdown:transcripts_markdown",
    "summary.md": "markdown:summary_markdown",
}
"""The files for people in every run folder, by name; each is made by `module:function` of this package."""

SECTIONS: Mapping[str, str] = {"transcripts.md": "markdown:conversation_markdown"}
"""The parts of such files that are made of one conversation, as soon as it has ended."""

PAGE = "report.html"
"""The file for a browser, made where it is asked for; where it is redacted it holds nothing that was said."""

OPTIONAL: Mapping[str, str] = {
    "junit": "junit:junit_xml",
    "github": "github:step_summary",
    "comment": "github:pull_request_comment",
}
"""What is made only when it is asked for, by the option or the service that asks; made in the same way."""


def render(name: str, played: Played, *, facts: RunFacts | None = None) -> Iterable[bytes]:
    """Return the content of a format in UTF-8, piece by piece.

    Its module is imported here and not before, because most commands start without showing a run. Without
    `facts` they are computed.
    """
    renderer: Callable[[Played, RunFacts], Iterable[bytes]] = _made_by({**FILES, **OPTIONAL}[name])
    return renderer(played, RunFacts.of(played) if facts is None else facts)


def render_page(played: Played, *, facts: RunFacts, redacted: bool) -> Iterable[bytes]:
    """Return the content of `report.html` in UTF-8, piece by piece."""
    from claude_run.report.run.html import run_html  # noqa: PLC0415 - as `render` does

    return run_html(played, facts, redacted=redacted)


def drafts(*, page: bool, redacted: bool) -> Mapping[str, bytes]:
    """Return the files that stand for a `page`, where there will be one, until it is made."""
    if not page:
        return {}
    from claude_run.report.run.html import page_draft  # noqa: PLC0415 - as `render` does

    return {PAGE: page_draft(redacted=redacted)}


def sections(*, page: bool = False, redacted: bool = False) -> Mapping[str, Callable[[Record], bytes]]:
    """Return what makes the parts of files that are made of one conversation, by the name of the file.

    Those of a `page`, which may be `redacted`, are made only where there will be one.
    """
    found = {name: partial(_section, place) for name, place in SECTIONS.items()}
    if page:
        found[PAGE] = partial(_section, "html:conversation_piece", redacted=redacted)
    return found


def get_ready() -> None:
    """Load what `sections` need, so that the first conversation that ends does not wait for it."""
    from claude_run.report.run.markdown import get_ready as load  # noqa: PLC0415 - as `render` does

    load()


def _section(place: str, record: Record, **how: bool) -> bytes:
    made: bytes = _made_by(place)(record, **how)
    return made


def _made_by(place: str) -> Callable[..., Any]:
    module, function = place.split(":")
    made: Callable[..., Any] = getattr(import_module(f"claude_run.report.run.{module}"), function)
    return made
