"""What turns and tool results say, filled in as the API takes it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.scenario.model import Text, TextBlock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from claude_run.conversation.script import TextRenderer
    from claude_run.scenario.model import Block, Content, Json


def message_content(content: Content, renderer: TextRenderer, saved: Mapping[str, str]) -> Json:
    """Return the `content` of a message: a text, or blocks."""
    if isinstance(content, Text):
        return renderer.render(content, saved)
    return [message_block(block, renderer, saved) for block in content]


def message_block(block: Block, renderer: TextRenderer, saved: Mapping[str, str]) -> dict[str, Json]:
    """Return one block of a message."""
    if isinstance(block, TextBlock):
        return {"type": "text", "text": renderer.render(block.text, saved), **block.extra}
    return dict(block.value)
