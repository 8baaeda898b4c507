"""What became of a conversation: the results of its checks and its outcome, as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from claude_run.scenario.json_values import Json
    from claude_run.scenario.model import Position


class Status(StrEnum):
    """Of one check. `ERRORED` means that it could not be evaluated; it never counts as passed."""

    PASSED = "passed"
    FAILED = "failed"
    ERRORED = "errored"


class Outcome(StrEnum):
    """Of one conversation: a check said no is `FAILED`, could not be measured is `ERRORED`."""

    PASSED = "passed"
    FAILED = "failed"
    ERRORED = "errored"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One expectation and what was found. `expected` and `actual` are short JSON values to show a person.

    What `must` hold fails the run where it failed once.
    """

    kind: str
    status: Status
    message: str
    expected: Json = None
    actual: Json = None
    label: str | None = None
    must: bool = False
    position: Position
    children: tuple[CheckResult, ...] = ()


def outcome_of(results: Iterable[CheckResult], error: str | None) -> Outcome:
    """Judge a conversation that was started: not measured outweighs failed, failed outweighs passed."""
    statuses = {result.status for result in results}
    if error is not None or Status.ERRORED in statuses:
        return Outcome.ERRORED
    return Outcome.FAILED if Status.FAILED in statuses else Outcome.PASSED
