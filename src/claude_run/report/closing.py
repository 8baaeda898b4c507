"""The closing block of a run: what went wrong, numbers by model, where the files are, and the exit reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from claude_run.errors import ExitCode
from claude_run.report import wording
from claude_run.report.blocks import excerpt, words
from claude_run.report.console import aligned, open_console, say
from claude_run.report.numbers import tokens, usd
from claude_run.report.outcome_line import INDENT, word_of
from claude_run.report.reasons import check_rows, reasons
from claude_run.report.safe import safe_block, safe_line
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

    from claude_run.conversation.transcript import Transcript
    from claude_run.record.derive import Played
    from claude_run.record.summary import RunSummary
    from claude_run.report.reasons import Reason

SHOWN = 25
"""How many conversations that went wrong are printed before the rest is left to transcripts.md."""

_REPLY = 2000
_EXIT_REASON = 1000
_COLUMNS = ("model", "conversations", "passed", "failed", "errored", "skipped", "in", "cached", "out", "cost")


def print_summary(  # noqa: PLR0913 - each is an option of the command line, or a seam
    played: Played,
    *,
    folder: Path,
    stream: TextIO,
    colour: bool = False,
    verbose: int = 0,
    quiet: bool = False,
) -> None:
    """Print the closing block; its very last line is the exit reason.

    `folder` is the run folder. `quiet` leaves only what went wrong and the exit reason; `verbose` 1 adds
    the replies that failed, cut, and the warnings; 2 shows all of them in full.
    """
    console = open_console(stream, colour=colour)
    _print_wrong(console, played, verbose=verbose)
    if not quiet:
        for line in _numbers(played, folder):
            say(console, line)
    summary = played.summary
    style = "bold green" if summary.exit_code is ExitCode.PASSED else "bold red"
    reason = safe_line(excerpt(summary.exit_reason, _EXIT_REASON))
    say(console, f": {reason}", lead=wording.verdict(summary), style=style)


def _print_wrong(console: Console, played: Played, *, verbose: int) -> None:
    wrong = [row.transcript for row in played.records if row.transcript and _is_told(row.transcript, verbose)]
    shown = wrong if verbose > 1 else wrong[:SHOWN]
    for transcript in shown:
        word, style = word_of(transcript.outcome)
        say(console, safe_line(transcript.started.conversation_id), lead=word, style=style)
        for line in _explained(transcript, verbose):
            say(console, line)
        say(console, "")
    if left := len(wrong) - len(shown):
        say(console, f"{count(left, 'more conversation')} with failures: see transcripts.md, or pass -vv\n")


def _is_told(transcript: Transcript, verbose: int) -> bool:
    return bool(reasons(transcript) or (verbose and transcript.warnings))


def _explained(transcript: Transcript, verbose: int) -> Iterator[str]:
    for reason in reasons(transcript):
        yield from _reason_lines(reason)
    if verbose:
        for warning in transcript.warnings:
            yield f"{INDENT}warning: {safe_line(warning)}"
        yield from _replies(transcript, limit=_REPLY if verbose == 1 else None)


def _reason_lines(reason: Reason) -> Iterator[str]:
    yield f"{INDENT}{safe_line(reason.where)}: {safe_line(excerpt(reason.message))}"
    yield f"{INDENT}  at {safe_line(reason.place)}"
    check = reason.check
    if check is None:
        return
    for name, value in (("expected", check.expected), ("actual", check.actual)):
        if value is not None:
            yield from _gutter(name, excerpt(words(value)))
    for row in check_rows(check.children, 1):
        line = safe_line(f"{row.check.status} {row.title}: {row.check.message}")
        yield f"{INDENT}{'  ' * row.depth}- {line}"


def _replies(transcript: Transcript, *, limit: int | None) -> Iterator[str]:
    """Yield the replies of the turns that went wrong, as far as there are any."""
    wrong = dict.fromkeys(reason.turn for reason in reasons(transcript))
    for turn in transcript.turns:
        if turn.index in wrong and turn.exchanges:
            text = turn.text if limit is None else excerpt(turn.text, limit)
            yield from _gutter(f"reply {turn.index}", text or "(no text)")


def _gutter(name: str, text: str) -> Iterator[str]:
    # A visible bar before every line: CI runners trim spaces before they look for commands.
    first, *rest = safe_block(text, "| ").split("\n")
    yield f"{INDENT}  {name:<9}{first}"
    for line in rest:
        yield f"{INDENT}  {'':<9}{line}"


def _numbers(played: Played, folder: Path) -> Iterator[str]:
    summary = played.summary
    yield from aligned([_COLUMNS, *_model_rows(summary)])
    yield ""
    yield wording.outcomes(summary.totals)
    yield wording.usage(summary.totals.usage)
    yield f"cost {wording.cost(played)}"
    notes = (
        wording.judges(summary.totals),
        wording.uncertain(summary.totals),
        wording.unpriced(summary),
        wording.warnings(played),
        wording.tolerated(summary),
        wording.simulated(played),
        wording.replayed(played),
    )
    yield from (safe_line(note) for note in notes if note)
    for case in wording.missed(summary):
        yield f"below its pass rate: {safe_line(case.name)}, {wording.rate(case)}"
    yield f"transcripts {safe_line(str(folder / 'transcripts.md'))}"
    yield f"            {safe_line(str(folder / 'transcripts.jsonl'))}"


def _model_rows(summary: RunSummary) -> Iterator[tuple[str, ...]]:
    for label, totals in summary.by_model.items():
        yield (
            safe_line(label),
            *(tokens(number) for number in (totals.conversations, *totals.outcomes.values())),
            tokens(totals.usage.input_total),
            tokens(totals.usage.cache_read_input_tokens or 0),
            tokens(totals.usage.output_tokens),
            usd(totals.cost_usd),
        )
