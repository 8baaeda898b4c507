"""A comparison on a terminal or in a log: the verdict first, what it rests on, and what changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from claude_run.report import comparison_words as words
from claude_run.report.comparison_cases import evidence
from claude_run.report.comparison_facts import facts
from claude_run.report.console import aligned, open_console, say
from claude_run.report.diff import INDENT, condense, print_pieces
from claude_run.report.safe import safe_line
from claude_run.text.visible import count
from claude_run.verdict.rules import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import Console

    from claude_run.report.comparison_cases import Evidence
    from claude_run.report.comparison_words import Headline
    from claude_run.verdict.contest import Contest, Duel
    from claude_run.verdict.gate import Comparison

_STYLES = {
    Verdict.IMPROVED: "bold green",
    Verdict.UNCHANGED: "bold green",
    Verdict.REGRESSED: "bold red",
    Verdict.INCONCLUSIVE: "bold yellow",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Room:
    """How much is shown: changed cases, those with replies, names in a list, characters around a change."""

    cases: int
    evidence: int
    names: int
    context: int
    most: int


_ROOMS = (
    _Room(cases=25, evidence=3, names=10, context=80, most=1_200),
    _Room(cases=250, evidence=25, names=100, context=400, most=10_000),
    _Room(cases=100_000, evidence=2_000, names=100_000, context=20_000, most=100_000),
)


def print_contest(contest: Contest, *, stream: TextIO, colour: bool = False, verbose: int = 0) -> None:
    """Print the verdict on every candidate, the gravest of several first, then each with its evidence.

    `verbose` 1 shows more of the changed cases and of their replies, 2 all.
    """
    console = open_console(stream, colour=colour)
    room = _ROOMS[min(verbose, len(_ROOMS) - 1)]
    if len(contest.duels) != 1:
        _say_headline(console, words.headline(contest))
        _say_table(console, words.OVERVIEW, map(words.overview_row, words.ranked(contest)))
    for duel in words.ranked(contest):
        if len(contest.duels) > 1:
            say(console, "")
        _say_headline(console, words.duel_headline(contest, duel))
        _say_left_out(console, contest, duel, room=room)
        for line in _basis(contest, duel):
            say(console, line)
        _say_table(console, words.METRIC_COLUMNS, words.metric_rows(duel.comparison))
        _say_changes(console, duel.comparison, room=room)
        for found in evidence(duel, most=room.evidence):
            _say_evidence(console, found, room=room, colour=colour)
        if room.evidence < len(duel.comparison.changes):
            left = count(len(duel.comparison.changes) - room.evidence, "more changed case")
            say(console, f"\n{left} without replies here: pass {'-v' if not verbose else '-vv'}")


def _say_headline(console: Console, headline: Headline) -> None:
    say(console, f" {safe_line(headline.text)}", lead=headline.word, style=_STYLES[headline.verdict])


def _say_left_out(console: Console, contest: Contest, duel: Duel, *, room: _Room) -> None:
    for group in words.left_out(contest, duel):
        listed = safe_line(_listed(group.cases, most=room.names))
        line = f", {safe_line(group.reason)} ({len(group.cases):,}): {listed}"
        say(console, line, lead="NOT COMPARED", style=_STYLES[Verdict.INCONCLUSIVE])


def _basis(contest: Contest, duel: Duel) -> Iterator[str]:
    rows = facts(duel, family=len(contest.duels))
    width = max((len(row.label) for row in rows), default=0)
    for row in rows:
        yield f"  {row.label:<{width}}  {row.text}"
    for note in duel.comparison.notes:
        yield f"  note: {note}"


def _say_table(console: Console, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    cells = [[safe_line(cell) for cell in row] for row in rows]
    if not cells:
        return
    say(console, "")
    for line in aligned([columns, *cells]):
        say(console, line.rstrip())


def _say_changes(console: Console, comparison: Comparison, *, room: _Room) -> None:
    changes = comparison.changes
    _say_table(console, words.CHANGE_COLUMNS, map(words.change_row, changes[: room.cases]))
    if len(changes) > room.cases:
        say(console, f"{count(len(changes) - room.cases, 'more changed case')}: pass -v or -vv")
    flaky = [pair.case for pair in words.steady(comparison.pairing.pairs) if words.is_flaky(pair)]
    if flaky:
        say(console, f"flaky, but no change: {safe_line(_listed(flaky, most=room.names))}")


def _say_evidence(console: Console, found: Evidence, *, room: _Room, colour: bool) -> None:
    change = found.change
    rates = f"{words.rate_words(change.baseline)} became {words.rate_words(change.candidate)}"
    say(console, "")
    say(console, f": {rates}", lead=safe_line(words.name(change.case)), style="bold")
    say(console, f"{INDENT}{found.title}")
    for failure in found.failures:
        say(console, f"{INDENT}failed: {safe_line(failure)}")
    if not found.replies:
        say(console, f"{INDENT}the replies of these two are the same")
    for reply in found.replies:
        say(console, f"{INDENT}{reply.title}")
        pieces = condense(reply.pieces, context=room.context, most=room.most)
        print_pieces(pieces, console=console, colour=colour)


def _listed(names: Sequence[str], *, most: int) -> str:
    shown = ", ".join(words.name(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown}, and {len(names) - most:,} more"
