"""The closing block of a run: what went wrong, the numbers, where the files are, and the verdict."""

from __future__ import annotations

from itertools import accumulate, takewhile
from typing import TYPE_CHECKING, TextIO

from claude_run.conversation.results import Outcome, Status
from claude_run.errors import ExitCode
from claude_run.report.run.facts import rate_sentence
from claude_run.report.run.gate import gate_report
from claude_run.report.run.progress import INDENT, outcome_word
from claude_run.report.run.reasons import causes, check_rows, expected_and_actual, reasons
from claude_run.report.text.blocks import MAX_EXCERPT, excerpt, one_text, truncate
from claude_run.report.text.console import aligned, open_console, print_escaped
from claude_run.report.text.numbers import tokens, usd, used
from claude_run.report.text.safe import safe_block, safe_line
from claude_run.report.text.tables import fitting, without_zeros
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from rich.console import Console

    from claude_run.conversation.transcript import Transcript
    from claude_run.record.derive import Played
    from claude_run.record.records import Record
    from claude_run.report.run.facts import RunFacts
    from claude_run.report.run.gate import GateReport
    from claude_run.report.run.reasons import Cause, Reason

SHOWN = 10
"""How many causes are told, or with -v conversations that went wrong, before the rest is left to a file."""

_NAMED = 60
_REPLY = 2000
_QUESTION, _QUESTION_LINES = 400, 6
_WRONG = frozenset({Outcome.FAILED, Outcome.ERRORED})
_EXIT_REASON = 1000
_IN_FULL, _BY_NAME = 2, 4
_FACT = "    expected | "
_ALWAYS = frozenset({"conversations", "passed", "cost"})
_SPARE = ("cached", "in", "out", "conversations")
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
    """Print the closing block: what a gate found, then causes, each once, then numbers, and last the verdict.

    `folder` is the run folder. `quiet` leaves the numbers out, and a gate that found nothing; `verbose` 1
    tells every conversation that went wrong, its replies cut, and the warnings; 2 tells all of them in full.
    """
    console = open_console(stream, colour=colour)

    # What became of the cases since they were accepted. What the gate has told is told.
    gate = gate_report(played)
    passed = played.summary.exit_code is ExitCode.PASSED
    if gate is not None and not (quiet and passed):
        _print_gate(console, gate, passed=passed, verbose=verbose)

    # What went wrong: by its causes, or with -v conversation by conversation.
    if verbose:
        _print_conversations(console, played, verbose)
    else:
        found = causes(_transcripts(each for each in played.records if each.outcome in _WRONG))
        _print_causes(console, [each for each in found if not (gate and each.reason.status is Status.FAILED)])

    # What that stopped, and what was left out for it.
    summary = played.summary
    if summary.stopped is not None:
        text = safe_line(truncate(summary.stopped, _EXIT_REASON))
        print_escaped(console, text, lead=f"{'STOP':<{len(INDENT)}}", style="bold red")
    skipped = [each.planned.id for each in played.records if each.outcome is Outcome.SKIPPED]
    if skipped:
        word, style = outcome_word(Outcome.SKIPPED)
        print_escaped(console, _named(skipped), lead=word, style=style)
    if summary.stopped is not None or skipped:
        print_escaped(console, "")

    if not quiet:
        for line in _numbers(played, facts, folder=folder, width=console.width):
            print_escaped(console, line)

    # Why the exit code is what it is; what stopped the run is told already.
    reason = truncate(summary.exit_reason, _EXIT_REASON)
    if skipped and summary.exit_reason == summary.stopped:
        reason = f"{len(skipped):,} of {count(facts.conversations, 'conversation')} not played to the end"
    style = "bold green" if summary.exit_code is ExitCode.PASSED else "bold red"
    print_escaped(console, f": {safe_line(reason)}", lead=facts.verdict, style=style)


def _print_gate(console: Console, gate: GateReport, *, passed: bool, verbose: int) -> None:
    """Print the verdict of a gate: which cases failed the run and why, then a line for each other thing."""
    style = "bold green" if passed else "bold red"
    headline = safe_line(truncate(gate.headline, _EXIT_REASON))
    print_escaped(console, f": {headline}", lead=gate.word, style=style)
    if gate.advice is not None:
        print_escaped(console, f"  {gate.advice}")
    # The first cases with what was asked and got, and the names of some more: one screen holds them.
    room = console.width - len(_FACT)
    shown = gate.cases if verbose else gate.cases[: _IN_FULL + _BY_NAME]
    for number, case in enumerate(shown):
        print_escaped(console, f"  {safe_line(truncate(case.name))}: {case.history}")
        for fact in case.facts if verbose or number < _IN_FULL else ():
            text = safe_line(fact.text)
            excerpt = text if len(text) <= room else f"{text[: room - 1]}…"
            print_escaped(console, f"    {fact.title:<9}| {excerpt}")
    if more := gate.more + len(gate.cases) - len(shown):
        print_escaped(console, f"  {count(more, 'more case')}: see summary.md, or pass -v")
    for line in (*gate.lines, *(gate.numbers if verbose else ())):
        print_escaped(console, f"  {safe_line(line)}")
    print_escaped(console, "")


def _print_causes(console: Console, found: Sequence[Cause]) -> None:
    """Print each cause with its first reason in full, and the names of its conversations."""
    for cause in found[:SHOWN]:
        failed = cause.reason.status is Status.FAILED
        word, style = outcome_word(Outcome.FAILED if failed else Outcome.ERRORED)
        first, *lines = _told(cause.reason)
        print_escaped(console, first, lead=word, style=style)
        for line in [*lines, f"{INDENT}  in {_named(cause.conversations)}", ""]:
            print_escaped(console, line)
    if (left := len(found) - SHOWN) > 0:
        print_escaped(console, f"{count(left, 'more cause')}: see transcripts.md, or pass -vv\n")


def _transcripts(records: Iterable[Record]) -> Iterator[Transcript]:
    """Yield the transcripts of records, each read when it is asked for."""
    return (transcript for record in records if (transcript := record.transcript) is not None)


def _print_conversations(console: Console, played: Played, verbose: int) -> None:
    """Print those that went wrong or brought warnings, with their replies."""
    over = (each for each in played.records if each.outcome is not Outcome.SKIPPED)
    wrong = [each for each in over if each.outcome in _WRONG or (each.figures and each.figures.warnings)]
    shown = wrong if verbose > 1 else wrong[:SHOWN]
    for transcript in _transcripts(shown):
        word, style = outcome_word(transcript.outcome)
        print_escaped(console, safe_line(transcript.started.conversation_id), lead=word, style=style)
        for line in _explanation(transcript, verbose):
            print_escaped(console, line)
        print_escaped(console, "")
    if left := len(wrong) - len(shown):
        print_escaped(console, f"{count(left, 'more conversation')}: see transcripts.md, or pass -vv\n")


def _named(conversations: Sequence[str]) -> str:
    """Return how many conversations these are, and the first of their names as far as a line holds them."""
    names = [safe_line(truncate(name)) for name in conversations]
    room = takewhile(lambda used: used <= _NAMED, accumulate(len(name) + 2 for name in names))
    shown = names[: max(1, sum(1 for _ in room))]
    more = [f"{len(names) - len(shown):,} more"] if len(shown) < len(names) else []
    text = ", ".join([*shown, *more])
    return text if len(names) == 1 else f"{count(len(names), 'conversation')}: {text}"


def _explanation(transcript: Transcript, verbose: int) -> Iterator[str]:
    """Yield the lines under a conversation: its reasons, its warnings and the wrong replies."""
    found = reasons(transcript)
    for reason in found:
        first, *lines = _told(reason)
        yield INDENT + first
        yield from lines
    for warning in transcript.warnings:
        yield f"{INDENT}warning: {safe_line(warning)}"
    wrong = {reason.turn for reason in found}
    for turn in transcript.turns:
        if turn.index in wrong and turn.exchanges:
            asked = one_text(turn.content, transcript.started.files)
            yield from _gutter(
                f"asked {turn.number}",
                excerpt(asked, characters=_QUESTION, lines=_QUESTION_LINES) if verbose == 1 else asked,
            )
            text = truncate(turn.text, _REPLY) if verbose == 1 else turn.text
            yield from _gutter(f"reply {turn.number}", text or "(no text)")


def _told(reason: Reason) -> Iterator[str]:
    """Yield the lines of a reason: what and where, and of a check what it wanted and found."""
    yield f"{safe_line(reason.where)}: {safe_line(truncate(reason.message))}"
    yield f"{INDENT}  at {safe_line(reason.place)}"
    if reason.check is None:
        return
    for name, text in expected_and_actual(reason.check):
        # Mostly the message says it already.
        if text not in reason.message[:MAX_EXCERPT]:
            yield from _gutter(name, text)
    for row in check_rows(reason.check.children, 1):
        line = safe_line(f"{row.check.status} {row.title}: {row.check.message}")
        yield f"{INDENT}{'  ' * row.depth}- {line}"


def _gutter(name: str, text: str) -> Iterator[str]:
    # A visible bar before every line: CI runners trim spaces before they look for commands.
    first, *rest = safe_block(text, "| ").split("\n")
    yield f"{INDENT}  {name:<9}{first}"
    for line in rest:
        yield f"{INDENT}  {'':<9}{line}"


def _numbers(played: Played, facts: RunFacts, *, folder: Path, width: int) -> Iterator[str]:
    # One row for each model, where there are several: of one it would say no more than the lines below.
    by_model = played.summary.by_model
    if len(by_model) > 1:
        rows = [
            (
                safe_line(label),
                *(tokens(number) for number in (totals.conversations, *totals.outcomes.values())),
                used(totals.usage.input_total),
                tokens(totals.usage.cache_read_input_tokens or 0),
                used(totals.usage.output_tokens),
                usd(totals.cost_usd),
            )
            for label, totals in by_model.items()
        ]
        # What is zero for all models says nothing; tokens, of which a line is told below, are given up next.
        table = fitting(without_zeros([_COLUMNS, *rows], kept=_ALWAYS), width=width, spare=_SPARE)
        yield from _table(table, width=width)
        yield ""

    # The run as a whole: always three lines, then what there is to say besides. What is true of all replies
    # stands beside the cost.
    yield facts.outcomes
    yield facts.usage
    yield f"cost {facts.cost}"
    notes = (
        None if facts.caching is None else f"cache {facts.caching}",
        facts.judges,
        facts.uncertain,
        facts.unpriced,
        facts.warnings,
        facts.tolerated,
        None if facts.only_simulated else facts.simulated,
        None if facts.only_replayed else facts.replayed,
    )
    yield from (safe_line(note) for note in notes if note)
    for case in facts.missed:
        yield f"below its pass rate: {safe_line(case.name)}, {rate_sentence(case)}"

    yield f"transcripts {safe_line(str(folder / 'transcripts.md'))}"


def _table(rows: Sequence[Sequence[str]], *, width: int) -> Iterator[str]:
    """Yield a table; where a name is too long to stand beside its numbers they stand below it."""
    from rich.cells import cell_len  # noqa: PLC0415 - heavy, and needed only when something was played

    lines = list(aligned(rows))
    if all(cell_len(line) <= width for line in lines):
        yield from lines
        return
    head, *numbers = aligned([["  ", *row[1:]] for row in rows])
    yield head
    for row, line in zip(rows[1:], numbers, strict=True):
        yield row[0]
        yield line
