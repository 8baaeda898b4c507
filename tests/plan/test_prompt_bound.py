"""How many tokens a prompt can have at most."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.conversation.exchange import SentMessage
from claude_run.conversation.steps import Send
from claude_run.plan import prompt_bound
from claude_run.plan.prompt_bound import grown_prompt_tokens, has_server_tools, prompt_tokens, web_searches
from tests.plan.plan_values import exchange, request

WINDOW = 1_000_000


def _content(*blocks: Any) -> list[Any]:
    return [{"role": "user", "content": list(blocks)}]


def _pdf(data: bytes) -> dict[str, Any]:
    source = {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(data).decode()}
    return {"type": "document", "source": source}


def _image(data: str) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200), st.text(max_size=200))
def test_the_bound_is_at_least_the_bytes_of_the_text(system: str, message: str) -> None:
    """A token is at least one byte, so UTF-8 bytes bound the tokens; lone surrogates are text too."""
    bound = prompt_tokens(request([{"role": "user", "content": message}], system=system))
    assert bound >= sum(len(each.encode("utf-8", "surrogatepass")) for each in (system, message))


def test_the_bound_of_plain_text_is_tight() -> None:
    """Beside the text there are only the JSON of the message and a small frame."""
    assert 1000 < prompt_tokens(request([{"role": "user", "content": "x" * 1000}])) < 1150


def test_an_image_is_bounded_by_its_largest_size_not_by_its_bytes() -> None:
    """A large file costs no more than a small one, also inside a tool result."""
    small, large = (prompt_tokens(request(_content(_image("A" * n)))) for n in (8, 800_000))
    assert 5000 < small == large < 5300
    nested = {"type": "tool_result", "tool_use_id": "t", "content": [_image("AAAA"), _image("AAAA")]}
    assert 10_000 < prompt_tokens(request(_content(nested))) < 10_500
    linked = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    assert 5000 < prompt_tokens(request(_content(linked))) < 5300


def test_the_pages_of_a_pdf_are_counted() -> None:
    """Each page has an allowance; the tree of pages is no page."""
    two = b"%PDF-1.4 /Type /Pages /Type /Page /Type/Page\n" + b"x" * 50_000
    assert 20_000 < prompt_tokens(request(_content(_pdf(two)))) < 20_400


@pytest.mark.parametrize(
    "block",
    [
        _pdf(b"%PDF-1.7 /Type /Page /Type /ObjStm"),
        _pdf(b"no pages to be seen"),
        {"type": "document", "source": {"type": "base64", "data": "A"}},
        {"type": "document", "source": {"type": "base64", "data": "\u00e9"}},
        {"type": "document", "source": {"type": "base64"}},
        {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
        {"type": "document", "source": {"type": "file", "file_id": "f"}},
    ],
)
def test_a_pdf_whose_pages_cannot_be_counted_may_fill_the_window(block: dict[str, Any]) -> None:
    """What cannot be known is bounded by what the model can take."""
    assert prompt_tokens(request(_content(block))) == WINDOW
    assert prompt_tokens(request(_content(block), model="claude-haiku-4-5")) == 200_000


def test_a_text_document_counts_as_its_text() -> None:
    """Its bytes are in the prompt as they are."""
    source = {"type": "text", "media_type": "text/plain", "data": "x" * 1000}
    assert 1000 < prompt_tokens(request(_content({"type": "document", "source": source}))) < 1300


def test_the_window_bounds_every_known_model() -> None:
    """The API refuses a longer prompt, so it is never paid; of an unknown model the window is unknown."""
    huge = [{"role": "user", "content": "x" * 300_000}]
    assert prompt_tokens(request(huge, model="claude-haiku-4-5")) == 200_000
    assert prompt_tokens(request(huge, model="claude-opus-99")) > 300_000


def test_tools_and_schemas_count_with_what_the_api_adds_for_them() -> None:
    """A definition counts in full, escaped, and brings a prompt of the API's own."""
    plain = prompt_tokens(request())
    tool = {"name": "look", "description": "\u4e2d" * 100, "input_schema": {"type": "object"}}
    with_tool = prompt_tokens(request(tools=[tool]))
    assert with_tool >= plain + len(json.dumps(tool)) + prompt_bound.TOOL_PROMPT_TOKENS
    typed = prompt_tokens(request(tools=[tool, {"type": "bash_20250124", "name": "bash"}]))
    assert typed >= with_tool + prompt_bound.TOOL_PROMPT_TOKENS
    schema = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
    assert prompt_tokens(request(output_config=schema)) >= plain + prompt_bound.TOOL_PROMPT_TOKENS


@pytest.mark.parametrize("kind", ["thinking", "redacted_thinking"])
def test_a_message_with_thinking_counts_as_a_whole_reply(kind: str) -> None:
    """Its text is left out of the JSON and billed all the same."""
    question, answer = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": [{"type": kind}]}
    assert prompt_tokens(request([question, answer, question], max_tokens=9000)) > 9000


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, False),
        ({"tools": [{"name": "a", "input_schema": {}}, {"type": "custom", "name": "b"}]}, False),
        ({"tools": [{"type": "text_editor_20250728"}]}, False),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, True),
        ({"mcp_servers": [{"name": "x"}]}, True),
    ],
)
def test_server_tools_are_those_that_the_api_runs(body: dict[str, Any], expected: bool) -> None:
    """Their requests may read the whole window in every round."""
    made = request(**body)
    assert has_server_tools(made) is expected
    assert (prompt_tokens(made) == prompt_bound.SERVER_ROUNDS * WINDOW) is expected


def test_web_searches_are_bounded_by_max_uses_or_by_the_output() -> None:
    """Each search takes at least one token to ask for."""
    search = {"type": "web_search_20250305", "name": "web_search"}
    assert web_searches(request()) == 0
    assert web_searches(request(tools=[{**search, "max_uses": 3}])) == 3
    assert web_searches(request(tools=[search], max_tokens=77)) == 77
    assert web_searches(request(tools=[{"type": "web_fetch_20250910"}])) == 0


def test_a_grown_prompt_is_the_counted_one_its_reply_and_what_is_new() -> None:
    """The bytes of the history do not count again once the API has counted it."""
    first = request([{"role": "user", "content": "x" * 5000}])
    sent = (SentMessage(turn=1, role="user", content="y" * 100),)
    send = Send(turn=1, request=request([{"role": "user", "content": "x" * 5000}] * 3), sent=sent)
    assert grown_prompt_tokens(send, []) == prompt_tokens(send.request) > 15_000
    counted = exchange(first, input_tokens=700, cache_read_input_tokens=300, output_tokens=50)
    assert 1150 < grown_prompt_tokens(send, [counted]) < 1350
