"""Blocks filled in, and the files that they come from."""

from __future__ import annotations

from typing import Any

import pytest

from claude_run.conversation.content import file_digest, file_names, message_block, named_files, spoken
from claude_run.scenario.model import JsonBlock, TextBlock, ToolResult, ToolResults
from tests.support.media import block, png
from tests.unit.conversation.builders import PlainRenderer, at, script, text, user


def test_the_texts_of_a_block_are_filled_in_and_the_rest_is_shared() -> None:
    """At every depth; the scenario's own value stays as it was written."""
    title, said = text("{{ saved.who }}"), text("{{ saved.who }}!")
    content: list[Any] = [{"type": "text", "text": said.source}]
    written: dict[str, Any] = {"type": "search_result", "title": title.source, "content": content}
    texts = ((("title",), title), (("content", 0, "text"), said))
    found = JsonBlock(value=written, texts=texts)
    assert message_block(found, PlainRenderer(), {"who": "Ann"}) == {
        "type": "search_result",
        "title": "Ann",
        "content": [{"type": "text", "text": "Ann!"}],
    }
    assert content == [{"type": "text", "text": said.source}]


def test_a_file_is_known_again_by_its_content() -> None:
    """Whatever stands beside it; text blocks and what lies elsewhere hold no file."""
    photo = block(png())
    assert file_digest(photo) == file_digest({**photo, "title": "other"})
    assert file_digest({"type": "document", "source": {"type": "url", "url": "https://a"}}) is None
    assert file_digest({"type": "image"}) is None
    page: dict[str, Any] = {
        "type": "search_result",
        "source": "s",
        "content": [{"type": "text", "text": "a"}],
    }
    assert file_digest(page) is not None
    assert file_digest({**page, "content": [*page["content"], *page["content"]]}) is None
    assert file_digest({**page, "content": ["odd"]}) is None


def test_the_names_of_files_come_from_turns_and_results() -> None:
    """Each block that was read from a file is named; one that holds other bytes is not."""
    photo = JsonBlock(value=block(png()), name="a.png")
    other = JsonBlock(value=block(png(2, 2)), name="b.png")
    unnamed = JsonBlock(value=block(png(3, 3)))
    returned = ToolResult(content=(other,), position=at())
    played = script(
        user((TextBlock(text=text("Hi")), photo, unnamed)),
        user("no blocks"),
        tool_results=ToolResults(by_tool={"look": (returned, ToolResult(json=1, position=at()))}),
    )
    files = named_files(played)
    assert sorted(files.values()) == ["a.png", "b.png"]
    sent = [{"type": "text", "text": "Hi"}, photo.value, unnamed.value, other.value]
    assert list(file_names(sent, files)) == [None, "a.png", None, "b.png"]
    assert list(file_names("Hi", files)) == []
    assert list(file_names(sent, {})) == [None] * 4


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("May I?", "May I?"),
        (
            [{"type": "text", "text": "One."}, {"type": "image", "source": {}}, "odd"],
            "One.\n[image]\n[block]",
        ),
        (None, ""),
        ("x" * 50, "x" * 40),
    ],
)
def test_what_a_message_says_is_one_text(content: Any, said: str) -> None:
    """Other blocks are named by their type, and a long text is cut."""
    assert spoken(content, most=40) == said
