"""The script: its turns, their order, and what they save."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.scenario import keys
from claude_run.scenario.content import content, text_of
from claude_run.scenario.expectations import expectations
from claude_run.scenario.fields import is_own, known, mapping, sequence, text, unknown_key, variables
from claude_run.scenario.model import AssistantTurn, Save, SystemTurn, Turn, UserTurn
from claude_run.scenario.patterns import PatternError, check_pattern
from claude_run.scenario.refused import Refusal
from claude_run.scenario.turn_order import Spoken, check_order

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from claude_run.scenario.reading import Reading
    from claude_run.scenario.yaml_nodes import Entry, Node

_KEYS = {"user": keys.USER_TURN, "assistant": keys.ASSISTANT_TURN, "system": keys.SYSTEM_TURN}
_HINT = "write `- user: ...`, `- assistant: ...` or `- system: ...`"


def turns(reading: Reading, entry: Entry) -> tuple[Turn, ...]:
    """Read the script; turns with problems are left out of the result."""
    nodes = sequence(reading.report, entry.value, what="`turns`", hint=_HINT) or ()
    spoken = [_spoken(reading, node, index=index) for index, node in enumerate(nodes)]
    whole = [turn for turn in spoken if turn is not None]
    if len(whole) == len(spoken):
        check_order(reading.report, whole)
    read = [_turn(reading, turn) for turn in whole]
    return tuple(turn for turn in read if turn is not None)


def _spoken(reading: Reading, node: Node, *, index: int) -> Spoken | None:
    whole = mapping(reading.report, node, what="a turn", hint=_HINT)
    if whole is None:
        return None
    roles = [entry for entry in whole.entries if entry.key in _KEYS]
    for extra in roles[1:]:
        message = f"a turn has one speaker: this one has `{roles[0].key}` already"
        reading.report.key(extra, message, hint=f"write `- {extra.key}: ...`, a turn of its own")
    if roles:
        return Spoken(role=roles[0], node=whole, index=index)
    first = next((entry for entry in whole.entries if not is_own(entry.key)), None)
    if first is None or first.key in keys.USER_TURN:
        reading.report.node(whole, "this turn has no speaker", hint=_HINT)
    else:
        unknown_key(reading.report, first, keys=tuple(_KEYS), what="a turn")
    return None


def _turn(reading: Reading, turn: Spoken) -> Turn | None:
    role = turn.role.key
    # A second speaker is reported already.
    allowed = [*_KEYS[role], *(key for key in _KEYS if key != role)]
    entries = known(
        reading.report, turn.node, keys=allowed, what=f"this {role} turn", refused=_misplaced(role)
    )
    position = turn.node.position
    if role == "user":
        return _user(reading, entries, turn)
    if role == "assistant":
        said = content(reading, turn.role, allowed="assistant", turn=turn.index)
        return AssistantTurn(content=said, position=position) if said else None
    said = content(reading, turn.role, allowed="text", turn=turn.index)
    return SystemTurn(content=said, position=position) if said else None


def _misplaced(role: str) -> Callable[[str], Refusal | None]:
    def refuse(key: str) -> Refusal | None:
        if role == "user" or key not in keys.USER_TURN:
            return None
        message = f"`{key}` belongs to a user turn: it speaks of the reply to it"
        return Refusal(message=message, hint="move it to the user turn")

    return refuse


def _user(reading: Reading, entries: Mapping[str, Entry], turn: Spoken) -> UserTurn | None:
    said = content(reading, turn.role, allowed="user", turn=turn.index)
    expect, example, save = (entries.get(key) for key in ("expect", "example", "save"))
    expected = (
        expectations(reading, expect, turn=turn.index, on_conversation=False) if expect is not None else ()
    )
    answer = text_of(reading, example, turn=turn.index) if example is not None else None
    saves = _saves(reading, save, turn=turn.index) if save is not None else ()
    if said is None:
        return None
    return UserTurn(content=said, expect=expected, example=answer, save=saves, position=turn.node.position)


def _saves(reading: Reading, entry: Entry, *, turn: int) -> tuple[Save, ...]:
    found = variables(reading.report, entry)
    for name, variable in found.items():
        if name in reading.saves:
            message = f"`{name}` is saved by turn {reading.saves[name] + 1} already"
            reading.report.key(variable, message, hint="choose another name")
        reading.saves.setdefault(name, turn)
    read = [_save(reading, variable) for variable in found.values()]
    return tuple(save for save in read if save is not None)


def _save(reading: Reading, entry: Entry) -> Save | None:
    pattern = text(reading.report, entry)
    if pattern is None:
        return None
    try:
        check_pattern(pattern)
    except PatternError as error:
        hint = "see the syntax of RE2; quote the pattern with '...'"
        reading.report.node(entry.value, f"this pattern is wrong: {error}", hint=hint)
        return None
    return Save(name=entry.key, pattern=pattern, position=entry.position)
