"""Replies as they go out: scripted, cut to fit, or honest placeholders, also of structured output."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.checks.output_format import asked_schema
from claude_run.conversation.exchange import Reply
from claude_run.simulator.engine import Engine
from claude_run.simulator.made_up import simplest
from claude_run.simulator.replies import NoReplies, Scripted, compose
from claude_run.simulator.sse import message_events
from tests.unit.simulator.in_order import InOrder

HEADERS = {"anthropic-version": "2026-10-21"}
CALL: dict[str, Any] = {"type": "tool_use", "id": "t1", "name": "look", "input": {"q": "ü"}}
THOUGHT: dict[str, Any] = {"type": "thinking", "thinking": "hm, hm", "signature": "sig"}
SIMULATED = "[simulated]"
NESTED = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "size": {"type": ["integer", "null"]},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/part"}},
        "kind": {"anyOf": [{"const": "a"}, {"type": "null"}]},
    },
    "$defs": {"part": {"type": "object", "properties": {"ok": {"type": "boolean"}}}},
}


def _body(**changes: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "hi"}]
    return {"model": "claude-haiku-5-5", "max_tokens": 1000, "messages": messages, **changes}


def _message(scripted: Scripted | str, **changes: Any) -> Any:
    return Engine(InOrder([scripted]), lambda: 0.0).prepare(_body(**changes), HEADERS).message


def test_placeholder_counts_the_replies_and_names_no_model() -> None:
    """Without a script the reply says what it is, the same for every model."""
    history = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    engine = Engine(NoReplies(), lambda: 0.0)
    texts = [
        Reply.from_body(
            engine.prepare(
                _body(model=model, messages=[*history, {"role": "user", "content": "c"}]), HEADERS
            ).message
        ).text
        for model in ("claude-haiku-5-5", "claude-opus-5-5")
    ]
    assert texts == ["[simulated reply 2: no example is given for this turn]"] * 2


def test_equal_requests_get_equal_messages() -> None:
    """The id follows from the request, with and without a stream, and says that it is simulated."""
    first, second = _message("a"), _message("a", stream=True)
    assert first == second
    assert first["id"].startswith("msg_sim_")
    assert _message("b")["id"] != first["id"]


def test_scripted_blocks() -> None:
    """Blocks go out as they are written, and a tool call decides the stop reason."""
    message = _message(Scripted(content=(THOUGHT, {"type": "text", "text": "ok"}, CALL)))
    assert message["content"] == [THOUGHT, {"type": "text", "text": "ok"}, CALL]
    assert message["stop_reason"] == "tool_use"
    assert message["usage"]["output_tokens_details"] == {"thinking_tokens": 2}
    assert Reply.from_body(message).usage.thinking_tokens == 2


def test_scripted_ending_and_usage() -> None:
    """Stop reason, details and single usage fields can be scripted."""
    details = {"type": "refusal", "category": "bio", "explanation": None}
    message = _message(
        Scripted(content="", stop_reason="refusal", stop_details=details, usage={"output_tokens": 77})
    )
    assert (message["content"], message["stop_reason"], message["stop_details"]) == ([], "refusal", details)
    assert message["usage"]["output_tokens"] == 77
    assert message["usage"]["input_tokens"] == 8


def test_empty_reply_is_billed_two_tokens() -> None:
    """An empty end_turn has no block, and costs a little."""
    message = _message("")
    assert (message["content"], message["stop_reason"], message["usage"]["output_tokens"]) == (
        [],
        "end_turn",
        2,
    )


def test_max_tokens_cuts_the_text() -> None:
    """Four bytes are a token: the text ends there, never inside a character."""
    message = _message("äöü äöü", max_tokens=1)
    assert message["content"] == [{"type": "text", "text": "äö"}]
    assert (message["stop_reason"], message["usage"]["output_tokens"]) == ("max_tokens", 1)


def test_max_tokens_drops_a_call_that_does_not_fit() -> None:
    """A block that is no text is left out whole."""
    message = _message(Scripted(content=({"type": "text", "text": "ok"}, CALL)), max_tokens=3)
    assert (message["content"], message["stop_reason"]) == ([{"type": "text", "text": "ok"}], "max_tokens")


def test_blocks_after_a_cut_are_left_out() -> None:
    """Nothing follows a text that was cut."""
    blocks = ({"type": "text", "text": "a" * 9}, {"type": "text", "text": "b"})
    assert _message(Scripted(content=blocks), max_tokens=2)["content"] == [{"type": "text", "text": "a" * 8}]


def test_warm_up_says_nothing() -> None:
    """`max_tokens: 0` gives an empty message that stopped at max_tokens."""
    message = _message("hello", max_tokens=0)
    assert (message["content"], message["stop_reason"], message["usage"]["output_tokens"]) == (
        [],
        "max_tokens",
        0,
    )


@pytest.mark.parametrize(
    ("text", "kept", "stop"),
    [
        ("one END two", ("one ",), "END"),
        ("END", (), "END"),
        ("one STOP END", ("one ",), "STOP"),
        ("one", ("one",), None),
    ],
)
def test_stop_sequences(text: str, kept: tuple[str, ...], stop: str | None) -> None:
    """The first stop sequence ends the text before it, and is named."""
    message = _message(text, stop_sequences=["END", "STOP"])
    assert tuple(block["text"] for block in message["content"]) == kept
    assert message["stop_sequence"] == stop
    assert message["stop_reason"] == ("stop_sequence" if stop else "end_turn")


def test_max_tokens_before_the_stop_sequence() -> None:
    """Where the text is cut before the sequence, max_tokens is the reason."""
    message = _message("a long text END", stop_sequences=["END"], max_tokens=1)
    assert (message["stop_reason"], message["stop_sequence"]) == ("max_tokens", None)


def test_replies_in_order_end_in_the_placeholder() -> None:
    """The book gives one reply after the other, then none."""
    engine = Engine(InOrder(["a", Scripted(content="b")]), lambda: 0.0)
    texts = [Reply.from_body(engine.prepare(_body(), HEADERS).message).text for _ in range(3)]
    assert texts[:2] == ["a", "b"]
    assert texts[2].startswith("[simulated reply 1")


def test_diagnostics_are_answered_when_asked_for() -> None:
    """The simulator keeps no messages to compare with, and says so."""
    assert _message("a")["diagnostics"] is None
    asked = _message("a", diagnostics={"previous_message_id": None})
    assert asked["diagnostics"] == {"cache_miss_reason": {"type": "unavailable"}}


BLOCKS = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, st.text(min_size=1, max_size=40)),
    st.just(CALL),
    st.just(THOUGHT),
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(BLOCKS, max_size=4), st.integers(0, 30), st.lists(st.text(min_size=1, max_size=2), max_size=2)
)
def test_output_never_exceeds_max_tokens(blocks: list[dict[str, Any]], limit: int, stops: list[str]) -> None:
    """Whatever is scripted, the budget of the request holds, so that cost bounds do."""
    composed = compose(_body(max_tokens=limit, stop_sequences=stops), Scripted(content=tuple(blocks)))
    assert 0 <= composed.thinking_tokens <= composed.output_tokens <= limit
    for block in composed.content:
        assert not any(stop in block.get("text", "") for stop in stops)  # type: ignore[operator] # text is a string


@settings(max_examples=100, deadline=None)
@given(st.lists(BLOCKS, max_size=4))
def test_a_stream_tells_the_whole_message(blocks: list[dict[str, Any]]) -> None:
    """The deltas, put together, are the blocks of the message."""
    message = _message(Scripted(content=tuple(blocks)))
    told: list[dict[str, Any]] = []
    events: list[Any] = [*message_events(message)]
    for event in events:
        if event["type"] == "content_block_start":
            told.append({"block": event["content_block"], "said": ""})
        elif event["type"] == "content_block_delta":
            delta = {key: value for key, value in event["delta"].items() if key not in {"type", "signature"}}
            told[-1]["said"] += "".join(delta.values())
    assert [item["block"]["type"] for item in told] == [block["type"] for block in blocks]
    for item, block in zip(told, blocks, strict=True):
        expected = block.get("text") or block.get("thinking") or '{"q": "ü"}'
        assert item["said"] == expected
    assert [event["type"] for event in (events[0], *events[-2:])] == [
        "message_start",
        "message_delta",
        "message_stop",
    ]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "object", "properties": {"verdict": {"enum": ["pass", "fail"]}}}, {"verdict": "pass"}),
        (NESTED, {"name": SIMULATED, "size": 0, "parts": [{"ok": False}], "kind": "a"}),
        ({"type": "array"}, []),
        ({"type": "null"}, None),
        ({"properties": {}}, SIMULATED),
        ({}, SIMULATED),
        ({"type": "object", "properties": {"any": True}}, {"any": SIMULATED}),
        ({"type": [], "anyOf": []}, SIMULATED),
        ({"type": "string", "format": "date"}, "2026-01-01"),
        ({"type": "string", "minLength": 60}, SIMULATED.ljust(60, ".")),
        ({"type": "string", "maxLength": 5}, SIMULATED[:5]),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "integer", "exclusiveMinimum": 3}, 4),
        ({"type": "number", "maximum": -2}, -2),
        ({"type": "number", "exclusiveMaximum": 0}, -1),
        ({"type": "array", "items": {"type": "null"}, "minItems": 2}, [None, None]),
        ({"type": "array", "items": {"type": "null"}, "maxItems": 0}, []),
        ({"type": ["integer", "null"]}, 0),
        (
            {"type": "object", "properties": {"a": {"const": 1}}, "anyOf": [{"required": ["a"]}, {}]},
            {"a": 1},
        ),
        (
            {
                "allOf": [
                    {"type": "object", "properties": {"a": {"const": 1}}},
                    {"$ref": "#/$defs/b"},
                ],
                "$defs": {"b": {"type": "object", "properties": {"b": {"const": 2}}}},
            },
            {"a": 1, "b": 2},
        ),
    ],
)
def test_the_simplest_value_fits_its_schema(schema: dict[str, Any], value: Any) -> None:
    """Free strings say what they are; everything else is the first that is allowed."""
    assert simplest(schema, SIMULATED) == value
    if schema.get("type") != []:
        jsonschema.validate(value, schema)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^[A-Z]{2}-\\d{4}$", "AA-0000"),
        ("^(?:yes|no)$", "yes"),
        ("(a|b)+c*d?", "a"),
        ("^a{2,5}?b+?[^a]\\.$", "aab0."),
        ("^[]x]\\w.$", "]aa"),
        ("^[\\d_]+$", "0"),
        ("", ""),
        ("^(?i)a$", SIMULATED),
        ("^\\pL$", SIMULATED),
        ("^a{101}$", SIMULATED),
        ("^a|(", SIMULATED),
        ("^a)", SIMULATED),
        ("^[a", SIMULATED),
    ],
)
def test_a_pattern_is_followed_as_far_as_it_is_plain(pattern: str, text: str) -> None:
    """The first that each part allows; what is too clever gets the text, and does not fit."""
    assert simplest({"type": "string", "pattern": pattern}, SIMULATED) == text


@pytest.mark.parametrize("reference", ["#/$defs/none", "#/$defs/none/deeper", "elsewhere.json", ""])
def test_a_reference_that_leads_nowhere_allows_anything(reference: str) -> None:
    """The simulator answers; the real API may refuse."""
    schema: Any = {"type": "object", "properties": {"a": {"$ref": reference}}, "$defs": {"x": True}}
    within_itself = {"a": {"a": SIMULATED}}
    assert simplest(schema, SIMULATED) == ({"a": SIMULATED} if reference else within_itself)


def test_only_a_schema_in_the_request_counts() -> None:
    """Anything else asks for text."""
    schema = {"type": "object"}
    assert asked_schema({"output_config": {"format": {"type": "json_schema", "schema": schema}}}) == schema
    for config in (None, {}, {"format": None}, {"format": {"schema": 5}}, "low"):
        assert asked_schema({"output_config": config}) is None
    assert asked_schema({}) is None
