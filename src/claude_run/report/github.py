"""What GitHub Actions shows of a run: the summary of the step, and the lines that are marked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.conversation.results import Outcome
from claude_run.report import wording
from claude_run.report.annotations import error_annotations
from claude_run.report.blocks import excerpt, words
from claude_run.report.markdown import MARKS
from claude_run.report.numbers import seconds, tokens, usd
from claude_run.report.reasons import reasons
from claude_run.report.safe import fence, md_cell, md_code, md_code_cell, md_inline
from claude_run.report.tolerance import Tolerance
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from claude_run.conversation.transcript import Transcript
    from claude_run.record.derive import Played
    from claude_run.record.transcripts import Record
    from claude_run.report.reasons import Reason
    from claude_run.verdict.contest import Contest

__all__ = ["LIMIT", "error_annotations", "step_summary"]

LIMIT = 1_000_000
"""How many bytes of UTF-8 a step may write: above 1,024 KiB GitHub shows nothing of it at all."""

_RESERVED = 1_000
_SENTENCE = 1_000
_REPLY = 2_000
_ORDER = (Outcome.ERRORED, Outcome.FAILED, Outcome.SKIPPED)
_TABLE = (
    "| outcome | conversation | tokens in | out | cost | time | why |\n|---|---|---:|---:|---:|---:|---|\n"
)


def step_summary(played: Played, contest: Contest | None = None, *, limit: int = LIMIT) -> str:
    """Return the Markdown for `$GITHUB_STEP_SUMMARY`, in at most `limit` bytes of UTF-8.

    It holds the verdict, the numbers, the comparison with the baseline where there is one, and every
    conversation. Where that is too much, rows that passed are left out first, then details, then other rows,
    and it says how many. The head is always there: some thousand bytes, and 60,000 for a comparison.
    """
    head = "".join((_head(played), _comparison(contest)))
    room = _Room(limit - _size(head) - _RESERVED)
    sections = [(section.fill(room), section) for section in _sections(played)]
    left = [section.what(len(section.records) - number) for (_, number), section in sections]
    texts = [text for (text, _), _ in sections]
    return "".join((head, _left_out([what for what in left if what]), *texts)).rstrip("\n") + "\n"


class _Room:
    """The bytes that are left. Once something did not fit nothing does: no row is missing in between."""

    def __init__(self, left: int) -> None:
        self._left = left

    def take(self, text: str) -> bool:
        """Tell whether the text fits, and then take its room."""
        self._left -= _size(text)
        return self._left >= 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    """A part of the summary that is cut when it must be: a piece for each record under a heading."""

    title: str
    records: Sequence[Record]
    piece: Callable[[Record], str]
    what: Callable[[int], str | None]
    header: str = ""

    def fill(self, room: _Room) -> tuple[str, int]:
        """Return the section as far as there is room, and for how many records there was."""
        head = f"## {self.title}\n\n{self.header}"
        if not self.records or not room.take(head):
            return "", 0
        pieces = []
        for record in self.records:
            piece = self.piece(record)
            if not room.take(piece):
                break
            pieces.append(piece)
        return (head + "".join(pieces).rstrip("\n") + "\n\n" if pieces else ""), len(pieces)


def _sections(played: Played) -> tuple[_Section, ...]:
    tolerance = Tolerance(played)
    wrong = [row for row in played.records if row.outcome in _ORDER and tolerance.reason(row) is None]
    wrong.sort(key=lambda row: _ORDER.index(row.outcome))
    fine = [row for row in played.records if row.outcome is Outcome.PASSED or tolerance.reason(row)]
    return (
        _Section(
            title="What went wrong",
            header=_TABLE,
            records=wrong,
            piece=_row,
            what=_counted("conversation that went wrong", "conversations that went wrong"),
        ),
        _Section(
            title="Details",
            records=[row for row in wrong if row.outcome is not Outcome.SKIPPED],
            piece=_details,
            what=_counted("conversation in detail", "conversations in detail"),
        ),
        _Section(
            title="What passed",
            header=_TABLE,
            records=fine,
            piece=lambda row: _row(row, tolerance.reason(row)),
            what=_counted("conversation that passed", "conversations that passed"),
        ),
    )


def _counted(noun: str, plural: str) -> Callable[[int], str | None]:
    return lambda number: count(number, noun, plural=plural) if number else None


def _left_out(what: Sequence[str]) -> str:
    if not what:
        return ""
    return f"> **Left out** to fit what GitHub shows: {', '.join(what)}. The files of the run hold all.\n\n"


def _head(played: Played) -> str:
    summary = played.summary
    notices = [
        f"> **{title}.** {md_inline(text)}\n\n"
        for title, text in (
            ("Simulated", wording.simulated(played)),
            ("Replayed", wording.replayed(played)),
        )
        if text
    ]
    reason = md_inline(excerpt(summary.exit_reason, _SENTENCE))
    facts = "".join(f"- **{title}**: {_sentence(text)}\n" for title, text in _facts(played) if text)
    took = "" if summary.duration_s is None else f", took {seconds(summary.duration_s)}"
    return (
        f"{''.join(notices)}# {md_inline(wording.verdict(summary))}\n\n"
        f"**{reason}** in run {md_code(excerpt(summary.run.name))}{took}.\n\n"
        f"{facts}\n"
    )


def _facts(played: Played) -> Iterator[tuple[str, str | None]]:
    summary = played.summary
    yield "Outcomes", wording.outcomes(summary.totals)
    yield "Tokens", wording.usage(summary.totals.usage)
    yield "Cost", wording.cost(played)
    yield "Judges", wording.judges(summary.totals)
    yield "Uncertain cost", wording.uncertain(summary.totals)
    yield "Unpriced", wording.unpriced(summary)
    yield "Warnings", wording.warnings(played)
    yield "Tolerated", wording.tolerated(summary)


def _comparison(contest: Contest | None) -> str:
    if contest is None:
        return ""
    from claude_run.report.comparison_markdown import contest_markdown  # noqa: PLC0415 - only with a baseline

    return f"## Against the baseline\n\n{contest_markdown(contest).rstrip()}\n\n"


def _row(record: Record, tolerated: str | None = None) -> str:
    transcript = record.transcript
    mark = MARKS[record.outcome] + (", tolerated" if tolerated else "")
    cells = [mark, md_code_cell(excerpt(record.planned.id)), *_numbers(transcript)]
    found = reasons(transcript) if transcript else ()
    why = "never started" if transcript is None else tolerated
    why = why or (f"{found[0].where}: {found[0].message}" if found else "")
    cells.append(md_cell(excerpt(why)) if why else "")
    return f"| {' | '.join(cells)} |\n"


def _numbers(transcript: Transcript | None) -> tuple[str, ...]:
    if transcript is None:
        return ("", "", "", "")
    usage = transcript.usage
    return (
        tokens(usage.input_total),
        tokens(usage.output_tokens),
        md_cell(usd(transcript.cost_usd)),
        seconds(transcript.duration_s),
    )


def _details(record: Record) -> str:
    """Return what went wrong in a conversation, and the replies of the turns where it did."""
    transcript = record.transcript
    if transcript is None:
        return ""
    found = reasons(transcript)
    lines = [f"### {MARKS[record.outcome]} {md_code(excerpt(record.planned.id))}\n"]
    for reason in found:
        lines.extend(_reason(reason))
    wrong = {reason.turn for reason in found}
    lines.extend(
        f"\nReply {turn.index}:\n\n{fence(excerpt(turn.text, _REPLY) or '(no text)')}"
        for turn in transcript.turns
        if turn.exchanges and (turn.index in wrong or None in wrong)
    )
    return "\n".join(lines) + "\n\n"


def _reason(reason: Reason) -> Iterator[str]:
    where, message = (md_inline(excerpt(text)) for text in (reason.where, reason.message))
    yield f"- **{where}**: {message} ({md_code(excerpt(reason.place))})"
    if reason.check is not None:
        for name, value in (("expected", reason.check.expected), ("actual", reason.check.actual)):
            if value is not None:
                yield f"  - {name} {md_code(excerpt(words(value)))}"


def _sentence(text: str) -> str:
    return md_inline(excerpt(text, _SENTENCE))


def _size(text: str) -> int:
    return len(text.encode())
