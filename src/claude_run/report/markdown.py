"""The Markdown files of a run, `transcripts.md` and `summary.md`, from the templates of this package.

Every value that a template prints must come out of a sink filter; printing any other is an error, so that no
untrusted text can reach a file unescaped.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from claude_run.conversation.results import Outcome, Status
from claude_run.report import blocks, numbers, reasons, safe, wording
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from jinja2 import Environment

    from claude_run.conversation.results import CheckResult
    from claude_run.conversation.transcript import Transcript
    from claude_run.record.derive import Played
    from claude_run.scenario.model import Json

SHOWN = 20
"""How many conversations or cases `summary.md` lists before it points to the rest."""

MARKS = {
    Outcome.PASSED: "✓ PASSED",
    Outcome.FAILED: "✗ FAILED",
    Outcome.ERRORED: "! ERRORED",
    Outcome.SKIPPED: "○ SKIPPED",
}
"""The outcome of a conversation as Markdown that a reader of a page searches for."""

_BUFFERED = 100
_TICKS = {Status.PASSED: "✓", Status.FAILED: "✗", Status.ERRORED: "!"}


class Sunk(str):
    """Text that went through a sink filter and may be printed by a template."""

    __slots__ = ()


def transcripts_markdown(played: Played) -> Iterator[bytes]:
    """Yield the content of `transcripts.md`, in UTF-8, piece by piece: one section per conversation."""
    stream = _environment().get_template("transcripts.md.j2").stream(played=played)
    stream.enable_buffering(_BUFFERED)
    for piece in stream:
        yield piece.encode()


def summary_markdown(played: Played) -> str:
    """Return the content of `summary.md`: the verdict first, then numbers by model, then what went wrong."""
    wrong = [record for record in played.records if record.outcome in {Outcome.FAILED, Outcome.ERRORED}]
    wrong.sort(key=lambda record: record.outcome is Outcome.FAILED)
    template = _environment().get_template("summary.md.j2")
    return template.render(played=played, wrong=wrong, shown=SHOWN)


def only_sunk(value: object) -> Sunk:
    """Let a value pass that a sink filter made; TypeError for any other."""
    if not isinstance(value, Sunk):
        raise TypeError(f"a template prints a {type(value).__name__} that went through no sink filter")
    return value


def sunk_environment(filters: Mapping[str, Callable[..., str]], helpers: Mapping[str, Any]) -> Environment:
    """Return an environment for templates of this package that print only what those filters made.

    `helpers` are global names, which templates call; what they return is not printed as it is.
    """
    import jinja2  # noqa: PLC0415 - heavy, and needed only when Markdown is written

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("claude_run.report"),
        autoescape=False,  # noqa: S701 - the sink is Markdown, and `only_sunk` refuses unescaped values
        undefined=jinja2.StrictUndefined,
        finalize=only_sunk,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    environment.filters.update({name: _sink(function) for name, function in filters.items()})
    environment.globals.update(helpers)
    return environment


@cache
def _environment() -> Environment:
    return sunk_environment(_SINKS, _HELPERS)


def _sink(function: Callable[..., str]) -> Callable[..., Sunk]:
    def sunk(*values: Any) -> Sunk:  # noqa: ANN401 - whatever the wrapped filter takes
        return Sunk(function(*values))

    return sunk


def _json_fence(value: str) -> str:
    return safe.fence(value, "json")


def _code_list(values: Iterable[str]) -> str:
    """Return strings as code spans, each once, in the order of their first appearance."""
    return ", ".join(map(safe.md_code, dict.fromkeys(values))) or numbers.ABSENT


def _indent(depth: int) -> str:
    return "  " * depth


def _passed(checks: tuple[CheckResult, ...]) -> str:
    """Return how many of the checks passed: `2/3`; a dash where there are none."""
    passed = sum(check.status is Status.PASSED for check in checks)
    return f"{passed}/{len(checks)}" if checks else numbers.ABSENT


def _short(value: Json) -> str:
    return safe.md_code(blocks.excerpt(blocks.words(value)))


def _request_ids(transcript: Transcript) -> list[str]:
    return [exchange.request_id for exchange in transcript.exchanges if exchange.request_id is not None]


_SINKS: dict[str, Callable[..., str]] = {
    "inline": safe.md_inline,
    "cell": safe.md_cell,
    "code": safe.md_code,
    "code_cell": safe.md_code_cell,
    "code_list": _code_list,
    "short": _short,
    "text_fence": safe.fence,
    "json_fence": _json_fence,
    "usd": numbers.usd,
    "tokens": numbers.tokens,
    "seconds": numbers.seconds,
    "count": count,
    "indent": _indent,
    "passed": _passed,
    "mark": MARKS.__getitem__,
    "tick": _TICKS.__getitem__,
}
_HELPERS: dict[str, Any] = {
    "words": wording,
    "parts": blocks.parts,
    "reasons": reasons.reasons,
    "check_rows": reasons.check_rows,
    "turn_state": reasons.turn_state,
    "request_ids": _request_ids,
}
