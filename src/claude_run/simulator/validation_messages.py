"""The rules for the messages as a whole: roles, emptiness, tool calls and their results, system turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from claude_run.simulator.problems import invalid, refused
from claude_run.simulator.prompt import blocks_of
from claude_run.simulator.shapes import a_choice, a_list, an_object, only, required
from claude_run.simulator.validation_blocks import SERVER_RESULTS, check_content

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.scenario.model import JsonObject
    from claude_run.simulator.catalog import Model

MAX_MESSAGES = 100_000
_NO_PREFILL = (
    "This model does not support assistant message prefill. The conversation must end with a user message."
)


def check_messages(value: object, model: Model, *, thinks: bool) -> None:
    """Check the `messages` of a request; `thinks` says whether thinking is on, which rules prefill out."""
    items = a_list(value, "messages")
    if not items:
        raise invalid("messages", "at least one message is required")
    if len(items) > MAX_MESSAGES:
        raise invalid("messages", f"List should have at most {MAX_MESSAGES} items after validation")
    for index, item in enumerate(items):
        _check_message(item, index, last=index == len(items) - 1)
    messages = cast("Sequence[JsonObject]", items)
    if messages[0]["role"] != "user":
        raise invalid("messages", 'first message must use the "user" role')
    _check_system_turns(messages, model)
    _check_tool_calls(messages)
    _check_end(messages[-1], model, thinks=thinks)


def _check_message(value: object, index: int, *, last: bool) -> None:
    where = f"messages.{index}"
    message = an_object(value, where)
    role = a_choice(required(message, "role", where), f"{where}.role", of=("user", "assistant", "system"))
    content = required(message, "content", where)
    check_content(content, f"{where}.content", role=role)
    only(message, {"role", "content"}, where)
    if not content and not (last and role == "assistant"):
        what = "all messages must have non-empty content except for the optional final assistant message"
        raise invalid(where, what)


def _check_system_turns(messages: Sequence[JsonObject], model: Model) -> None:
    """Hold a system message to its place: after a user turn, and last or before an assistant turn."""
    for index, message in enumerate(messages):
        if message["role"] != "system":
            continue
        where = f"messages.{index}"
        if not model.system_turns:
            raise invalid(where, "role 'system' is not supported on this model")
        before, after = messages[index - 1], messages[index + 1 : index + 2]
        if before["role"] == "assistant" and not _ends_in_server_result(before):
            raise invalid(where, "a system message must follow a user message")
        if after and after[0]["role"] == "user":
            raise invalid(where, "a system message must be last or precede an assistant message")


def _check_tool_calls(messages: Sequence[JsonObject]) -> None:
    open_calls: list[str] = []
    for index, (_, blocks) in enumerate(_spoken(messages)):
        results = [str(block["tool_use_id"]) for block in blocks if block["type"] == "tool_result"]
        missing = [call for call in open_calls if call not in results]
        if missing:
            raise invalid(
                f"messages.{index}",
                "`tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block "
                "in the next message.",
            )
        _check_results(blocks, results, calls=open_calls, where=f"messages.{index}")
        open_calls = [str(block["id"]) for block in blocks if block["type"] == "tool_use"]
        if len(set(open_calls)) < len(open_calls):
            raise invalid(f"messages.{index}", "`tool_use` ids must be unique")


def _check_results(
    blocks: Sequence[JsonObject], results: Sequence[str], *, calls: Sequence[str], where: str
) -> None:
    stray = next((result for result in results if result not in calls), None)
    if stray is not None:
        raise invalid(
            f"{where}.content",
            f"unexpected `tool_use_id` found in `tool_result` blocks: {stray}. Each `tool_result` block must "
            "have a corresponding `tool_use` block in the previous message.",
        )
    if len(set(results)) < len(results):
        raise invalid(f"{where}.content", "each `tool_use` must have a single result")
    if any(block["type"] != "tool_result" for block in blocks[: len(results)]):
        raise invalid(f"{where}.content", "`tool_result` blocks must come first in the message")


def _spoken(messages: Sequence[JsonObject]) -> list[tuple[str, list[JsonObject]]]:
    """Return who said what, messages of one role in a row merged, system messages left out."""
    merged: list[tuple[str, list[JsonObject]]] = []
    for message in messages:
        role = str(message["role"])
        if role == "system":
            continue
        if not merged or merged[-1][0] != role:
            merged.append((role, []))
        merged[-1][1].extend(blocks_of(message["content"]))
    return merged


def _check_end(last: JsonObject, model: Model, *, thinks: bool) -> None:
    if last["role"] != "assistant" or _ends_in_server_tool(last):
        return
    if not model.prefill or thinks:
        raise refused(_NO_PREFILL)
    blocks = blocks_of(last["content"])
    if blocks and str(blocks[-1].get("text", "")).rstrip() != blocks[-1].get("text", ""):
        raise invalid("messages", "final assistant content cannot end with trailing whitespace")


def _ends_in_server_tool(message: JsonObject) -> bool:
    """Tell whether a turn was paused in server tools and may be resumed as it stands."""
    kinds = ("server_tool_use", *SERVER_RESULTS)
    return any(block["type"] in kinds for block in blocks_of(message["content"]))


def _ends_in_server_result(message: JsonObject) -> bool:
    blocks = blocks_of(message["content"])
    return bool(blocks) and blocks[-1]["type"] in SERVER_RESULTS
