"""Message content in readable parts."""

from __future__ import annotations

import pytest

from claude_run.report.text.blocks import Part, compact, excerpt, parts, words
from claude_run.scenario.model import EMPTY, Json


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("hello", Part(kind="text", body="hello")),
        ([{"type": "text", "text": "hello"}], Part(kind="text", body="hello")),
        ([], Part(kind="note", body="Empty: no content.")),
        (None, Part(kind="note", body="Empty: no content.")),
        (
            [{"type": "thinking", "thinking": "", "signature": "s"}],
            Part(kind="note", body="Thinking, whose text the API left out."),
        ),
        (
            [{"type": "thinking", "thinking": "Hm."}],
            Part(kind="text", title="thinking", body="Hm."),
        ),
        (
            [{"type": "redacted_thinking", "data": "x" * 1234}],
            Part(kind="note", body="Thinking, encrypted by the API: 1,234 characters."),
        ),
        ([{"type": "new", "a": [1]}], Part(kind="json", title="new", body='{"type": "new", "a": [1]}')),
        ([{"type": "text", "text": 5}], Part(kind="json", title="text", body='{"type": "text", "text": 5}')),
        (["odd"], Part(kind="json", title="block", body='"odd"')),
    ],
)
def test_a_block_is_shown_by_its_type(content: Json, part: Part) -> None:
    """Text is text, thinking without text is one line, and what is unknown is JSON."""
    assert parts(content) == (part,)


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
    assert words("a\nb") == "a\nb"
    assert words(0.01) == "0.01"
    assert words(EMPTY) == "{}"
    assert words(["\ud800"]) == '["\ud800"]'


def test_long_text_is_cut_and_says_so() -> None:
    """What is cut off is counted."""
    assert excerpt("abc", 3) == "abc"
    assert excerpt("abcd" * 1000, 4) == "abcd… (3,996 more characters)"
