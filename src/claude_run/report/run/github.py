"""What GitHub Actions shows of a run as the summary of its step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.conversation.results import Outcome
from claude_run.report.run.markdown import MARKS
from claude_run.report.run.reasons import reasons
from claude_run.report.text.blocks import truncate, value_text
from claude_run.report.text.numbers import count, seconds, tokens, usd
from claude_run.report.text.safe import fence, md_cell, md_code, md_code_cell, md_inline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from claude_run.conversation.transcript import Transcript
    from claude_run.record.derive import Played
    from claude_run.record.transcripts import Record
    from claude_run.report.run.facts import RunFacts
    from claude_run.report.run.reasons import Reason

LIMIT = 1_000_000
"""How many bytes of UTF-8 a step may write: above 1,024 KiB GitHub shows nothing of it at all."""

_RESERVED = 1_000
_SENTENCE = 1_000
_REPLY = 2_000
_ORDER = (Outcome.ERRORED, Outcome.FAILED, Outcome.SKIPPED)
_TABLE = (
    "| outcome | conversation | tokens in | out | cost | time | why |\n|---|---|---:|---:|---:|---:|---|\n"
)


def step_summary(played: Played, facts: RunFacts, *, limit: int = LIMIT) -> Iterator[bytes]:
    """Yield the Markdown for `$GITHUB_STEP_SUMMARY`, in at most `limit` bytes of UTF-8.

    It holds the verdict, the numbers, the comparison with the baseline where there is one (Markdown already),
    and every conversation. Where that is too much, rows that passed are left out first, then details, then
    other rows, and it says how many. The head is always there: some thousand bytes, and 60,000 for a
    comparison.
    """
    head = _head(played, facts)
    if facts.comparison is not None:
        head += f"## Against the baseline\n\n{facts.comparison.rstrip()}\n\n"
    budget = _ByteBudget(limit - _size(head) - _RESERVED)
    sections = [(section.fill(budget), section) for section in _sections(played, facts)]
    left = [section.what(len(section.records) - number) for (_, number), section in sections]
    texts = [text for (text, _), _ in sections]
    whole = "".join((head, _left_out([what for what in left if what]), *texts))
    yield (whole.rstrip("\n") + "\n").encode()


class _ByteBudget:
    """The bytes that are left. Once something did not fit nothing does: no row is missing in between."""

    def __init__(self, left: int) -> None:
        self._left = left

    def take(self, text: str) -> bool:
        """Return whether the text fits, and then take its bytes."""
        self._left -= _size(text)
        return self._left >= 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _SummarySection:
    """A part of the summary that is cut when it must be: a piece for each record under a heading."""

    title: str
    records: Sequence[Record]
    piece: Callable[[Record], str]
    what: Callable[[int], str | None]
    header: str = ""

    def fill(self, budget: _ByteBudget) -> tuple[str, int]:
        """Return the section as far as there is room, and for how many records there was."""
        head = f"## {self.title}\n\n{self.header}"
        if not self.records or not budget.take(head):
            return "", 0
        pieces = []
        for record in self.records:
            piece = self.piece(record)
            if not budget.take(piece):
                break
            pieces.append(piece)
        return (head + "".join(pieces).rstrip("\n") + "\n\n" if pieces else ""), len(pieces)


def _sections(played: Played, facts: RunFacts) -> tuple[_SummarySection, ...]:
    tolerance = facts.tolerance
    wrong = [row for row in played.records if row.outcome in _ORDER and row.planned.id not in tolerance]
    wrong.sort(key=lambda row: _ORDER.index(row.outcome))
    fine = [row for row in played.records if row.outcome is Outcome.PASSED or row.planned.id in tolerance]
    return (
        _SummarySection(
            title="What went wrong",
            header=_TABLE,
            records=wrong,
            piece=_row,
            what=_counted("conversation that went wrong", "conversations that went wrong"),
        ),
        _SummarySection(
            title="Details",
            records=[row for row in wrong if row.outcome is not Outcome.SKIPPED],
            piece=_details,
            what=_counted("conversation in detail", "conversations in detail"),
        ),
        _SummarySection(
            title="What passed",
            header=_TABLE,
            records=fine,
            piece=lambda row: _row(row, tolerance.get(row.planned.id)),
            what=_counted("conversation that passed", "conversations that passed"),
        ),
    )


def _counted(noun: str, plural: str) -> Callable[[int], str | None]:
    return lambda number: count(number, noun, plural=plural) if number else None


def _left_out(what: Sequence[str]) -> str:
    if not what:
        return ""
    return f"> **Left out** to fit what GitHub shows: {', '.join(what)}. The files of the run hold all.\n\n"


def _head(played: Played, facts: RunFacts) -> str:
    summary = played.summary
    notices = [f"> **{title}.** {md_inline(text)}\n\n" for title, text in facts.notices()]
    reason = md_inline(truncate(summary.exit_reason, _SENTENCE))
    lines = [f"- **{title}**: {md_inline(truncate(text, _SENTENCE))}\n" for title, text in facts.lines()]
    took = "" if summary.duration_s is None else f", took {seconds(summary.duration_s)}"
    return (
        f"{''.join(notices)}# {md_inline(facts.verdict)}\n\n"
        f"**{reason}** in run {md_code(truncate(summary.run.name))}{took}.\n\n"
        f"{''.join(lines)}\n"
    )


def _row(record: Record, tolerated: str | None = None) -> str:
    transcript = record.transcript
    mark = MARKS[record.outcome] + (", tolerated" if tolerated else "")
    cells = [mark, md_code_cell(truncate(record.planned.id)), *_numbers(transcript)]
    found = reasons(transcript) if transcript else ()
    why = "never started" if transcript is None else tolerated
    why = why or (f"{found[0].where}: {found[0].message}" if found else "")
    cells.append(md_cell(truncate(why)) if why else "")
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
    lines = [f"### {MARKS[record.outcome]} {md_code(truncate(record.planned.id))}\n"]
    for reason in found:
        lines.extend(_reason(reason))
    wrong = {reason.turn for reason in found}
    lines.extend(
        f"\nReply {turn.number}:\n\n{fence(truncate(turn.text, _REPLY) or '(no text)')}"
        for turn in transcript.turns
        if turn.exchanges and (turn.index in wrong or None in wrong)
    )
    return "\n".join(lines) + "\n\n"


def _reason(reason: Reason) -> Iterator[str]:
    where, message = (md_inline(truncate(text)) for text in (reason.where, reason.message))
    yield f"- **{where}**: {message} ({md_code(truncate(reason.place))})"
    if reason.check is not None:
        for name, value in (("expected", reason.check.expected), ("actual", reason.check.actual)):
            if value is not None:
                yield f"  - {name} {md_code(truncate(value_text(value)))}"


def _size(text: str) -> int:
    return len(text.encode())
