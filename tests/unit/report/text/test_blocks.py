"""Message content in readable parts."""

from __future__ import annotations

import pytest

from claude_run.report.text.blocks import ContentPart, compact, content_parts, truncate, value_text
from claude_run.scenario.model import EMPTY, Json


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("hello", ContentPart(kind="text", body="hello")),
        ([{"type": "text", "text": "hello"}], ContentPart(kind="text", body="hello")),
        ([], ContentPart(kind="note", body="Empty: no content.")),
        (None, ContentPart(kind="note", body="Empty: no content.")),
        (
            [{"type": "thinking", "thinking": "", "signature": "s"}],
            ContentPart(kind="note", body="Thinking, whose text the API left out."),
        ),
        (
            [{"type": "thinking", "thinking": "Hm."}],
            ContentPart(kind="text", title="thinking", body="Hm."),
        ),
        (
            [{"type": "redacted_thinking", "data": "x" * 1234}],
            ContentPart(kind="note", body="Thinking, encrypted by the API: 1,234 characters."),
        ),
        (
            [{"type": "new", "a": [1]}],
            ContentPart(kind="json", title="new", body='{"type": "new", "a": [1]}'),
        ),
        (
            [{"type": "text", "text": 5}],
            ContentPart(kind="json", title="text", body='{"type": "text", "text": 5}'),
        ),
        (["odd"], ContentPart(kind="json", title="block", body='"odd"')),
    ],
)
def test_a_block_is_shown_by_its_type(content: Json, part: ContentPart) -> None:
    """Text is text, thinking without text is one line, and what is unknown is JSON."""
    assert content_parts(content) == (part,)


def test_data_is_shortened_to_its_size() -> None:
    """Base64 data gives way to its size and keeps its media type, long signatures to their length."""
    source: Json = {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}
    assert compact({"type": "image", "source": source}) == (
        '{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "(5 bytes)"}}'
    )
    assert compact({"signature": "x" * 2000}) == '{"signature": "(2,000 characters)"}'
    assert compact({"signature": "short", "data": "x"}) == '{"signature": "short", "data": "x"}'


def test_deep_values_are_cut() -> None:
    """JSON that is nested beyond reason is shown as far as it helps."""
    deep: Json = 1
    for number in range(900):
        deep = {"a": deep} if number % 2 else [deep]
    assert compact(deep).count("a") < 30
    assert "(nested too deep to show)" in compact(deep)


def test_values_beside_values() -> None:
    """A string is shown as it is, anything else as JSON, frozen mappings and raw surrogates included."""
    assert value_text("a\nb") == "a\nb"
    assert value_text(0.01) == "0.01"
    assert value_text(EMPTY) == "{}"
    assert value_text(["\ud800"]) == '["\ud800"]'


def test_long_text_is_cut_and_says_so() -> None:
    """What is cut off is counted."""
    assert truncate("abc", 3) == "abc"
    assert truncate("abcd" * 1000, 4) == "abcd… (3,996 more characters)"
