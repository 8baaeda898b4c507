"""Why conversations did not pass, and every check with its nested ones, in the order a person reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.conversation.results import Status
from claude_run.report.text.blocks import MAX_EXCERPT, truncate, value_text
from claude_run.scenario.model import turn_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from claude_run.conversation.results import CheckResult
    from claude_run.conversation.transcript import Transcript, TurnRecord

_NUMBER = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One thing that went wrong. `turn` counts from 0; `check` is None where the conversation itself broke.

    `place` is `path:line` of the expectation, or the path of the scenario.
    """

    status: Status
    turn: int | None
    message: str
    place: str
    check: CheckResult | None = None

    @property
    def path(self) -> str:
        """The file that `place` is in."""
        return self.place if self.check is None else self.check.position.path

    @property
    def where(self) -> str:
        """The turn and the check, in words: `turn 2, contains`, `turn 2, contains, not evaluated`."""
        turn = "conversation" if self.turn is None else f"turn {turn_number(self.turn)}"
        if self.check is None:
            return turn
        name = check_name(self.check) + (" (must)" if self.check.must else "")
        return f"{turn}, {name}{', not evaluated' if self.status is Status.ERRORED else ''}"

    @property
    def breaks_a_rule(self) -> bool:
        """Whether it fails the run by itself: what must hold does not."""
        return self.check is not None and self.check.must and self.status is Status.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What went wrong in one conversation or many: the first reason found, and all their ids in order."""

    reason: Reason
    conversations: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """A check in a flat list: `depth` is 0 for an expectation, 1 for one inside it, and so on."""

    depth: int
    check: CheckResult

    @property
    def title(self) -> str:
        return check_name(self.check)

    @property
    def place(self) -> str:
        return check_place(self.check)


def reasons(transcript: Transcript) -> tuple[Reason, ...]:
    """Return what went wrong: broken rules, the error, then checks turn by turn, then those on the whole."""
    # Where the conversation itself broke: what came after was not even tried.
    found = []
    if transcript.error is not None:
        found.append(
            Reason(
                status=Status.ERRORED,
                turn=transcript.error_turn,
                message=transcript.error,
                place=transcript.started.identity.path,
            )
        )
    # What checks said, with the turn that they judge; None for those on the whole conversation.
    groups = [(turn.index, turn.checks) for turn in transcript.turns]
    for turn, checks in [*groups, (None, transcript.checks)]:
        found.extend(
            Reason(
                status=check.status,
                turn=turn,
                message=check.message,
                place=check_place(check),
                check=check,
            )
            for check in checks
            if check.status is not Status.PASSED
        )
    return tuple(sorted(found, key=lambda reason: not reason.breaks_a_rule))


def foremost(found: Sequence[Reason], limit: int) -> tuple[Reason, ...]:
    """Return so many of the reasons, in their order: one of each turn before a second one of any."""
    firsts = sorted({reason.turn: place for place, reason in reversed([*enumerate(found)])}.values())
    others = (place for place in range(len(found)) if place not in firsts)
    return tuple(found[place] for place in sorted([*firsts, *others][:limit]))


def causes(transcripts: Iterable[Transcript]) -> tuple[Cause, ...]:
    """Return what went wrong in conversations, each thing once, the worst first.

    One expectation is one cause, whatever the replies were; so are errors in the same words, but for their
    numbers and the id of the conversation. A broken rule that must hold is worst, then what could not be
    measured, then what concerns most conversations.
    """
    found: dict[object, tuple[Reason, dict[str, None]]] = {}
    for transcript in transcripts:
        for reason in reasons(transcript):
            check = reason.check
            words = _NUMBER.sub("#", reason.message.replace(transcript.started.conversation_id, "#"))
            spot: object = (check.position, check_name(check)) if check else words
            _, ids = found.setdefault((reason.status, spot), (reason, {}))
            ids[transcript.started.conversation_id] = None
    ordered = sorted(
        found.values(),
        key=lambda each: (
            not each[0].breaks_a_rule,
            each[0].status is not Status.ERRORED,
            -len(each[1]),
        ),
    )
    return tuple(Cause(reason=reason, conversations=tuple(ids)) for reason, ids in ordered)


def turns_that_went_wrong(transcript: Transcript) -> tuple[TurnRecord, ...]:
    """Return the turns whose replies belong beside the reasons: all where a reason is about the whole."""
    wrong = {reason.turn for reason in reasons(transcript)}
    return tuple(
        turn for turn in transcript.turns if turn.exchanges and (turn.index in wrong or None in wrong)
    )


def expected_and_actual(check: CheckResult, limit: int = MAX_EXCERPT) -> Iterator[tuple[str, str]]:
    """Yield `expected` and `actual` of a check, as far as it has them, their values cut to short text."""
    for name, value in (("expected", check.expected), ("actual", check.actual)):
        if value is not None:
            yield name, truncate(value_text(value), limit)


def check_rows(checks: Iterable[CheckResult], depth: int = 0) -> Iterator[CheckRow]:
    """Yield checks and, after each that did not pass, the checks inside it, which explain it."""
    for check in checks:
        yield CheckRow(depth=depth, check=check)
        if check.status is not Status.PASSED:
            yield from check_rows(check.children, depth + 1)


def check_name(check: CheckResult) -> str:
    """Return what the user calls the check: its label, or else its kind."""
    return check.label or check.kind


def check_place(check: CheckResult) -> str:
    """Return where the expectation is written: `path:line`."""
    return f"{check.position.path}:{check.position.line}"


def turn_state(turns: Sequence[TurnRecord], turn: TurnRecord) -> str:
    """Return what became of a turn: `answered`, `scripted`, `no reply`, `left out` or `skipped`."""
    if turn.exchanges:
        return "answered"
    if not turn.sent:
        return "left out" if turn.left_out else "skipped"
    following = next((other.role for other in turns[turn.index + 1 :] if other.role != "system"), None)
    return "no reply" if turn.role == "user" and following != "assistant" else "scripted"
