"""The calls that the simulator makes: those that a turn's `calls_tool` names, so that a script plays on.

A scenario says which tools a right reply calls, and what they answer; no other syntax is needed to try it out
without a key. What is not said of an input is made up from the tool's schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from claude_run.checks.json_schema import TooMuchWorkError
from claude_run.checks.tool_checks import fits, wanted_calls
from claude_run.conversation.script import generated_turns
from claude_run.conversation.tools import ToolCall, holds, is_server_tool
from claude_run.scenario.json_values import EMPTY
from claude_run.scenario.model import UserTurn
from claude_run.scenario.tools import CALLS_TOOL, OF_SERVER
from claude_run.simulator.made_up import simplest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from claude_run.conversation.script import Conversation, TextRenderer
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.model import Expectation

_TEXT = "simulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCalls:
    """The calls of one turn as blocks: those that are answered come first, the others end the turn.

    `waits` says whether some of the answered ones wait for results: the API answers its own at once.
    """

    answered: tuple[JsonObject, ...] = ()
    final: tuple[JsonObject, ...] = ()
    waits: bool = False


def planned_calls(
    conversation: Conversation, turn: int, renderer: TextRenderer, *, prefix: str
) -> PlannedCalls:
    """Return what the reply to a turn should call; `prefix` makes the ids of the calls unique.

    What is expected of the whole conversation is called in its last turn, but for what the turns call before.
    """
    offered = _Offered(conversation)
    answered: list[JsonObject] = []
    final: list[JsonObject] = []
    for number, wanted in enumerate(_wanted(conversation, turn, renderer, offered), 1):
        call = _made_up(conversation, wanted, offered, renderer)
        kind = offered.kind(call.name) if call is not None else None
        if call is None or kind is None:
            continue
        block: JsonObject = {"type": kind, "id": f"{prefix}_{number}", "name": call.name, "input": call.input}
        if kind == "tool_use":
            has_results = call.name in conversation.tool_results.by_tool
            (answered if has_results else final).append(block)
        else:
            answered += _run_by_the_api(block, offered)
    waits = any(block["type"] == "tool_use" for block in answered)
    return PlannedCalls(answered=tuple(answered), final=tuple(final), waits=waits)


class _Offered:
    """The tools of one conversation: which there are, and who runs them."""

    def __init__(self, conversation: Conversation) -> None:
        params = conversation.params
        self.tools = [tool for tool in _items(params.get("tools")) if isinstance(tool, Mapping)]
        self.servers = [each for each in _items(params.get("mcp_servers")) if isinstance(each, Mapping)]

    def kind(self, name: str) -> str | None:
        """Return the type of the block that calls a tool; None for a tool that there is not."""
        tool = self.named(name)
        if tool is not None:
            return "server_tool_use" if is_server_tool(tool) else "tool_use"
        if name in OF_SERVER and any(map(is_server_tool, self.tools)):
            return "server_tool_use"
        if self.servers:
            return "mcp_tool_use"
        # The members of a set of tools are known to the API alone.
        return "tool_use" if any("name" not in tool for tool in self.tools) else None

    def named(self, name: str) -> JsonObject | None:
        """Return the entry of a tool."""
        return next((tool for tool in self.tools if tool.get("name") == name), None)

    def has(self, wanted: JsonObject) -> bool:
        """Return whether a call could be made at all."""
        return "name" not in wanted or self.kind(str(wanted["name"])) is not None


def _run_by_the_api(block: JsonObject, offered: _Offered) -> Iterator[JsonObject]:
    """Yield a call of a tool that the API runs, and what it says of it."""
    if block["type"] == "mcp_tool_use":
        yield {**block, "server_name": str(offered.servers[0].get("name"))}
        content = [{"type": "text", "text": _TEXT}]
        yield {"type": "mcp_tool_result", "tool_use_id": block["id"], "is_error": False, "content": content}
        return
    yield block
    kind = "tool_search" if str(block["name"]).startswith("tool_search") else block["name"]
    yield {"type": f"{kind}_tool_result", "tool_use_id": block["id"], "content": []}


def _wanted(
    conversation: Conversation, turn: int, renderer: TextRenderer, offered: _Offered
) -> Iterator[JsonObject]:
    """Yield the calls that a turn should make, in their order; one call serves all that it fits."""
    generated = generated_turns(conversation.turns)
    planned: list[tuple[int, JsonObject]] = []
    for index in generated:
        said = conversation.turns[index]
        begin = len(planned)
        for calls in _named(said.expect, renderer, offered) if isinstance(said, UserTurn) else ():
            _plan(planned, calls, turn=index, begin=begin, first=begin)
    # The last turn is left to call what nobody has called before.
    begin = next((n for n, (index, _) in enumerate(planned) if index == generated[-1]), len(planned))
    for calls in _named(conversation.expect, renderer, offered):
        _plan(planned, calls, turn=generated[-1], begin=begin, first=0)
    for index, one in planned:
        if index == turn:
            yield one


def _plan(
    planned: list[tuple[int, JsonObject]], calls: Iterable[JsonObject], *, turn: int, begin: int, first: int
) -> None:
    """Make calls part of a plan, in their order: each is one of those from `first` on, or a new one.

    What the new ones may stand between are the calls of the turn, which begin at `begin`.
    """
    at = first
    for one in calls:
        found = next((n for n in range(at, len(planned)) if _goes_with(one, planned[n], turn)), None)
        if found is None:
            at = max(at, begin)
            planned.insert(at, (turn, one))
        else:
            at = found
            if not _is_said_by(one, planned[at][1]):
                planned[at] = (turn, one)
        at += 1


def _goes_with(one: JsonObject, planned: tuple[int, JsonObject], turn: int) -> bool:
    """Return whether one call can be both; that of another turn is left as it is."""
    index, other = planned
    return _is_said_by(one, other) or (index == turn and _is_said_by(other, one))


def _is_said_by(one: JsonObject, other: JsonObject) -> bool:
    """Return whether whoever makes the other call has made this one."""
    return (
        ("name" not in one or one["name"] == other.get("name"))
        and holds(other.get("input", {}), one.get("input", {}))
        and ("schema" not in one or one["schema"] == other.get("schema"))
    )


def _named(
    expectations: Iterable[Expectation], renderer: TextRenderer, offered: _Offered
) -> Iterator[Sequence[JsonObject]]:
    """Yield the lists of calls that must be made in order.

    Those inside of `not` must not, and of `any_of` the first is enough whose tools there are.
    """
    for expectation in expectations:
        if expectation.kind == CALLS_TOOL:
            yield wanted_calls(renderer.fill_json(expectation.value))
        elif expectation.kind == "all_of":
            yield from _named(expectation.children, renderer, offered)
        elif expectation.kind == "any_of":
            choices = [[*_named([child], renderer, offered)] for child in expectation.children]
            can = (each for each in choices if all(offered.has(one) for calls in each for one in calls))
            yield from next(can, ())


def _made_up(
    conversation: Conversation, wanted: JsonObject, offered: _Offered, renderer: TextRenderer
) -> ToolCall | None:
    """Return a call that fits what is wanted and that a result fits, if there is any; None without a tool."""
    name = wanted.get("name") or next((tool["name"] for tool in offered.tools if "name" in tool), None)
    if name is None:
        return None
    tool = offered.named(str(name)) or EMPTY
    least = _required(_both(tool.get("input_schema"), wanted.get("schema")))
    asked = cast("JsonObject", wanted.get("input", EMPTY))
    whens = [
        cast("JsonObject", renderer.fill_json(result.when))
        for result in conversation.tool_results.by_tool.get(str(name), ())
    ]
    # The first input that both what is expected and a result can do with.
    for when in (*whens, EMPTY):
        call = ToolCall(id="", name=str(name), input=_merged(_merged(least, when), asked))
        try:
            if holds(call.input, when) and fits(wanted, call):
                return call
        except TooMuchWorkError:
            continue
    return ToolCall(id="", name=str(name), input=_merged(least, asked))


def _required(schema: JsonObject) -> JsonObject:
    """Return the simplest object that has all that a schema requires, and nothing else."""
    parts = schema.get("properties")
    properties = parts if isinstance(parts, Mapping) else EMPTY
    required = (str(key) for key in _items(schema.get("required")))
    return {key: simplest(properties.get(key, True), _TEXT, root=schema) for key in required}


def _both(tools: Json, wanted: Json) -> JsonObject:
    """Return the schema of a tool narrowed to what is wanted of its input."""
    under, over = (schema if isinstance(schema, Mapping) else EMPTY for schema in (tools, wanted))
    both = _merged(under, over)
    for key, value in both.items():
        before, after = under.get(key), over.get(key)
        if key == "required":
            both[key] = list(dict.fromkeys([*_items(before), *_items(after)]))
        elif isinstance(before, Mapping) and isinstance(value, Mapping):
            both[key] = _both(before, after)
    return both


def _merged(under: JsonObject, over: JsonObject) -> dict[str, Json]:
    """Return both objects in one; where both have a value, objects are merged and others overruled."""
    merged = dict(under)
    for key, value in over.items():
        before = merged.get(key)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(before, value) if both else value  # type: ignore[arg-type] # both are objects
    return merged


def _items(value: Json) -> Sequence[Json]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()
