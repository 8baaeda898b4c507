"""Evidence of the changed cases: an attempt of either side that shows the change, and how they differ."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import TYPE_CHECKING

from claude_run.report.text.blocks import truncate
from claude_run.report.text.diff import diff_words
from claude_run.verdict.contest import typical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_run.conversation.attempt import Attempt
    from claude_run.report.text.diff import Piece
    from claude_run.verdict.changes import CaseChange
    from claude_run.verdict.contest import Duel

_FAILURES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyDiff:
    """A reply that is not the same on both sides; `number` counts the replies of a conversation from 1."""

    number: int
    note: str
    pieces: tuple[Piece, ...]

    @property
    def title(self) -> str:
        return f"reply {self.number}{self.note}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A changed case: the baseline's attempt, the candidate's, and the replies that differ between them."""

    change: CaseChange
    baseline: Attempt
    candidate: Attempt
    replies: tuple[ReplyDiff, ...]

    @property
    def title(self) -> str:
        """Which attempts are compared: `baseline passed (repeat 1), candidate failed (repeat 2)`."""
        return f"baseline {_result(self.baseline)}, candidate {_result(self.candidate)}"

    @property
    def failures(self) -> tuple[str, ...]:
        """What the failed checks said, of the side that failed; cut to a few."""
        failed = self.candidate if self.candidate.passed is False else self.baseline
        found = [truncate(failure) for failure in failed.failures[:_FAILURES]]
        left = len(failed.failures) - len(found)
        return (*found, *([f"and {left:,} more"] if left else []))


def evidence(duel: Duel, *, most: int) -> tuple[Evidence, ...]:
    """Return evidence of at most that many changed cases, the largest drop first."""
    return tuple(islice(_evidence(duel), most))


def _evidence(duel: Duel) -> Iterator[Evidence]:
    for change in duel.comparison.changes:
        worse = change.difference < 0
        before = typical(duel.baseline_attempts[change.case], passed=worse)
        after = typical(duel.candidate_attempts[change.case], passed=not worse)
        if before is not None and after is not None:
            replies = tuple(_differences(before.replies, after.replies))
            yield Evidence(change=change, baseline=before, candidate=after, replies=replies)


def _differences(before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[ReplyDiff]:
    for number, (old, new) in enumerate(zip_longest(before, after), start=1):
        if old != new:
            note = (
                ""
                if None not in {old, new}
                else f" (only in the {'baseline' if new is None else 'candidate'})"
            )
            yield ReplyDiff(number=number, note=note, pieces=diff_words(old or "", new or ""))


def _result(attempt: Attempt) -> str:
    repeat = "" if attempt.identity.repeat is None else f" (repeat {attempt.identity.repeat})"
    return f"{'passed' if attempt.passed else 'failed'}{repeat}"
