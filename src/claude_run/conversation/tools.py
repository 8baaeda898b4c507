"""The calls of tools in a reply, and the scripted results that answer them. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard, cast

from claude_run.conversation.content import message_content

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from claude_run.conversation.script import TextRenderer
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.model import ToolResult, ToolResults

_OF_CLIENT = frozenset({"tool_use"})
# The types of tools that the API defines and the client runs, without their dates.
_CLIENT_TYPES = ("custom", "bash_", "text_editor_", "computer_", "browser_", "memory_")
_SHOWN = 300
_SHOWN_WHEN, _MOST_WHENS = 100, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call of a tool that the client runs: the API waits for its result under this id."""

    id: str
    name: str
    input: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What became of the calls of one reply.

    `results` are `tool_result` blocks in the order of the calls. `misfit` says which call no result fits;
    `unscripted` are the tools without any results.
    """

    results: tuple[JsonObject, ...] = ()
    misfit: str | None = None
    unscripted: tuple[ToolCall, ...] = ()


def tool_calls(content: Iterable[JsonObject], *, kinds: Container[str] = _OF_CLIENT) -> tuple[ToolCall, ...]:
    """Return the calls among the blocks of a reply: by default those that wait for a result of the client."""
    return tuple(
        ToolCall(
            id=str(block.get("id")),
            name=str(block.get("name")),
            input=cast("JsonObject", block.get("input") or {}),
        )
        for block in content
        if str(block["type"]) in kinds
    )


def is_server_tool(tool: JsonObject) -> bool:
    """Return whether the API runs this entry of `tools` itself."""
    return not str(tool.get("type") or "custom").startswith(_CLIENT_TYPES)


def described(call: ToolCall) -> str:
    """Return a call in words: its tool and its input, cut where it is long."""
    return f"{call.name} with {_cut(_as_text(call.input), _SHOWN)}"


def holds(whole: Json, part: Json) -> bool:
    """Return whether JSON holds all of `part`: objects may have more keys; lists are compared one to one.

    Numbers are equal by value, and true is no number.
    """
    if isinstance(part, Mapping):
        return isinstance(whole, Mapping) and all(
            key in whole and holds(whole[key], value) for key, value in part.items()
        )
    if _is_list(part):
        return _is_list(whole) and len(whole) == len(part) and all(map(holds, whole, part))
    if isinstance(whole, bool) or isinstance(part, bool):
        return whole is part
    return whole == part


def result_block(call_id: str, result: ToolResult, renderer: TextRenderer) -> dict[str, Json]:
    """Return the `tool_result` block that answers the call with this id."""
    if result.content is not None:
        content = message_content(result.content, renderer, {})
    else:
        value = renderer.fill_json(result.json)
        content = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    block: dict[str, Json] = {"type": "tool_result", "tool_use_id": call_id, "content": content}
    return {**block, "is_error": True} if result.is_error else block


class ToolAnswers:
    """Answers the calls of one conversation, reply after reply; what is used up answers no more."""

    def __init__(self, results: ToolResults, renderer: TextRenderer) -> None:
        self._results = results.by_tool
        self._renderer = renderer
        self._used: Counter[tuple[str, int]] = Counter()

    def answer(self, calls: Sequence[ToolCall]) -> Answered:
        """Answer the calls of the next reply; what the renderer raises where a text fails."""
        results: list[JsonObject] = []
        for call in calls:
            if call.name not in self._results:
                continue
            if (found := self._fitting(call)) is None:
                return Answered(misfit=f"the reply calls {described(call)}, and {self._why_not(call)}")
            results.append(result_block(call.id, found, self._renderer))
        unscripted = tuple(call for call in calls if call.name not in self._results)
        return Answered(results=tuple(results), unscripted=unscripted)

    def _why_not(self, call: ToolCall) -> str:
        """Return why no result answers a call, with what they would have answered."""
        if any(self._all_fitting(call)):
            return "all tool_results that fit are used up"
        whens = [_as_text(self._renderer.fill_json(result.when)) for result in self._results[call.name]]
        shown = " or ".join(_cut(each, _SHOWN_WHEN) for each in whens[:_MOST_WHENS])
        more = f" or {len(whens) - _MOST_WHENS} more" if len(whens) > _MOST_WHENS else ""
        return f"none of its tool_results fits: they want {shown}{more}"

    def _fitting(self, call: ToolCall) -> ToolResult | None:
        for number, result in self._all_fitting(call):
            if result.times is None or self._used[call.name, number] < result.times:
                self._used[call.name, number] += 1
                return result
        return None

    def _all_fitting(self, call: ToolCall) -> Iterator[tuple[int, ToolResult]]:
        for number, result in enumerate(self._results[call.name]):
            if holds(call.input, self._renderer.fill_json(result.when)):
                yield number, result


def _as_text(value: Json) -> str:
    # Half of a surrogate pair, which JSON can spell, could stand in no file of reports.
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + "…"


def _is_list(value: Json) -> TypeGuard[Sequence[Json]]:
    return isinstance(value, Sequence) and not isinstance(value, str)
