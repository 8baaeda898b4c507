"""Who may speak after whom in a script, and which turns get a reply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.scenario.fields import Reporter
    from claude_run.scenario.yaml_nodes import Entry, MappingNode

_OF_THE_REPLY = ("expect", "save", "example")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """A turn as written: the entry that says who speaks, the whole mapping, and its index in the script."""

    role: Entry
    node: MappingNode
    index: int


def check_order(report: Reporter, turns: Sequence[Spoken]) -> None:
    """Report turns that the API would refuse in this order, and replies that nobody gives.

    The rules are those of the Messages API (reference, 1.3 and 3.2): the first message is the user's, a
    system message follows a user's, and the last one is not the assistant's.
    """
    for before, turn in zip([None, *turns], turns, strict=False):
        _check_turn(report, turns, turn, before=before)
    if turns and turns[-1].role.key == "assistant":
        message = "the last turn is scripted: nothing would be generated after it"
        report.key(turns[-1].role, message, hint="end with a user turn; models refuse a prefilled reply")


def _check_turn(report: Reporter, turns: Sequence[Spoken], turn: Spoken, *, before: Spoken | None) -> None:
    role = turn.role.key
    if before is None:
        if role != "user":
            hint = "put it at the top, as `system:`" if role == "system" else "begin with a user turn"
            report.key(turn.role, "the first turn must be a user turn", hint=hint)
    elif role == "system" and before.role.key != "user":
        message = f"a system turn must follow a user turn, not {_article(before.role.key)} turn"
        report.key(turn.role, message, hint="move it behind the user turn whose reply it steers")
    elif role == "assistant" and _speaker_before(turns, turn.index) == "assistant":
        message = "two assistant turns follow each other"
        report.key(turn.role, message, hint="join them, or put a user turn between them")
    if role == "user" and _speaker_after(turns, turn.index) == "assistant":
        _check_unsent(report, turn)


def _check_unsent(report: Reporter, turn: Spoken) -> None:
    for entry in turn.node.entries:
        if entry.key in _OF_THE_REPLY:
            message = f"`{entry.key}` has no reply to speak of: a scripted assistant turn answers this one"
            report.key(entry, message, hint="remove it, or remove the assistant turn")


def _speaker_before(turns: Sequence[Spoken], index: int) -> str | None:
    return next((turn.role.key for turn in reversed(turns[:index]) if turn.role.key != "system"), None)


def _speaker_after(turns: Sequence[Spoken], index: int) -> str | None:
    return next((turn.role.key for turn in turns[index + 1 :] if turn.role.key != "system"), None)


def _article(role: str) -> str:
    return f"an {role}" if role == "assistant" else f"a {role}"
