"""Workflow commands that make GitHub mark the lines of scenarios where something went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.conversation.results import Outcome, Status
from claude_run.report.blocks import excerpt
from claude_run.report.reasons import reasons
from claude_run.report.safe import safe_line
from claude_run.report.tolerance import Tolerance
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_run.record.derive import Played
    from claude_run.report.reasons import Reason

SHOWN = 9
"""How many places are marked: GitHub shows ten annotations of a step, and the tenth counts the others."""

_MAX_PATH = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spot:
    """A place where something went wrong: the first conversation and reason, and how many there were."""

    conversation: str
    reason: Reason
    path: str
    conversations: int = 1


def error_annotations(played: Played) -> Iterator[str]:
    """Yield at most ten `::error` commands, a line each, the worst first.

    What could not be measured is worst, then what concerns most conversations. What was not played to its
    end, and failures that the run tolerates, are left out. A check is marked at its expectation, an error at
    its file.
    """
    spots = sorted(_spots(played), key=_badness)
    for spot in spots[:SHOWN]:
        yield _annotation(spot)
    left = len(spots) - SHOWN
    if left > 0:
        message = f"{left:,} more: see the summary of the job, or transcripts.md of the run"
        yield f"::error title=claude-run::{_data(message)}"


def _spots(played: Played) -> Iterator[_Spot]:
    """Yield what went wrong, once for each expectation and for each error of a file."""
    tolerance = Tolerance(played)
    found: dict[tuple[object, ...], list[_Spot]] = {}
    for record in played.records:
        transcript = record.transcript
        is_left_out = record.outcome is Outcome.SKIPPED or tolerance.reason(record) is not None
        if transcript is None or is_left_out:
            continue
        for reason in reasons(transcript):
            position = reason.check.position if reason.check else None
            spot = _Spot(
                conversation=record.planned.id,
                reason=reason,
                path=position.path if position else transcript.started.path,
            )
            key = (reason.status, position) if position else (spot.path, reason.message)
            found.setdefault(key, []).append(spot)
    for same in found.values():
        first, conversations = same[0], {spot.conversation for spot in same}
        yield _Spot(
            conversation=first.conversation,
            reason=first.reason,
            path=first.path,
            conversations=len(conversations),
        )


def _badness(spot: _Spot) -> tuple[bool, int]:
    return spot.reason.status is not Status.ERRORED, -spot.conversations


def _annotation(spot: _Spot) -> str:
    others = spot.conversations - 1
    more = f" (and in {count(others, 'more conversation')})" if others else ""
    properties = {
        "file": excerpt(spot.path, _MAX_PATH),
        "title": excerpt(f"{spot.conversation}: {spot.reason.where}"),
    }
    if spot.reason.check is not None:
        position = spot.reason.check.position
        properties |= {"line": str(position.line), "col": str(position.column)}
    ordered = [(name, properties[name]) for name in ("file", "line", "col", "title") if name in properties]
    given = ",".join(f"{name}={_property(value)}" for name, value in ordered)
    return f"::error {given}::{_data(excerpt(spot.reason.message) + more)}"


def _data(text: str) -> str:
    """Escape as actions/toolkit does (core/src/command.ts); what cannot be seen is spelt out before."""
    return safe_line(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
