"""A reply: a whole message is accepted as it is, anything less is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.conversation.exchange import InvalidReplyError, Reply
from tests.unit.conversation.builders import MODEL, body
from tests.unit.conversation.strategies import JSON


def test_a_whole_message_is_kept_verbatim() -> None:
    """The body is the very object that came, unknown fields included."""
    raw = {**body("Hi", container=None, future={"a": [1]}), "stop_sequence": None}
    reply = Reply.from_body(raw)
    assert reply.body is raw
    assert (reply.id, reply.model, reply.stop_reason, reply.text) == ("msg_1", MODEL, "end_turn", "Hi")
    assert reply.usage.output_tokens == 2


def test_unknown_blocks_and_stop_reasons_are_data() -> None:
    """The API may add both at any time, and a run does not break over them."""
    blocks = [{"type": "future_block", "text": "hidden"}, {"type": "text", "text": "shown"}]
    reply = Reply.from_body(body(blocks, "from_the_future"))
    assert reply.stop_reason == "from_the_future"
    assert reply.content == blocks
    assert reply.text == "shown"


def test_text_is_chosen_by_type_never_by_position() -> None:
    """A thinking block comes first and says nothing; text blocks are joined as they stand."""
    blocks = [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "text", "text": "one "},
        {"type": "tool_use", "id": "t", "name": "n", "input": {"text": "no"}},
        {"type": "text", "text": None},
        {"type": "text"},
        {"type": "text", "text": "two"},
    ]
    assert Reply.from_body(body(blocks)).text == "one two"


def test_an_empty_reply_is_a_whole_message() -> None:
    """The model may answer with no block at all."""
    assert Reply.from_body(body([])).text == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "error"}, "the body is not an assistant message"),
        ({"role": "user"}, "the body is not an assistant message"),
        ({"content": None}, "content is not a list of typed blocks"),
        ({"content": "text"}, "content is not a list of typed blocks"),
        ({"content": ["text"]}, "content is not a list of typed blocks"),
        ({"content": [{"text": "no type"}]}, "content is not a list of typed blocks"),
        ({"content": [{"type": 5}]}, "content is not a list of typed blocks"),
        ({"id": None}, "id is missing"),
        ({"model": 5}, "model is not a string: 5"),
        ({"stop_reason": None}, "stop_reason is missing"),
        ({"stop_reason": ["end_turn"]}, r"stop_reason is not a string: \['end_turn'\]"),
        ({"content": [{"type": "text", "text": 5}]}, r"content\[0\]\.text is not a string: 5"),
        ({"content": [{"type": "thinking", "thinking": {}}]}, r"content\[0\]\.thinking is not a string: {}"),
        (
            {"content": [{"type": "new", "text": 5}, {"type": "tool_use", "input": "{}"}]},
            r"content\[1\]\.input is not an object: '{}'",
        ),
    ],
)
def test_the_missing_part_is_named(change: dict[str, Any], message: str) -> None:
    """A 200 that is not a whole message is an error, and says why; so is a part of another type."""
    with pytest.raises(InvalidReplyError, match=f"^{message}$"):
        Reply.from_body({**body(), **change})


@pytest.mark.parametrize("name", ["type", "role", "content", "id", "model", "stop_reason"])
def test_every_part_is_needed(name: str) -> None:
    """Absent is as bad as null."""
    raw = body()
    del raw[name]
    with pytest.raises(InvalidReplyError):
        Reply.from_body(raw)


@pytest.mark.parametrize(
    "usage", [None, "odd", {"output_tokens": 7}, {"input_tokens": -1, "output_tokens": 1}]
)
def test_a_reply_without_usable_usage_is_kept(usage: Any) -> None:
    """It is whole and may have been paid for; only its price is unknown."""
    reply = Reply.from_body({**body("Hi"), "usage": usage})
    assert (reply.text, reply.usage.known) == ("Hi", False)


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        ([], []),
        ([{"type": "text", "text": "\n\n"}], []),
        ([{"type": "text", "text": ""}, {"type": "text", "text": "ok"}], [{"type": "text", "text": "ok"}]),
        ([{"type": "text"}, {"type": "text", "text": None}], []),
        (
            [{"type": "thinking", "thinking": "", "signature": "c"}, {"type": "text", "text": " \t"}],
            [{"type": "thinking", "thinking": "", "signature": "c"}],
        ),
        (
            [{"type": "text", "text": "\n"}, {"type": "tool_use", "id": "t", "name": "n", "input": {}}],
            [{"type": "tool_use", "id": "t", "name": "n", "input": {}}],
        ),
        ([{"type": "new", "text": ""}], [{"type": "new", "text": ""}]),
    ],
)
def test_blank_text_is_kept_and_never_sent_back(content: Any, sent: Any) -> None:
    """The API gives blank text and refuses to take it: the reply stays as it came, what is sent does not."""
    reply = Reply.from_body(body(content))
    assert reply.content == content
    assert reply.sendable == sent


@settings(deadline=None, max_examples=100)
@given(st.sampled_from([*body(), "extra"]), JSON)
def test_any_json_is_accepted_whole_or_refused(name: str, value: Any) -> None:
    """No body breaks the reader, and what it accepts has a text and is kept."""
    raw = {**body(), name: value}
    try:
        reply = Reply.from_body(raw)
    except InvalidReplyError:
        return
    assert reply.body == raw
    assert isinstance(reply.text, str)


@pytest.mark.parametrize("raw", [None, [], "message", 5, b"{}"])
def test_a_body_that_is_no_object_is_refused(raw: object) -> None:
    """Whatever a proxy answers in the API's place."""
    with pytest.raises(InvalidReplyError, match="not an assistant message"):
        Reply.from_body(raw)
