"""A conversation as data: the body of its first request, and the turns, results and patterns that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from claude_run.conversation.exchange import HEADER_PARAMS, header_value
from claude_run.report.export.conditions import Counts, Ended, Joined, Looks, Matches
from claude_run.report.export.program import answer_rows
from claude_run.report.export.script import Reading, Saved

if TYPE_CHECKING:
    from claude_run.report.export.conditions import Condition
    from claude_run.report.export.script import AskedTurn, Part, Script
    from claude_run.scenario.json_values import Json, JsonObject

SCHEMA_VERSION = 1


def export_json(script: Script) -> JsonObject:
    """Return the conversation as JSON.

    `request` can be posted as it stands: it is the first request, with all that is said before its reply.
    `turns` are all that get a reply, the first one too. A text that reads what was saved holds
    `{{ saved.name }}`, and its turn lists the name in `reads`; `saved` is what stands there at first. A turn
    is sent where its `if` holds of the last reply.
    """
    first = script.turns[0]
    headers = {**script.headers}
    body = dict(script.request)
    for name, header in HEADER_PARAMS.items():
        if name in body:
            headers[header] = header_value(body.pop(name))
    return {
        "schema_version": SCHEMA_VERSION,
        "conversation_id": script.name,
        "scenario": script.source,
        "path": "/v1/messages?beta=true" if script.is_beta else "/v1/messages",
        "headers": headers,
        "request": {**body, "messages": _messages(first)},
        "turns": [_turn(turn) for turn in script.turns],
        "saved": dict(script.defaults),
        "tool_results": _plain(answer_rows(script.answers)),
        "max_tool_rounds": script.max_rounds,
        "not_carried": script.not_carried,
    }


def _turn(turn: AskedTurn) -> JsonObject:
    reads = dict.fromkeys(_reads([message.content for message in turn.before]))
    reads |= dict.fromkeys(_reads([turn.content, *turn.instructions]))
    return {
        "turn": turn.number,
        "messages": _messages(turn),
        "if": [_condition(each) for each in turn.condition],
        "reads": [*reads],
        "save": {keep.name: keep.pattern for keep in turn.keeps},
    }


def _condition(condition: Condition) -> Json:
    """Return a condition in the words of a scenario, all of it filled in."""
    match condition:
        case Joined():
            parts = [_condition(part) for part in condition.parts]
            if condition.how == "none":
                return {"not": parts[0]}
            return {"any_of" if condition.how == "any" else "all_of": parts}
        case Looks():
            form = "all" if condition.every else "any"
            return {condition.relation: {form: condition.texts, "ignore_case": condition.fold}}
        case Matches():
            return {"matches": condition.pattern}
        case Counts():
            words = {("words", True): "min_words", ("words", False): "max_words"}
            return {words.get((condition.what, condition.at_least), "max_chars"): condition.number}
        case Ended():
            return {"stop_reason": condition.reasons}


def _messages(turn: AskedTurn) -> Sequence[Json]:
    before = [{"role": message.role, "content": _plain(message.content)} for message in turn.before]
    after = [{"role": "system", "content": _plain(each)} for each in turn.instructions]
    return [*before, {"role": "user", "content": _plain(turn.content)}, *after]


def _plain(part: Part) -> Json:
    if isinstance(part, Reading):
        return "".join(
            f"{{{{ saved.{piece.name} }}}}" if isinstance(piece, Saved) else piece for piece in part.pieces
        )
    if isinstance(part, Mapping):
        return {name: _plain(each) for name, each in part.items()}
    if isinstance(part, Sequence) and not isinstance(part, str):
        return [_plain(each) for each in part]
    return part


def _reads(part: Part) -> list[str]:
    if isinstance(part, Reading):
        return [piece.name for piece in part.pieces if isinstance(piece, Saved)]
    if isinstance(part, Mapping):
        return [name for each in part.values() for name in _reads(each)]
    if isinstance(part, Sequence) and not isinstance(part, str):
        return [name for each in part for name in _reads(each)]
    return []
