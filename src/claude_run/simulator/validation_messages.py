"""The rules for messages: the content blocks of each role, and the order of roles, tool calls and results."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, cast

from claude_run.scenario.media import (
    LONG_CONTEXT,
    MANY_IMAGES,
    MAX_MEDIA,
    MAX_MEDIA_SHORT,
    excess,
    media_in,
    media_of,
)
from claude_run.simulator.problems import (
    a_boolean,
    a_cache_control,
    a_choice,
    a_list,
    a_string,
    an_object,
    invalid,
    join,
    only,
    refused,
    required,
)
from claude_run.simulator.prompt import blocks_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.scenario.json_values import JsonObject
    from claude_run.simulator.catalog import Model

MAX_MESSAGES = 100_000
SERVER_RESULTS = (
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
)
UNKNOWN_BLOCK = "simulated_block"
"""The type that stands for all that a newer API may send, and takes back: no client knows it."""

# Replies under the header of a beta hold these, and they are sent back as they came.
_OF_BETAS = (
    "mcp_tool_use",
    "mcp_tool_result",
    "mcp_tool_listing",
    "advisor_tool_result",
    "compaction",
    "fallback",
    UNKNOWN_BLOCK,
)
IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
BY_ROLE = {
    "user": (
        "text",
        "image",
        "document",
        "search_result",
        "tool_result",
        "container_upload",
        *SERVER_RESULTS,
    ),
    "assistant": (
        "text",
        "thinking",
        "redacted_thinking",
        "tool_use",
        "server_tool_use",
        "container_upload",
        *SERVER_RESULTS,
    ),
    "system": ("text",),
    "tool_result": ("text", "image", "document", "search_result", "tool_reference"),
}
"""Which block types stand where (messages-api reference, 1.3)."""

_STRINGS = {
    "text": ("text",),
    "tool_use": ("id", "name"),
    "server_tool_use": ("id", "name"),
    "mcp_tool_use": ("id", "name", "server_name"),
    "mcp_tool_result": ("tool_use_id",),
    "tool_result": ("tool_use_id",),
    "thinking": ("thinking", "signature"),
    "redacted_thinking": ("data",),
    "search_result": ("source", "title"),
}
"""The fields of a block that must be there, and strings."""

_BLANK = "text content blocks must contain non-whitespace text"
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
    _check_media(messages, model)
    if messages[0]["role"] != "user":
        raise invalid("messages", 'first message must use the "user" role')
    _check_system_turns(messages, model)
    _check_tool_calls(messages)
    _check_end(messages[-1], model, thinks=thinks)


def check_block(value: object, where: str, *, role: str) -> None:
    """Check one content block of a message, of the system prompt, or of a tool result."""
    block = an_object(value, where)
    kind = required(block, "type", where)
    taken = (*BY_ROLE[role], *_OF_BETAS) if role == "assistant" else BY_ROLE[role]
    if not isinstance(kind, str) or kind not in taken:
        # API version 2026-10-21 refuses a document in an assistant message, as any other unknown tag.
        expected = ", ".join(f"'{tag}'" for tag in BY_ROLE[role])
        found = f"Input tag {kind!r} found using 'type' does not match any of the expected tags: {expected}"
        raise invalid(where, found)
    place = f"{where}.{kind}"
    _check_fields(block, kind, place)
    if kind == "text" and role == "user" and block.get("citations"):
        raise invalid(join(place, "citations"), "citations are not permitted on text blocks of user messages")
    if block.get("cache_control") is not None:
        if kind in {"thinking", "redacted_thinking"}:
            raise invalid(join(place, "cache_control"), "Extra inputs are not permitted")
        a_cache_control(block["cache_control"], join(place, "cache_control"))


def check_content(content: object, where: str, *, role: str) -> None:
    """Check content that is a string or a list of blocks."""
    if isinstance(content, str):
        if content and not content.strip():
            raise invalid(where.partition(".")[0], _BLANK)
        return
    if not isinstance(content, list):
        raise invalid(where, "Input should be a valid string or a valid list")
    for index, block in enumerate(content):
        check_block(block, join(where, index), role=role)


def _check_fields(block: JsonObject, kind: str, where: str) -> None:
    """Check what a block of this type must have; types that are not named here are not looked into."""
    for field in _STRINGS.get(kind, ()):
        a_string(required(block, field, where), join(where, field))
    match kind:
        case "text":
            _check_text(block, where)
        case "image" | "document":
            _check_source(block, where, image=kind == "image")
        case "tool_use" | "server_tool_use" | "mcp_tool_use":
            an_object(required(block, "input", where), join(where, "input"))
        case "tool_result":
            if block.get("content") is not None:
                check_content(block["content"], join(where, "content"), role="tool_result")
            if "is_error" in block:
                a_boolean(block["is_error"], join(where, "is_error"))
        case "search_result":
            place = join(where, "content")
            for index, part in enumerate(a_list(required(block, "content", where), place)):
                check_block(part, join(place, index), role="system")


def _check_text(block: JsonObject, where: str) -> None:
    text = str(block["text"])
    if not text and block.get("cache_control") is not None:
        raise invalid(where, "cache_control cannot be set for empty text blocks")
    # The API names only the field of the request here, not the block.
    part = where.partition(".")[0]
    if not text:
        raise invalid(part, "text content blocks must be non-empty")
    if not text.strip():
        raise invalid(part, _BLANK)


def _check_source(block: JsonObject, where: str, *, image: bool) -> None:
    place = join(where, "source")
    source = an_object(required(block, "source", where), place)
    kinds = ("base64", "url", "file") if image else ("base64", "text", "content", "url", "file")
    kind = a_choice(required(source, "type", place), join(place, "type"), of=kinds)
    # Data in the request is looked at; what is only named, by URL or file id, cannot be.
    if kind == "base64":
        media_types = IMAGE_TYPES if image else ("application/pdf",)
        a_choice(required(source, "media_type", place), join(place, "media_type"), of=media_types)
        data = a_string(required(source, "data", place), join(place, "data"))
        try:
            decoded = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError) as error:
            raise invalid(place, "The data is not valid base64") from error
        if not decoded:
            raise invalid(place, "The data is empty")
        if (found := media_of(block)) is not None and (problem := excess(found)) is not None:
            raise invalid(f"{place}.base64", problem.api)
    elif kind == "text":
        a_choice(required(source, "media_type", place), join(place, "media_type"), of=("text/plain",))
        a_string(required(source, "data", place), join(place, "data"))
    elif kind == "content":
        check_content(required(source, "content", place), join(place, "content"), role="tool_result")
    else:
        field = "url" if kind == "url" else "file_id"
        a_string(required(source, field, place), join(place, field))


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


def _check_media(messages: Sequence[JsonObject], model: Model) -> None:
    """Hold all images and PDFs of a request together to what the API takes of them."""
    media = [found for message in messages for found in media_in(message["content"])]
    images = sum(each.is_image for each in media)
    pages = sum(each.pages or 0 for each in media)
    most = MAX_MEDIA if model.context >= LONG_CONTEXT else MAX_MEDIA_SHORT
    if images + pages > most:
        raise refused(f"Too much media: {pages} document pages + {images} images > {most}")
    if images > MANY_IMAGES:
        for each in media:
            if (problem := excess(each, of_many=True)) is not None:
                raise invalid("messages", problem.api)


def _check_system_turns(messages: Sequence[JsonObject], model: Model) -> None:
    """Hold a system message to its place: after a user turn, and last or before an assistant turn."""
    for index, message in enumerate(messages):
        if message["role"] != "system":
            continue
        where = f"messages.{index}"
        if not model.system_turns:
            raise invalid(where, "role 'system' is not supported on this model")
        before, after = messages[index - 1], messages[index + 1 : index + 2]
        blocks = blocks_of(before["content"])
        ends_in_result = bool(blocks) and blocks[-1]["type"] in SERVER_RESULTS
        if before["role"] == "assistant" and not ends_in_result:
            raise invalid(where, "a system message must follow a user message")
        if after and after[0]["role"] == "user":
            raise invalid(where, "a system message must be last or precede an assistant message")


def _check_tool_calls(messages: Sequence[JsonObject]) -> None:
    """Hold every tool call to its one result: at the beginning of the message after it."""
    open_calls: list[str] = []
    for index, (_, blocks) in enumerate(_spoken(messages)):
        where = f"messages.{index}"
        # The calls of the message before need a result each.
        results = [str(block["tool_use_id"]) for block in blocks if block["type"] == "tool_result"]
        missing = [call for call in open_calls if call not in results]
        if missing:
            raise invalid(
                where,
                "`tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block "
                "in the next message.",
            )
        # The results of this message need a call each, and come before all else.
        stray = next((result for result in results if result not in open_calls), None)
        if stray is not None:
            raise invalid(
                f"{where}.content",
                f"unexpected `tool_use_id` found in `tool_result` blocks: {stray}. Each `tool_result` block "
                "must have a corresponding `tool_use` block in the previous message.",
            )
        if len(set(results)) < len(results):
            raise invalid(f"{where}.content", "each `tool_use` must have a single result")
        if any(block["type"] != "tool_result" for block in blocks[: len(results)]):
            raise invalid(f"{where}.content", "`tool_result` blocks must come first in the message")
        # What this message calls is open for the next one.
        open_calls = [str(block["id"]) for block in blocks if block["type"] == "tool_use"]
        if len(set(open_calls)) < len(open_calls):
            raise invalid(where, "`tool_use` ids must be unique")


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
    # A turn that was paused in server tools may be resumed as it stands.
    paused = ("server_tool_use", "mcp_tool_use", "mcp_tool_result", *SERVER_RESULTS)
    blocks = blocks_of(last["content"])
    if last["role"] != "assistant" or any(block["type"] in paused for block in blocks):
        return
    if not model.prefill or thinks:
        raise refused(_NO_PREFILL)
    if blocks and str(blocks[-1].get("text", "")).rstrip() != blocks[-1].get("text", ""):
        raise invalid("messages", "final assistant content cannot end with trailing whitespace")
