"""What turns and tool results say, filled in as the API takes it, and the files that it comes from. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from claude_run.scenario.model import Text, TextBlock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from claude_run.conversation.script import Conversation, TextRenderer
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.model import Block, Content

_DIGITS = 16


def message_content(content: Content, renderer: TextRenderer, saved: Mapping[str, str]) -> Json:
    """Return the `content` of a message: a text, or blocks."""
    if isinstance(content, Text):
        return renderer.render(content, saved)
    return [message_block(block, renderer, saved) for block in content]


def message_block(block: Block, renderer: TextRenderer, saved: Mapping[str, str]) -> dict[str, Json]:
    """Return one block of a message."""
    if isinstance(block, TextBlock):
        return {"type": "text", "text": renderer.render(block.text, saved), **block.extra}
    value: Json = block.value
    for path, text in block.texts:
        value = replaced(value, path, renderer.render(text, saved))
    return dict(cast("JsonObject", value))


def named_files(conversation: Conversation) -> dict[str, str]:
    """Return the paths of the files that its messages and tool results hold, by `file_digest` of a block."""
    contents = [turn.content for turn in conversation.turns]
    results = (each for found in conversation.tool_results.by_tool.values() for each in found)
    contents += [each.content for each in results if each.content is not None]
    blocks = (block for content in contents if isinstance(content, tuple) for block in content)
    return {
        digest: block.name
        for block in blocks
        if not isinstance(block, TextBlock)
        and block.name is not None
        and (digest := file_digest(block.value)) is not None
    }


def file_digest(block: JsonObject) -> str | None:
    """Return what stands for the file in an image, a document or a search result, as 16 hex digits.

    It is of the data alone, so that a block is known again whatever stands beside them. None where a block
    holds no file's content.
    """
    source, content = block.get("source"), block.get("content")
    data: Json = source.get("data") if isinstance(source, Mapping) else None
    if block.get("type") == "search_result" and isinstance(content, list | tuple) and len(content) == 1:
        data = content[0].get("text") if isinstance(content[0], Mapping) else None
    if not isinstance(data, str):
        return None
    return hashlib.sha256(data.encode(errors="surrogatepass")).hexdigest()[:_DIGITS]


def spoken(content: Json, *, most: int) -> str:
    """Return what a message says as one text, cut after `most` characters; other blocks by their type."""
    if isinstance(content, str):
        return content[:most]
    blocks = content if isinstance(content, list | tuple) else ()
    words = []
    for block in blocks:
        text = block.get("text") if isinstance(block, Mapping) else None
        kind = block.get("type") if isinstance(block, Mapping) else "block"
        words.append(text if isinstance(text, str) else f"[{kind}]")
    return "\n".join(words)[:most]


def file_names(content: Json, files: Mapping[str, str]) -> Iterator[str | None]:
    """Yield for each block of a message's content the path of its file, or None where it holds none."""
    for block in content if isinstance(content, list | tuple) else ():
        digest = file_digest(block) if files and isinstance(block, Mapping) else None
        yield None if digest is None else files.get(digest)


def replaced(value: Json, path: Sequence[str | int], text: Json) -> Json:
    """Return JSON with something else at a place; what lies beside the way to it is shared."""
    if not path:
        return text
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        items = list(cast("Sequence[Json]", value))
        items[step] = replaced(items[step], rest, text)
        return items
    fields = cast("JsonObject", value)
    return {**fields, step: replaced(fields[step], rest, text)}
