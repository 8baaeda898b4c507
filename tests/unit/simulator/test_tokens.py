"""The token estimate: a fixed rule, never above the bytes of what is sent."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.simulator.prompt import read_prompt
from claude_run.simulator.tokens import block_tokens, cut_to_tokens, text_tokens


def _data(size: int) -> str:
    return base64.b64encode(b"x" * size).decode()


@pytest.mark.parametrize(
    ("block", "tokens"),
    [
        ({"type": "text", "text": "12345"}, 3 + 2),
        ({"type": "text", "text": "12345", "cache_control": {"type": "ephemeral"}}, 3 + 2),
        ({"type": "image", "source": {"type": "base64", "data": _data(3072)}}, 3 + 6),
        ({"type": "image", "source": {"type": "base64", "data": _data(3_000_000)}}, 3 + 1600),
        ({"type": "image", "source": {"type": "url", "url": "https://example.com"}}, 3 + 1600),
        ({"type": "document", "source": {"type": "base64", "data": _data(3072)}}, 3 + 96),
        ({"type": "document", "source": {"type": "text", "data": "12345678"}}, 3 + 2),
        ({"type": "document", "source": {"type": "content", "content": "1234"}}, 3 + 1),
        (
            {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "1"}]}},
            3 + 4,
        ),
        (
            {"type": "tool_result", "tool_use_id": "toolu_01", "content": [{"type": "text", "text": "1"}]},
            3 + 2 + 4,
        ),
        ({"type": "tool_result", "tool_use_id": "toolu_01"}, 3 + 2),
    ],
)
def test_each_kind_of_block(block: dict[str, Any], tokens: int) -> None:
    """Every kind of content is counted by the rule that the module states."""
    assert block_tokens(block) == tokens


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40), st.integers(0, 20))
def test_cut_text_fits(text: str, tokens: int) -> None:
    """A cut text is a beginning of the text and has at most so many tokens."""
    cut = cut_to_tokens(text, tokens)
    assert text.startswith(cut)
    assert text_tokens(cut) <= tokens
    assert cut == text or text_tokens(text) >= tokens


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=5), st.text(min_size=1, max_size=30))
def test_never_above_the_bytes(texts: list[str], system: str) -> None:
    """A bound by bytes, as the cost estimate uses, holds for every simulated prompt."""
    body: dict[str, Any] = {
        "tools": [{"name": "t", "input_schema": {"type": "object"}}],
        "system": [{"type": "text", "text": system}],
        "messages": [{"role": "user", "content": text} for text in texts],
    }
    assert read_prompt(body, "m").tokens <= len(json.dumps(body, ensure_ascii=False).encode())
