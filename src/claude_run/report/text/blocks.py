"""Message content in parts that a person can read: text, compact JSON, or a note on what is not shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_run.scenario.model import Json, JsonObject

MAX_EXCERPT = 300
"""How many characters of a text are shown where nothing else is said."""

_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_MAX_DEPTH = 40
_OPAQUE = frozenset({"signature", "encrypted_content", "encrypted_index", "data"})
_MAX_OPAQUE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentPart:
    """One block of a message: `title` names it where it is not plain text, `body` is untrusted."""

    kind: Literal["text", "json", "note"]
    title: str = ""
    body: str


def content_parts(content: Json) -> tuple[ContentPart, ...]:
    """Return the parts of a message's `content` as the API spells it: a string, or a list of blocks."""
    if isinstance(content, str):
        return (ContentPart(kind="text", body=content),)
    blocks = content if isinstance(content, Sequence) else ()
    parts = tuple(part for block in blocks for part in _parts(block))
    return parts or (ContentPart(kind="note", body="Empty: no content."),)


def compact(value: Json) -> str:
    """Return a value as one line of JSON, base64 data and signatures shortened to their size."""
    return json.dumps(_shorten(value, _MAX_DEPTH), ensure_ascii=False)


def value_text(value: Json) -> str:
    """Return a value to show beside others: a string as it is, anything else as compact JSON."""
    return value if isinstance(value, str) else compact(value)


def truncate(text: str, limit: int = MAX_EXCERPT) -> str:
    """Return the text, cut after `limit` characters with a word on how much is missing."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit:,} more characters)"


def _parts(block: Json) -> Iterator[ContentPart]:
    if not isinstance(block, Mapping) or block.get("type") != "tool_result":
        yield _part(block)
        return
    # What a tool returned is content of its own.
    title = "tool result, an error" if block.get("is_error") else "tool result"
    for part in content_parts(block.get("content") or ""):
        yield replace(part, title=f"{title}: {part.title}" if part.title else title)


def _part(block: Json) -> ContentPart:
    kind = block.get("type") if isinstance(block, Mapping) else None
    if not isinstance(block, Mapping) or not isinstance(kind, str):
        return ContentPart(kind="json", title="block", body=compact(block))
    text = block.get("text")
    if kind == "text" and isinstance(text, str):
        return ContentPart(kind="text", body=text)
    if kind in {"thinking", "redacted_thinking"}:
        return _thinking(block)
    if kind in _CALLS:
        return ContentPart(
            kind="json", title=f"{kind}: {block.get('name')}", body=compact(block.get("input") or {})
        )
    return ContentPart(kind="json", title=kind, body=compact(block))


def _thinking(block: JsonObject) -> ContentPart:
    text = block.get("thinking")
    if isinstance(text, str) and text:
        return ContentPart(kind="text", title="thinking", body=text)
    if block["type"] == "thinking":
        return ContentPart(kind="note", body="Thinking, whose text the API left out.")
    size = len(str(block.get("data") or ""))
    return ContentPart(kind="note", body=f"Thinking, encrypted by the API: {size:,} characters.")


def _shorten(value: Json, depth: int) -> Json:
    if isinstance(value, Mapping):
        if not depth:
            return "(nested too deep to show)"
        return {name: _shorten(_field(name, item), depth - 1) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_shorten(item, depth - 1) for item in value] if depth else "(nested too deep to show)"
    return value


def _field(name: str, value: Json) -> Json:
    if name in _OPAQUE and isinstance(value, str) and len(value) > _MAX_OPAQUE:
        return f"({len(value):,} characters)"
    data = value.get("data") if isinstance(value, Mapping) and value.get("type") == "base64" else None
    if isinstance(value, Mapping) and isinstance(data, str):
        # Four characters of base64 are three bytes, less one for each `=` that fills up the end.
        size = len(data) * 3 // 4 - data[-2:].count("=")
        return {**value, "data": f"({size:,} bytes)"}
    return value
