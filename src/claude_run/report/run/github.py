"""What GitHub Actions shows of a run: the summary of the step, and the lines of scenarios that are marked."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from claude_run.conversation.results import Outcome
from claude_run.errors import ExitCode
from claude_run.report.run.facts import verdict_of
from claude_run.report.run.markdown import MARKS, gate_part, talk_that_went_wrong
from claude_run.report.run.reasons import causes, expected_and_actual, foremost, reasons
from claude_run.report.text.blocks import MAX_EXCERPT, excerpt, truncate
from claude_run.report.text.numbers import seconds, usd, used
from claude_run.report.text.safe import fence, md_cell, md_code, md_code_cell, md_inline, safe_line
from claude_run.scenario.diagnostics import InvalidScenarioError
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from claude_run.errors import ClaudeRunError
    from claude_run.record.derive import Played
    from claude_run.record.records import Record
    from claude_run.report.run.facts import RunFacts
    from claude_run.report.run.reasons import Cause
    from claude_run.scenario.diagnostics import Problems
    from claude_run.scenario.model import Position

LIMIT = 1_000_000
"""How many bytes of UTF-8 a step may write: above 1,024 KiB GitHub shows nothing of it at all."""

COMMENT_LIMIT = 60_000
"""How many bytes of UTF-8 a comment may have: GitHub takes 64 kB."""

MARKED = 9
"""How many places are marked: GitHub shows ten annotations of a step, and the tenth counts the others."""

_Level: TypeAlias = Literal["error", "warning"]
_RESERVED = 1_000
_SENTENCE = 1_000
_REASONS = 3
_FIRST_ROWS, _FIRST_DETAILS = 50, 10
_ERROR, _ERROR_LINES = 8_000, 60
_MAX_PATH = 4096
_ORDER = (Outcome.ERRORED, Outcome.FAILED, Outcome.SKIPPED)
_TABLE = (
    "| outcome | conversation | tokens in | out | cost | time | why |\n|---|---|---:|---:|---:|---:|---|\n"
)


def step_summary(played: Played, facts: RunFacts, *, limit: int = LIMIT) -> Iterator[bytes]:
    """Yield the Markdown for `$GITHUB_STEP_SUMMARY`, in at most `limit` bytes of UTF-8.

    It holds the verdict, what became of the cases since they were accepted, the numbers, and every
    conversation. Where that is too much, rows that passed are left out first, then details, then other rows,
    and it says how many; of the first rows and details that went wrong both are there. The head is always
    there, some thousand bytes: of cases that broke as many are shown as fit.
    """
    yield _fitted(played, facts, limit=limit, folded=False)


def pull_request_comment(played: Played, facts: RunFacts) -> Iterator[bytes]:
    """Yield the same for a comment of a pull request, which holds less, and all but the head folded."""
    yield _fitted(played, facts, limit=COMMENT_LIMIT, folded=True)


def failure_comment(code: ExitCode, lines: Sequence[str]) -> str:
    """Return the comment of a pull request that no run could be told in: how it ended, and what was wrong."""
    told = excerpt("\n".join(map(safe_line, lines)), characters=_ERROR, lines=_ERROR_LINES)
    return f"# {md_inline(verdict_of(code))}\n\n{fence(told)}\n"


def error_annotations(played: Played, facts: RunFacts, *, folder: str = "") -> Iterator[str]:
    """Yield at most ten `::error` commands, a line each, the worst first.

    What stopped the run is worst, then what could not be measured, then what concerns most conversations.
    What was not played to its end, and failures that the run tolerates, are left out. A check is marked at
    its expectation, an error at its file. GitHub knows files from the root of the repository, of which we
    are in `folder`.
    """
    wrong = (
        record.transcript
        for record in played.records
        if record.outcome in {Outcome.FAILED, Outcome.ERRORED} and record.planned.id not in facts.tolerance
    )
    marks = [_annotation(cause, folder) for cause in causes(each for each in wrong if each is not None)]
    stopped = played.summary.stopped
    if stopped is not None and played.summary.exit_code is not ExitCode.PASSED:
        marks.insert(0, _command({"title": facts.verdict}, truncate(stopped)))
    yield from marks[:MARKED]
    yield from _more(len(marks) - MARKED, "see the summary of the job, or transcripts.md of the run")


def failure_annotations(error: ClaudeRunError, *, folder: str = "") -> Iterator[str]:
    """Yield at most ten `::error` commands for what kept a command from its work, at their places."""
    if not isinstance(error, InvalidScenarioError):
        yield _command({"title": "claude-run"}, truncate(str(error)))
        return
    yield from _of_problems(error.problems, "error", folder)


def warning_annotations(warnings: Problems, *, folder: str = "") -> Iterator[str]:
    """Yield at most ten `::warning` commands for what `check` has noticed, at their places."""
    yield from _of_problems(warnings, "warning", folder)


def _of_problems(problems: Problems, level: _Level, folder: str) -> Iterator[str]:
    marks = []
    for group in problems.groups[:MARKED]:
        problem, others = group.problem, len(group) - 1
        message = problem.message + (f" (and at {count(others, 'more place')})" if others else "")
        place = {**_place(problem.position, folder), "title": truncate(problem.hint or "claude-run")}
        marks.append(_command(place, truncate(message), level))
    left = len(problems) - sum(len(group) for group in problems.groups[:MARKED])
    yield from marks
    yield from _more(left, "see the log of the step", level)


def _more(left: int, where: str, level: _Level = "error") -> Iterator[str]:
    if left > 0:
        yield _command({"title": "claude-run"}, f"{left:,} more: {where}", level)


def _fitted(played: Played, facts: RunFacts, *, limit: int, folded: bool) -> bytes:
    """Return the summary in at most `limit` bytes of UTF-8."""
    head, shown = _head(played, facts, limit=limit - _RESERVED)
    left = limit - len(head.encode()) - _RESERVED

    # Each section takes of the bytes that are left as many records as fit, the most important section first.
    # Once something did not fit nothing does, so that no row is missing in between.
    texts: list[str] = []
    left_out: dict[tuple[str, str], int] = {}
    for section in _sections(played, facts, shown):
        opening, closing = section.around(folded=folded)
        left -= len((opening + closing).encode()) if section.records else 0
        pieces: list[str] = []
        for record in section.records:
            piece = section.piece(record)
            left -= len(piece.encode())
            if left < 0:
                break
            pieces.append(piece)
        if pieces:
            texts.append(opening + "".join(pieces).rstrip("\n") + closing)
        if missing := len(section.records) - len(pieces):
            noun = section.noun, section.plural
            left_out[noun] = left_out.get(noun, 0) + missing

    if left_out:
        named = (count(number, noun, plural=plural) for (noun, plural), number in left_out.items())
        head += (
            f"> **Left out** to fit what GitHub shows: {', '.join(named)}. The files of the run hold all.\n\n"
        )
    return ("".join([head, *texts]).rstrip("\n") + "\n").encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class _SummarySection:
    """A part of the summary that is cut when it must be: a piece for each record under a heading."""

    title: str
    header: str = ""
    records: Sequence[Record]
    piece: Callable[[Record], str]
    noun: str
    plural: str

    def around(self, *, folded: bool) -> tuple[str, str]:
        """Return what stands before and behind the records."""
        if folded:
            return f"<details><summary>{self.title}</summary>\n\n{self.header}", "\n\n</details>\n\n"
        return f"## {self.title}\n\n{self.header}", "\n\n"


def _sections(played: Played, facts: RunFacts, shown: frozenset[str]) -> Iterator[_SummarySection]:
    """Yield the parts in their order; of cases that were `shown`, with what failed in them, no details."""
    # What could not be measured first, and among what passed also the failures that do not count.
    tolerance = facts.tolerance
    wrong = [row for row in played.records if row.outcome in _ORDER and row.planned.id not in tolerance]
    wrong.sort(key=lambda row: _ORDER.index(row.outcome))

    # Attempts of a case would mostly say the same: one of each way to go wrong is shown in detail.
    detailed: dict[tuple[str, Outcome], Record] = {}
    for row in wrong:
        case = row.planned.case_name
        if row.outcome is Outcome.ERRORED or (row.outcome is Outcome.FAILED and case not in shown):
            detailed.setdefault((case, row.outcome), row)
    details = [*detailed.values()]

    # The first rows, the first details, and then the rest of both.
    for title, rows, title_of_details, talks in (
        ("What went wrong", wrong[:_FIRST_ROWS], "Details", details[:_FIRST_DETAILS]),
        ("More that went wrong", wrong[_FIRST_ROWS:], "More details", details[_FIRST_DETAILS:]),
    ):
        yield _SummarySection(
            title=title,
            header=_TABLE,
            records=rows,
            piece=_row,
            noun="conversation that went wrong",
            plural="conversations that went wrong",
        )
        yield _SummarySection(
            title=title_of_details,
            records=talks,
            piece=_details,
            noun="conversation in detail",
            plural="conversations in detail",
        )
    yield _SummarySection(
        title="What passed",
        header=_TABLE,
        records=[
            row for row in played.records if row.outcome is Outcome.PASSED or row.planned.id in tolerance
        ],
        piece=lambda row: _row(row, tolerance.get(row.planned.id)),
        noun="conversation that passed",
        plural="conversations that passed",
    )


def _head(played: Played, facts: RunFacts, *, limit: int) -> tuple[str, frozenset[str]]:
    """Return what is always shown: the verdict, what the gate found of as many cases as fit, the numbers.

    With it come the names of these cases.
    """
    summary = played.summary
    notices = [f"> **{title}.** {md_inline(text)}\n\n" for title, text in facts.notices()]
    reason = md_inline(truncate(summary.exit_reason, _SENTENCE))
    lines = [f"- **{title}**: {md_inline(truncate(text, _SENTENCE))}\n" for title, text in facts.lines()]
    took = "" if summary.duration_s is None else f", took {seconds(summary.duration_s)}"
    top = (
        f"{''.join(notices)}# {md_inline(facts.verdict)}\n\n"
        f"**{reason}** in run {md_code(truncate(summary.run.name))}{took}.\n\n"
    )
    bottom = f"{''.join(lines)}\n"
    gate = gate_part(played, limit - len((top + bottom).encode()))
    return top + gate.text + bottom, gate.shown


def _row(record: Record, tolerated: str | None = None) -> str:
    """Return the row of a conversation in `_TABLE`; `tolerated` is why its failure does not count."""
    transcript = record.transcript
    if transcript is None:
        numbers, why = [""] * 4, "never started"
    else:
        numbers = [
            used(transcript.usage.input_total),
            used(transcript.usage.output_tokens),
            md_cell(usd(transcript.cost_usd)),
            seconds(transcript.duration_s),
        ]
        found = reasons(transcript)
        why = tolerated or (f"{found[0].where}: {found[0].message}" if found else "")
    mark = MARKS[record.outcome] + (", tolerated" if tolerated else "")
    cells = [mark, md_code_cell(truncate(record.planned.id)), *numbers]
    cells.append(md_cell(truncate(why)) if why else "")
    return f"| {' | '.join(cells)} |\n"


def _details(record: Record) -> str:
    """Return what went wrong in a conversation, and what was asked and got there: a screen at most."""
    transcript = record.transcript
    if transcript is None:
        return ""
    lines = [f"### {MARKS[record.outcome]} {md_code(truncate(record.planned.id))}\n"]
    found, talk = reasons(transcript), talk_that_went_wrong(transcript)
    for place, reason in enumerate(foremost(found, _REASONS)):
        where, message = (md_inline(truncate(text)) for text in (reason.where, reason.message))
        lines.append(f"- **{where}**: {message} ({md_code(truncate(reason.place))})")
        if reason.check is not None and place == 0:
            sides = expected_and_actual(reason.check, MAX_EXCERPT // max(1, len(talk.turns)))
            lines.extend(f"  - {name} {md_code(text)}" for name, text in sides)
    if len(found) > _REASONS:
        lines.append(f"- {count(len(found) - _REASONS, 'more reason')}: see `transcripts.md`")
    lines.extend(f"\nAsked at turn {number}:\n{asked}\n\nGot:\n{got}" for number, asked, got in talk.turns)
    if talk.more:
        lines.append(f"\n{count(talk.more, 'more turn')}: see `transcripts.md`")
    return "\n".join(lines) + "\n\n"


def _annotation(cause: Cause, folder: str) -> str:
    reason, (first, *others) = cause.reason, cause.conversations
    more = f" (and in {count(len(others), 'more conversation')})" if others else ""
    if reason.check is None:
        place = {"file": _file(reason.path, folder)}
    else:
        place = _place(reason.check.position, folder)
    title = truncate(f"{first}: {reason.where}")
    return _command({**place, "title": title}, truncate(reason.message) + more)


def _place(position: Position, folder: str) -> dict[str, str]:
    path = _file(position.path, folder)
    return {"file": path, "line": str(position.line), "col": str(position.column)}


def _file(path: str, folder: str) -> str:
    return truncate(posixpath.normpath(posixpath.join(folder, path)), _MAX_PATH)


def _command(properties: Mapping[str, str], message: str, level: _Level = "error") -> str:
    # In a property a colon and a comma have a meaning of their own.
    escaped = {name: _data(text).replace(":", "%3A").replace(",", "%2C") for name, text in properties.items()}
    given = ",".join(f"{name}={text}" for name, text in escaped.items())
    return f"::{level} {given}::{_data(message)}"


def _data(text: str) -> str:
    """Escape as actions/toolkit does (core/src/command.ts); what cannot be seen is spelt out before."""
    return safe_line(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
