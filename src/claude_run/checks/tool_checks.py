"""`calls_tool` and `no_tool_calls`: which tools a reply calls, and with what."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from claude_run.checks.arguments import describe, is_list, is_object, key_problems, slots, text_problems
from claude_run.checks.excerpt import as_json, cut, short
from claude_run.checks.json_check import nested_schema_problems
from claude_run.checks.json_schema import TooMuchWorkError, schema_errors
from claude_run.checks.kind import Check, Finding, errored, failed, passed
from claude_run.conversation.tools import ToolCall, described, holds, tool_calls
from claude_run.scenario.tools import CALLS_TOOL
from claude_run.scenario.vocabulary import Fill, Problem
from claude_run.text.strict_json import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from claude_run.checks.subject import Subject
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.vocabulary import ValuePath

# Those that the API answers itself are calls, too.
_KINDS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_KEYS = ("name", "input", "schema")
_HINT = "write a name, {name: get_order, input: {id: A-1}}, or a list of calls in this order"
_SHOWN = 5


def wanted_calls(value: Json) -> tuple[JsonObject, ...]:
    """Return the calls that a value of `calls_tool` asks for, in order, each with what it may name."""
    return tuple({"name": one} if isinstance(one, str) else cast("JsonObject", one) for one in _listed(value))


def fits(wanted: JsonObject, call: ToolCall) -> bool:
    """Return whether a call is one that is asked for; TooMuchWorkError where its schema cannot be judged."""
    return (
        wanted.get("name", call.name) == call.name
        and holds(call.input, wanted.get("input", {}))
        and ("schema" not in wanted or not _schema_reasons(wanted, call))
    )


def _schema_reasons(wanted: JsonObject, call: ToolCall) -> Sequence[str]:
    schema = cast("JsonObject", read_json(as_json(wanted["schema"])))
    return schema_errors(schema, call.input)


def _evaluate(value: Json, subject: Subject) -> Finding:
    wanted, calls = wanted_calls(value), tool_calls(subject.content, kinds=_KINDS)
    actual = short([{"name": call.name, "input": call.input} for call in calls])
    try:
        # In this order, and others may stand in between.
        rest = iter(calls)
        missing = next((one for one in wanted if not any(fits(one, call) for call in rest)), None)
        reasons = _closest(missing, calls) if missing is not None else ""
    except TooMuchWorkError as error:
        return errored(str(error), expected=short(value), actual=actual)
    if missing is None:
        order = " in this order" if len(wanted) > 1 else ""
        message = f"{subject.name} calls {', '.join(map(_worded, wanted))}{order}"
        return passed(message, expected=short(value), actual=actual)
    number = next(n for n, one in enumerate(wanted) if one is missing)
    behind = f" after {', '.join(map(_worded, wanted[:number]))}" if number else ""
    message = f"expected {subject.name} to call {_worded(missing)}{behind}; {reasons}"
    return failed(message, expected=short(value), actual=actual)


def _closest(wanted: JsonObject, calls: Sequence[ToolCall]) -> str:
    """Return what was called instead, and why it does not fit."""
    if not calls:
        return "it calls no tool"
    same = [call for call in calls if call.name == wanted.get("name", call.name)]
    if same and "schema" in wanted and holds(same[0].input, wanted.get("input", {})):
        reasons = _schema_reasons(wanted, same[0])
        if reasons:
            return f"it calls {described(same[0])}: {'; '.join(reasons)}"
    shown = "; ".join(map(described, (same or calls)[:_SHOWN]))
    more = len(same or calls) - _SHOWN
    return f"it calls {shown}" + (f" and {more} more" if more > 0 else "")


def _worded(wanted: JsonObject) -> str:
    text = str(wanted.get("name", "a tool"))
    if "input" in wanted:
        text += f" with {cut(as_json(wanted['input']))}"
    return text + (" with an input that fits the schema" if "schema" in wanted else "")


def _evaluate_none(value: Json, subject: Subject) -> Finding:
    calls = tool_calls(subject.content, kinds=_KINDS)
    if not calls:
        return passed(f"{subject.name} calls no tool", expected=value)
    shown = "; ".join(map(described, calls[:_SHOWN]))
    actual = short([{"name": call.name, "input": call.input} for call in calls])
    return failed(f"expected {subject.name} to call no tool; it calls {shown}", expected=value, actual=actual)


def _problems(value: Json) -> Sequence[Problem]:
    if is_list(value) and not value:
        return (Problem(path=(), message="the list is empty", hint=_HINT),)
    if is_list(value):
        return tuple(problem for n, one in enumerate(value) for problem in _call_problems(one, (n,)))
    return tuple(_call_problems(value, ()))


def _call_problems(value: Json, path: ValuePath) -> Iterator[Problem]:
    if not is_object(value):
        if isinstance(value, str):
            yield from text_problems(value, path)
        else:
            yield Problem(
                path=path, message=f"this must be the name of a tool, not {describe(value)}", hint=_HINT
            )
        return
    yield from key_problems(value, _KEYS, path=path)
    if "name" in value:
        yield from text_problems(value["name"], (*path, "name"))
    if "input" in value and not is_object(value["input"]) and not isinstance(value["input"], str):
        message = f"`input` must be an object, not {describe(value['input'])}"
        yield Problem(path=(*path, "input"), message=message, hint="write {id: A-1}")
    if "schema" in value:
        yield from nested_schema_problems(value["schema"], (*path, "schema"))


def _none_problems(value: Json) -> Sequence[Problem]:
    if value is True:
        return ()
    hint = "write `- no_tool_calls`"
    return (Problem(path=(), message=f"this must be true, not {describe(value)}", hint=hint),)


def _listed(value: Json) -> Sequence[Json]:
    return value if is_list(value) else (value,)


_CALL: JsonObject = {
    "anyOf": [
        {"type": "string", "minLength": 1, "description": "The name of the tool, whatever its input."},
        {
            "type": "object",
            "properties": {
                "name": {
                    "type": "string",
                    "minLength": 1,
                    "description": "The tool; any where left out.",
                    "examples": ["get_order"],
                },
                "input": {
                    "type": "object",
                    "description": "What the input must hold; it may hold more, at any depth.",
                    "examples": [{"id": "A-1"}],
                },
                "schema": {
                    "type": "object",
                    "description": "The JSON Schema that the input must fit.",
                    "examples": [{"required": ["id"]}],
                },
            },
            "additionalProperties": False,
        },
    ]
}

CHECKS = (
    Check(
        name=CALLS_TOOL,
        schema={
            "description": "The reply calls a tool: by name, with an input that holds a part or fits a JSON "
            "Schema; or calls of a list, in this order, with others in between or not.",
            "anyOf": [_CALL, {"type": "array", "minItems": 1, "items": _CALL}],
        },
        example={"name": "get_order", "input": {"id": "A-1"}},
        problems=_problems,
        evaluate=_evaluate,
        templates=lambda value: slots(value, Fill.VALUE),
        reads="reply",
    ),
    Check(
        name="no_tool_calls",
        schema={"const": True, "description": "The reply calls no tool. Written as a bare word."},
        example=True,
        problems=_none_problems,
        evaluate=_evaluate_none,
        reads="reply",
    ),
)
