"""Message content in parts that a person can read: text, compact JSON, or a note on what is not shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from claude_run.scenario.model import Json

MAX_EXCERPT = 300
"""How many characters of a text are shown where nothing else is said."""

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
    return tuple(_part(block) for block in blocks) or (ContentPart(kind="note", body="Empty: no content."),)


def compact(value: Json) -> str:
    """Return a value as one line of JSON, base64 data and signatures shortened to their size."""
    return json.dumps(_shorten(value, _MAX_DEPTH), ensure_ascii=False)


def value_text(value: Json) -> str:
    """Return a value to show beside others: a string as it is, anything else as compact JSON."""
    return value if isinstance(value, str) else compact(value)


def truncate(text: str, limit: int = MAX_EXCERPT) -> str:
    """Return the text, cut after `limit` characters with a word on how much is missing."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit:,} more characters)"


def _part(block: Json) -> ContentPart:
    kind = block.get("type") if isinstance(block, Mapping) else None
    if not isinstance(block, Mapping) or not isinstance(kind, str):
        return ContentPart(kind="json", title="block", body=compact(block))
    text = block.get("text")
    if kind == "text" and isinstance(text, str):
        return ContentPart(kind="text", body=text)
    thinking = block.get("thinking")
    if kind == "thinking" and isinstance(thinking, str) and thinking:
        return ContentPart(kind="text", title="thinking", body=thinking)
    if kind == "thinking":
        return ContentPart(kind="note", body="Thinking, whose text the API left out.")
    if kind == "redacted_thinking":
        size = len(str(block.get("data") or ""))
        return ContentPart(kind="note", body=f"Thinking, encrypted by the API: {size:,} characters.")
    return ContentPart(kind="json", title=kind, body=compact(block))


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
