"""Content blocks as the API accepts them, by the role that says them (messages-api reference, 1.3)."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from claude_run.simulator.problems import invalid
from claude_run.simulator.shapes import (
    a_boolean,
    a_cache_control,
    a_choice,
    a_list,
    a_string,
    an_object,
    join,
    required,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from claude_run.scenario.model import JsonObject

SERVER_RESULTS = (
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
)
IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_BLANK = "text content blocks must contain non-whitespace text"
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
"""Which block types stand where."""


def check_block(value: object, where: str, *, role: str) -> None:
    """Check one content block of a message, of the system prompt, or of a tool result."""
    block = an_object(value, where)
    kind = required(block, "type", where)
    if not isinstance(kind, str) or kind not in BY_ROLE[role]:
        # API version 2026-10-21 refuses a document in an assistant message, as any other unknown tag.
        expected = ", ".join(f"'{tag}'" for tag in BY_ROLE[role])
        found = f"Input tag {kind!r} found using 'type' does not match any of the expected tags: {expected}"
        raise invalid(where, found)
    place = f"{where}.{kind}"
    if check := _CHECKS.get(kind):
        check(block, place)
    if kind == "text" and role == "user" and block.get("citations"):
        raise invalid(join(place, "citations"), "citations are not permitted on text blocks of user messages")
    _check_marker(block, place)


def _check_marker(block: JsonObject, where: str) -> None:
    if block.get("cache_control") is None:
        return
    if block["type"] in {"thinking", "redacted_thinking"}:
        raise invalid(join(where, "cache_control"), "Extra inputs are not permitted")
    a_cache_control(block["cache_control"], join(where, "cache_control"))


def _check_text(block: JsonObject, where: str) -> None:
    text = a_string(required(block, "text", where), join(where, "text"))
    if not text and block.get("cache_control") is not None:
        raise invalid(where, "cache_control cannot be set for empty text blocks")
    part = where.partition(".")[0]
    if not text:
        raise invalid(part, "text content blocks must be non-empty")
    if not text.strip():
        raise invalid(part, _BLANK)


def _check_image(block: JsonObject, where: str) -> None:
    _check_source(block, where, kinds=("base64", "url", "file"), media_types=IMAGE_TYPES)


def _check_document(block: JsonObject, where: str) -> None:
    kinds = ("base64", "text", "content", "url", "file")
    _check_source(block, where, kinds=kinds, media_types=("application/pdf",))


def _check_source(block: JsonObject, where: str, *, kinds: Sequence[str], media_types: Sequence[str]) -> None:
    where = join(where, "source")
    source = an_object(required(block, "source", where.removesuffix(".source")), where)
    kind = a_choice(required(source, "type", where), join(where, "type"), of=kinds)
    if kind == "base64":
        a_choice(required(source, "media_type", where), join(where, "media_type"), of=media_types)
        _check_base64(a_string(required(source, "data", where), join(where, "data")), where)
    elif kind == "text":
        a_choice(required(source, "media_type", where), join(where, "media_type"), of=("text/plain",))
        a_string(required(source, "data", where), join(where, "data"))
    elif kind == "content":
        check_content(required(source, "content", where), join(where, "content"), role="tool_result")
    else:
        field = "url" if kind == "url" else "file_id"
        a_string(required(source, field, where), join(where, field))


def _check_base64(data: str, where: str) -> None:
    try:
        decoded = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid(where, "The data is not valid base64") from error
    if not decoded:
        raise invalid(where, "The data is empty")


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


def _check_tool_use(block: JsonObject, where: str) -> None:
    for field in ("id", "name"):
        a_string(required(block, field, where), join(where, field))
    an_object(required(block, "input", where), join(where, "input"))


def _check_tool_result(block: JsonObject, where: str) -> None:
    a_string(required(block, "tool_use_id", where), join(where, "tool_use_id"))
    if block.get("content") is not None:
        check_content(block["content"], join(where, "content"), role="tool_result")
    if "is_error" in block:
        a_boolean(block["is_error"], join(where, "is_error"))


def _check_thinking(block: JsonObject, where: str) -> None:
    for field in ("thinking", "signature"):
        a_string(required(block, field, where), join(where, field))


def _check_redacted(block: JsonObject, where: str) -> None:
    a_string(required(block, "data", where), join(where, "data"))


def _check_search_result(block: JsonObject, where: str) -> None:
    for field in ("source", "title"):
        a_string(required(block, field, where), join(where, field))
    for index, part in enumerate(a_list(required(block, "content", where), join(where, "content"))):
        check_block(part, join(join(where, "content"), index), role="system")


_CHECKS: dict[str, Callable[[JsonObject, str], None]] = {
    "text": _check_text,
    "image": _check_image,
    "document": _check_document,
    "tool_use": _check_tool_use,
    "server_tool_use": _check_tool_use,
    "tool_result": _check_tool_result,
    "thinking": _check_thinking,
    "redacted_thinking": _check_redacted,
    "search_result": _check_search_result,
}
