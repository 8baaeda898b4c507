"""A deterministic estimate of token counts: nobody's tokenizer, but always the same and never absurd.

The rule: text is one token per 4 bytes of UTF-8, rounded up; a message costs 4 more, any other part (a
tool, a system block, a content block) 3 more. Image data is one token per 512 bytes, at most 1,600;
document data one per 32 bytes. What is only named by URL or file id counts as 1,600. All else is
counted by its JSON text. An estimate is thus never above the bytes of the JSON, but for named files.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.scenario.json_values import Json, JsonObject

PER_MESSAGE = 4
PER_BLOCK = 3
NAMED_FILE = 1600
_BYTES_PER_TOKEN = 4
_IMAGE_BYTES_PER_TOKEN = 512
_IMAGE_MOST = 1600
_DOCUMENT_BYTES_PER_TOKEN = 32


def text_tokens(text: str) -> int:
    """Return the tokens of a text, 0 for none."""
    return -(-len(text.encode()) // _BYTES_PER_TOKEN)


def cut_to_tokens(text: str, tokens: int) -> str:
    """Return the longest beginning of the text that has at most so many tokens."""
    return text.encode()[: tokens * _BYTES_PER_TOKEN].decode(errors="ignore")


def json_tokens(value: Json) -> int:
    """Return the tokens of a JSON value, as text without spaces."""
    return text_tokens(json.dumps(value, separators=(",", ":"), ensure_ascii=False))


def block_tokens(block: JsonObject) -> int:
    """Return the tokens of one content block, `cache_control` apart."""
    kind = block.get("type")
    if kind == "text":
        return PER_BLOCK + text_tokens(cast("str", block["text"]))
    if kind in {"image", "document"}:
        return PER_BLOCK + _source_tokens(cast("JsonObject", block["source"]), image=kind == "image")
    if kind == "tool_result" and not isinstance(block.get("content"), str):
        parts = cast("Sequence[JsonObject]", block.get("content") or ())
        return PER_BLOCK + text_tokens(str(block["tool_use_id"])) + sum(map(block_tokens, parts))
    return PER_BLOCK + json_tokens({key: value for key, value in block.items() if key != "cache_control"})


def _source_tokens(source: JsonObject, *, image: bool) -> int:
    data: Any = source.get("data")
    if source["type"] == "base64":
        size = len(data) * 3 // 4
        if image:
            return min(_IMAGE_MOST, -(-size // _IMAGE_BYTES_PER_TOKEN))
        return -(-size // _DOCUMENT_BYTES_PER_TOKEN)
    if source["type"] == "text":
        return text_tokens(data)
    if source["type"] == "content":
        content: Any = source["content"]
        return text_tokens(content) if isinstance(content, str) else sum(map(block_tokens, content))
    return NAMED_FILE
