"""The closing block of a run: what went wrong, numbers by model, where the files are, and the exit reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from claude_run.errors import ExitCode
from claude_run.report.run.facts import rate_sentence
from claude_run.report.run.progress import INDENT, outcome_word
from claude_run.report.run.reasons import check_rows, expected_and_actual, reasons
from claude_run.report.text.blocks import truncate
from claude_run.report.text.console import aligned, open_console, print_escaped
from claude_run.report.text.numbers import tokens, usd, used
from claude_run.report.text.safe import safe_block, safe_line
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from claude_run.conversation.transcript import Transcript
    from claude_run.record.derive import Played
    from claude_run.report.run.facts import RunFacts

SHOWN = 25
"""How many conversations that went wrong are printed before the rest is left to transcripts.md."""

_REPLY = 2000
_EXIT_REASON = 1000
_COLUMNS = ("model", "conversations", "passed", "failed", "errored", "skipped", "in", "cached", "out", "cost")


def print_summary(  # noqa: PLR0913 - each is an option of the command line, or a seam
    played: Played,
    facts: RunFacts,
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

    # What went wrong, conversation by conversation; with -v also what only brought warnings.
    transcripts = [record.transcript for record in played.records if record.transcript]
    wrong = [one for one in transcripts if reasons(one) or (verbose and one.warnings)]
    shown = wrong if verbose > 1 else wrong[:SHOWN]
    for transcript in shown:
        word, style = outcome_word(transcript.outcome)
        print_escaped(console, safe_line(transcript.started.conversation_id), lead=word, style=style)
        for line in _explanation(transcript, verbose):
            print_escaped(console, line)
        print_escaped(console, "")
    if left := len(wrong) - len(shown):
        more = count(left, "more conversation")
        print_escaped(console, f"{more} with failures: see transcripts.md, or pass -vv\n")

    if not quiet:
        for line in _numbers(played, facts, folder=folder):
            print_escaped(console, line)

    # Why the exit code is what it is.
    style = "bold green" if played.summary.exit_code is ExitCode.PASSED else "bold red"
    reason = safe_line(truncate(played.summary.exit_reason, _EXIT_REASON))
    print_escaped(console, f": {reason}", lead=facts.verdict, style=style)


def _explanation(transcript: Transcript, verbose: int) -> Iterator[str]:
    """Yield the lines under a conversation: its reasons, and with -v its warnings and the wrong replies."""
    # Each reason with its place, and of a check what it wanted and found.
    found = reasons(transcript)
    for reason in found:
        yield f"{INDENT}{safe_line(reason.where)}: {safe_line(truncate(reason.message))}"
        yield f"{INDENT}  at {safe_line(reason.place)}"
        if reason.check is None:
            continue
        for name, text in expected_and_actual(reason.check):
            yield from _gutter(name, text)
        for row in check_rows(reason.check.children, 1):
            line = safe_line(f"{row.check.status} {row.title}: {row.check.message}")
            yield f"{INDENT}{'  ' * row.depth}- {line}"
    # With -v the replies themselves, and all that the run warned of.
    if verbose:
        for warning in transcript.warnings:
            yield f"{INDENT}warning: {safe_line(warning)}"
        wrong = {reason.turn for reason in found}
        for turn in transcript.turns:
            if turn.index in wrong and turn.exchanges:
                text = truncate(turn.text, _REPLY) if verbose == 1 else turn.text
                yield from _gutter(f"reply {turn.number}", text or "(no text)")


def _gutter(name: str, text: str) -> Iterator[str]:
    # A visible bar before every line: CI runners trim spaces before they look for commands.
    first, *rest = safe_block(text, "| ").split("\n")
    yield f"{INDENT}  {name:<9}{first}"
    for line in rest:
        yield f"{INDENT}  {'':<9}{line}"


def _numbers(played: Played, facts: RunFacts, *, folder: Path) -> Iterator[str]:
    # One row for each model.
    rows = [
        (
            safe_line(label),
            *(tokens(number) for number in (totals.conversations, *totals.outcomes.values())),
            used(totals.usage.input_total),
            tokens(totals.usage.cache_read_input_tokens or 0),
            used(totals.usage.output_tokens),
            usd(totals.cost_usd),
        )
        for label, totals in played.summary.by_model.items()
    ]
    yield from aligned([_COLUMNS, *rows])
    yield ""

    # The run as a whole: always three lines, then what there is to say besides.
    yield facts.outcomes
    yield facts.usage
    yield f"cost {facts.cost}"
    notes = (
        facts.judges,
        facts.uncertain,
        facts.unpriced,
        facts.warnings,
        facts.tolerated,
        facts.simulated,
        facts.replayed,
    )
    yield from (safe_line(note) for note in notes if note)
    for case in facts.missed:
        yield f"below its pass rate: {safe_line(case.name)}, {rate_sentence(case)}"

    yield f"transcripts {safe_line(str(folder / 'transcripts.md'))}"
    yield f"            {safe_line(str(folder / 'transcripts.jsonl'))}"
