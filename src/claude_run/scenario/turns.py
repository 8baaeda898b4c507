"""The script: its turns, their order, and what they save."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from claude_run.scenario import keys
from claude_run.scenario.blocks import text_of
from claude_run.scenario.content import content
from claude_run.scenario.expectations import expectations
from claude_run.scenario.fields import is_own, known, mapping, sequence, text, unknown_key, variables
from claude_run.scenario.foreign_words import key_hint
from claude_run.scenario.model import AssistantTurn, Save, SystemTurn, Turn, UserTurn, turn_number
from claude_run.scenario.patterns import PatternError, check_pattern
from claude_run.scenario.template_language import is_template
from claude_run.scenario.vocabulary import Refusal
from claude_run.scenario.yaml_tree import ScalarNode, to_looked_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from claude_run.scenario.fields import ReadContext, Reporter
    from claude_run.scenario.model import Expectation
    from claude_run.scenario.yaml_tree import Entry, MappingNode, Node

_KEYS = {"user": keys.USER_TURN, "assistant": keys.ASSISTANT_TURN, "system": keys.SYSTEM_TURN}
_HINT = "write `- user: ...`, `- assistant: ...` or `- system: ...`"
_ARTICLES = {"user": "a", "assistant": "an", "system": "a"}
_OF_THE_REPLY = ("expect", "save", "example")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spoken:
    """A turn as written: the entry that says who speaks, the whole mapping, and its index in the script."""

    role: Entry
    node: MappingNode
    index: int


def turns(context: ReadContext, entry: Entry) -> tuple[Turn, ...]:
    """Read the script; turns with problems are left out of the result."""
    nodes = sequence(context.report, entry.value, what="`turns`", hint=_HINT) or ()
    spoken = [_spoken(context, node, index=index) for index, node in enumerate(nodes)]
    whole = [turn for turn in spoken if turn is not None]
    if len(whole) == len(spoken):
        _check_order(context.report, whole)
        _check_conditions(context.report, whole)
    read = [_turn(context, turn) for turn in whole]
    return tuple(turn for turn in read if turn is not None)


def _spoken(context: ReadContext, node: Node, *, index: int) -> _Spoken | None:
    whole = mapping(context.report, node, what="a turn", hint=_HINT)
    if whole is None:
        return None
    roles = [entry for entry in whole.entries if entry.key in _KEYS]
    for extra in roles[1:]:
        message = f"a turn has one speaker: this one has `{roles[0].key}` already"
        context.report.key(extra, message, hint=f"write `- {extra.key}: ...`, a turn of its own")
    if roles:
        return _Spoken(role=roles[0], node=whole, index=index)
    first = next((entry for entry in whole.entries if not is_own(entry.key)), None)
    if first is None or first.key in keys.USER_TURN:
        context.report.node(whole, "this turn has no speaker", hint=_HINT)
    elif hint := key_hint(first.key, turn=True):
        context.report.key(first, f"unknown key `{first.key}` in a turn", hint=hint)
    else:
        unknown_key(context.report, first, keys=tuple(_KEYS), what="a turn")
    return None


def _turn(context: ReadContext, turn: _Spoken) -> Turn | None:
    role = turn.role.key
    # A second speaker is reported already.
    allowed = [*_KEYS[role], *(key for key in _KEYS if key != role)]
    entries = known(
        context.report, turn.node, keys=allowed, what=f"this {role} turn", refused=partial(_misplaced, role)
    )
    position = turn.node.position
    if role == "user":
        return _user(context, entries, turn)
    if role == "assistant":
        said = content(context, turn.role, allowed="assistant", turn=turn.index)
        return AssistantTurn(content=said, position=position) if said else None
    said = content(context, turn.role, allowed="text", turn=turn.index)
    return SystemTurn(content=said, position=position) if said else None


def _misplaced(role: str, key: str) -> Refusal | None:
    if role == "user" or key not in keys.USER_TURN:
        hint = key_hint(key, turn=True)
        return Refusal(message=f"unknown key `{key}` in this {role} turn", hint=hint) if hint else None
    message = f"`{key}` belongs to a user turn: it speaks of the reply to it"
    return Refusal(message=message, hint="move it to the user turn")


def _user(context: ReadContext, entries: Mapping[str, Entry], turn: _Spoken) -> UserTurn | None:
    said = content(context, turn.role, allowed="user", turn=turn.index)
    expect, example, save = (entries.get(key) for key in ("expect", "example", "save"))
    expected = expectations(context, expect, turn=turn.index, place="turn") if expect is not None else ()
    answer = text_of(context, example, turn=turn.index) if example is not None else None
    saves = _saves(context, save, turn=turn.index) if save is not None else ()
    condition: tuple[Expectation, ...] = ()
    if "if" in entries:
        condition = expectations(context, entries["if"], turn=turn.index, place="condition")
        why = f"turn {turn_number(turn.index)}, which saves it, has an `if`"
        context.unsure.update((each.name, why) for each in saves)
        if any(each.must for each in condition):
            message = "`must` says nothing in an `if`, which decides and judges nothing"
            context.report.key(entries["if"], message, hint="remove `must`")
    if said is None:
        return None
    return UserTurn(
        content=said,
        expect=expected,
        example=answer,
        save=saves,
        condition=condition,
        position=turn.node.position,
    )


def _saves(context: ReadContext, entry: Entry, *, turn: int) -> tuple[Save, ...]:
    saves: list[Save] = []
    for name, variable in variables(context.report, entry).items():
        if name in context.saves:
            message = f"`{name}` is saved by turn {context.saves[name] + 1} already"
            context.report.key(variable, message, hint="choose another name")
        context.saves.setdefault(name, turn)
        if text(context.report, variable) is None:
            continue
        pattern = str(to_looked_for(variable.value))
        if isinstance(variable.value, ScalarNode):
            context.template(pattern, variable.value, turn=turn)
        try:
            # What a template becomes is known only when it is filled in, and is looked at then.
            if not is_template(pattern):
                check_pattern(pattern)
        except PatternError as error:
            hint = "see the syntax of RE2; quote the pattern with '...'"
            context.report.node(variable.value, f"this pattern is wrong: {error}", hint=hint)
            continue
        saves.append(Save(name=name, pattern=pattern, position=variable.position))
    return tuple(saves)


def _check_order(report: Reporter, turns: Sequence[_Spoken]) -> None:
    """Report turns that the API would refuse in this order, and replies that nobody gives.

    The rules are those of the Messages API (reference, 1.3 and 3.2): the first message is the user's, a
    system message follows a user's, and the last one is not the assistant's.
    """
    before: str | None = None
    speaker: str | None = None  # of the last turn that is not a system turn
    for turn, answer in zip(turns, _next_speakers(turns), strict=True):
        role = turn.role.key
        if before is None:
            if role != "user":
                hint = "put it at the top, as `system:`" if role == "system" else "begin with a user turn"
                report.key(turn.role, "the first turn must be a user turn", hint=hint)
        elif role == "system" and before != "user":
            message = f"a system turn must follow a user turn, not {_ARTICLES[before]} {before} turn"
            report.key(turn.role, message, hint="move it behind the user turn whose reply it steers")
        elif role == "assistant" and speaker == "assistant":
            message = "two assistant turns follow each other"
            report.key(turn.role, message, hint="join them, or put a user turn between them")

        # A user turn that a scripted turn answers is not sent by itself, so that it gets no reply.
        if role == "user" and answer == "assistant":
            for entry in turn.node.entries:
                if entry.key in _OF_THE_REPLY:
                    what = "a scripted assistant turn answers this one"
                    message = f"`{entry.key}` has no reply to speak of: {what}"
                    report.key(entry, message, hint="remove it, or remove the assistant turn")
        before = role
        speaker = speaker if role == "system" else role
    if before == "assistant":
        message = "the last turn is scripted: nothing would be generated after it"
        report.key(turns[-1].role, message, hint="end with a user turn; models refuse a prefilled reply")


def _check_conditions(report: Reporter, turns: Sequence[_Spoken]) -> None:
    """Report each `if` that has no reply before it to look at, or whose turn is not sent by itself."""
    is_answered = False
    for turn, answer in zip(turns, _next_speakers(turns), strict=True):
        if turn.role.key != "user":
            continue
        condition = turn.node.get("if")
        if condition is not None and answer == "assistant":
            hint = "remove it, or remove the assistant turn"
            report.key(
                condition, "`if` decides nothing: a scripted assistant turn answers this one", hint=hint
            )
        elif condition is not None and not is_answered:
            message = "`if` has no reply to look at: nothing is generated before this turn"
            report.key(condition, message, hint="remove it: this turn is always sent")
        is_answered = is_answered or answer != "assistant"


def _next_speakers(turns: Sequence[_Spoken]) -> Sequence[str | None]:
    """Return for each turn who speaks after it, system turns apart."""
    speakers: list[str | None] = []
    following: str | None = None
    for turn in reversed(turns):
        speakers.append(following)
        following = following if turn.role.key == "system" else turn.role.key
    return speakers[::-1]
