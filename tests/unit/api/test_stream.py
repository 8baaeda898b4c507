"""Streamed messages: put together as the whole message, and each event judged by its shape."""

from __future__ import annotations

import asyncio
import copy
import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.api.stream import Accumulator, events
from claude_run.conversation.exchange import InvalidReplyError, Reply
from tests.support import scripted_server
from tests.unit.conversation.strategies import OBJECTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def test_many_short_pieces_are_joined_once() -> None:
    """A text in as many deltas as it has words costs no more than its length, and neither do citations."""
    words, cited = ["word " * 10] * 40_000, [{"n": n} for n in range(20_000)]
    deltas = [_delta(type="text_delta", text=word) for word in words]
    deltas += [_delta(type="citations_delta", citation=each) for each in cited]
    (block,) = put_together(START, BLOCK_START, *deltas, BLOCK_STOP, *END)["content"]
    assert block == {"type": "text", "text": "".join(words), "citations": cited}


def test_null_never_erases_what_was_known() -> None:
    """Neither a count, at any depth, nor a stop reason; a null that is all there is stays."""
    usage = {"input_tokens": 100, "output_tokens": 1, "cache_creation": {"ephemeral_5m_input_tokens": 4}}
    *before, _, stop = scripted_server.events_of(scripted_server.message(usage=usage))
    nulls = {"input_tokens": None, "cache_read_input_tokens": None}
    nested = {"output_tokens": None, "cache_creation": {"ephemeral_5m_input_tokens": None}}
    whole = put_together(
        *before,
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {**nulls, "output_tokens": 12},
        },
        {"type": "message_delta", "delta": {"stop_reason": None, "container": None}, "usage": nested},
        stop,
    )
    assert whole["usage"] == {**usage, "output_tokens": 12, "cache_read_input_tokens": None}
    assert (whole["stop_reason"], whole["container"]) == ("end_turn", None)


@pytest.mark.parametrize("usage", [..., None, {}, {"output_tokens": None}, {"input_tokens": 9}, 3, "9", []])
def test_a_stream_that_never_says_what_was_written(usage: Any) -> None:
    """What its begin says of that is a placeholder, which would make every reply look cheap."""
    placeholders = {"output_tokens": 1, "output_tokens_details": {"thinking_tokens": 0}}
    begun = {**scripted_server.message(), "usage": {"input_tokens": 9, **placeholders}}
    said = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}
    end = {name: value for name, value in said.items() if value is not ...}
    reply = Reply.from_body(put_together({"type": "message_start", "message": begun}, end, END[-1]))
    assert reply.usage.output_tokens is None
    assert reply.usage.thinking_tokens is None
    assert reply.usage.input_tokens in {9, None}


def test_a_delta_of_an_unknown_kind_is_data() -> None:
    """What a newer API says of a block is kept beside the content, which nobody could change by it."""
    deltas = _delta(type="text_delta", text="Hi"), _delta(type="aurora", x=1)
    whole = put_together(START, BLOCK_START, *deltas, BLOCK_STOP, *END)
    assert whole["content"] == [{"type": "text", "text": "Hi"}]
    assert whole["unread_deltas"] == [{"index": 0, "type": "aurora", "x": 1}]
    assert Reply.from_body(whole).unread_deltas == ["aurora"]


def test_what_a_newer_api_says_of_the_message_is_data() -> None:
    """Fields that nobody knows, and what the betas say beside a delta, are kept; nothing is rewritten."""
    said: dict[str, Any] = {
        "stop_reason": "end_turn",
        "model": "claude-haiku-5-5",
        "content": [],
        "role": None,
        "new": {"a": 1},
    }
    beside: dict[str, Any] = {"context_management": {"applied_edits": []}}
    end = {"type": "message_delta", "delta": said, "usage": {"output_tokens": 3}, **beside}
    whole = put_together(START, BLOCK_START, _delta(type="text_delta", text="Hi"), BLOCK_STOP, end, END[-1])
    assert whole == {
        **scripted_server.message({"type": "text", "text": "Hi"}),
        "usage": {"input_tokens": 10, "output_tokens": 3},
        "new": {"a": 1},
        **beside,
    }


def test_a_server_that_streams_no_block_may_begin_with_all_of_them() -> None:
    """What came is the reply; where blocks are streamed as well, both say the same, or it is none."""
    begun = {"type": "message_start", "message": scripted_server.message()}
    assert put_together(begun, *END)["content"] == [{"type": "text", "text": "Hello there."}]
    same = {**BLOCK_START, "content_block": {"type": "text", "text": "Hello there."}}
    assert put_together(begun, same, BLOCK_STOP, *END)["content"] == [
        {"type": "text", "text": "Hello there."}
    ]
    blank = {"type": "message_start", "message": scripted_server.message({"type": "text", "text": ""})}
    streamed = [BLOCK_START, TEXT_DELTA, BLOCK_STOP, *END]
    assert put_together(blank, *streamed)["content"] == put_together(START, *streamed)["content"]
    for other in (begun, {"type": "message_start", "message": {**scripted_server.message(), "content": "x"}}):
        with pytest.raises(InvalidReplyError, match="content is not the one that it began with: "):
            put_together(other, *streamed)


# UTF-8 carries no lone surrogates, and neither does the data of a stream.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
BLOCK = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, TEXT),
    st.builds(
        lambda text, title: {
            "type": "text",
            "text": text,
            "citations": [{"type": "char_location", "title": title}, {"type": "odd", "n": 1}],
            "odd": True,
        },
        TEXT,
        TEXT,
    ),
    st.builds(lambda thought, mark: {"type": "thinking", "thinking": thought, "signature": mark}, TEXT, TEXT),
    st.builds(lambda data: {"type": "redacted_thinking", "data": data}, TEXT),
    st.builds(
        lambda name, value: {"type": "tool_use", "id": "toolu_1", "name": name, "input": value},
        TEXT,
        OBJECTS.filter(lambda value: "\\ud" not in repr(value)),
    ),
    st.builds(lambda data: {"type": "from_the_future", "data": data, "caller": {"type": "direct"}}, TEXT),
)
USAGE = st.builds(
    lambda read, spent: {"input_tokens": read, "output_tokens": spent, "cache_read_input_tokens": None},
    st.integers(0, 10**9),
    st.integers(0, 10**9),
)
MESSAGES = st.builds(
    lambda blocks, usage, reason, odd: scripted_server.message(
        *blocks, usage=usage, stop_reason=reason, stop_sequence=odd, container=None, odd={"x": [odd]}
    ),
    st.lists(BLOCK, max_size=4),
    USAGE,
    st.sampled_from(["end_turn", "tool_use", "max_tokens", "from_the_future"]),
    st.none() | TEXT,
)


def put_together(*events: dict[str, Any]) -> dict[str, Any]:
    """Return the message that these events make."""
    message = Accumulator()
    for event in events:
        message.add(event)
    assert message.message is not None, "the stream has no end"
    return dict(message.message)


def accumulate(*chunks: bytes) -> Mapping[str, Any] | None:
    """Put together what these chunks of a stream hold."""
    message = Accumulator()

    async def collect() -> None:
        async for event in events(scripted_server.arriving(chunks)):
            message.add(event)

    asyncio.run(collect())
    return message.message


@settings(max_examples=100, deadline=None)
@given(
    whole=MESSAGES,
    piece=st.integers(1, 30),
    end=st.sampled_from(["\n", "\r\n"]),
    cuts=st.lists(st.integers(0, 3000), max_size=10),
)
def test_a_streamed_message_equals_the_whole_one(
    whole: dict[str, Any], piece: int, end: str, cuts: list[int]
) -> None:
    """Whatever the blocks, the deltas and the chunks of bytes, the message comes out as it went in."""
    data = scripted_server.sse(scripted_server.events_of(whole, piece=piece), end=end)
    places = sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})
    assert accumulate(*(data[a:b] for a, b in pairwise(places))) == whole


def in_halves(text: str) -> str:
    """Return the text with each character beyond the first 65,536 as the two halves that JSON writes."""
    data = text.encode("utf-16-le", "surrogatepass")
    return "".join(data[at : at + 2].decode("utf-16-le", "surrogatepass") for at in range(0, len(data), 2))


@settings(max_examples=100, deadline=None)
@given(
    text=st.text(st.characters() | st.sampled_from("😀\ud83d\ude00"), max_size=12), piece=st.integers(1, 4)
)
def test_a_character_that_is_cut_in_two_is_one_character(text: str, piece: int) -> None:
    """A text is what its pieces join to, and so it stays when it is written down and read again."""
    halves = in_halves(text)
    call = {"type": "tool_use", "id": "t", "name": "n", "input": {}}
    written = json.dumps({"say": halves}, ensure_ascii=False)
    content = [
        {"type": "text", "text": halves},
        {"type": "thinking", "thinking": halves, "signature": "c2ln"},
    ]
    *before, said, stop = scripted_server.events_of(scripted_server.message(*content), piece=piece)
    whole = put_together(
        *before,
        {"type": "content_block_start", "index": 2, "content_block": call},
        *(
            {**_delta(type="input_json_delta", partial_json=written[at : at + piece]), "index": 2}
            for at in range(0, len(written), piece)
        ),
        {"type": "content_block_stop", "index": 2},
        said,
        stop,
    )
    character = json.loads(json.dumps(halves))
    assert whole == json.loads(json.dumps(whole))
    assert [whole["content"][0]["text"], whole["content"][1]["thinking"]] == [character, character]
    assert whole["content"][2]["input"] == {"say": character}
    # A text may be cut between two blocks too.
    blocks = [{"type": "text", "text": half} for half in halves]
    assert Reply.from_body(scripted_server.message(content=blocks)).text == character


@settings(max_examples=100, deadline=None)
@given(whole=MESSAGES, share=st.floats(0, 1), cut=st.integers(1, 60))
def test_a_cut_stream_is_never_done(whole: dict[str, Any], share: float, cut: int) -> None:
    """However little of a stream is missing, its message is not accepted."""
    data = scripted_server.sse(scripted_server.events_of(whole))
    for length in {int(share * (len(data) - 1)), max(0, len(data) - cut)}:
        assert accumulate(data[:length]) is None


def test_pings_and_unknown_events_change_nothing() -> None:
    """Events that nobody knows may stand anywhere in a stream."""
    whole = scripted_server.message({"type": "text", "text": "abcdefghij"})
    odd: list[dict[str, Any]] = [{"type": "ping"}, {"type": "from_the_future", "index": 9}, {"no": "type"}]
    message = Accumulator()
    for event in scripted_server.events_of(whole):
        for each in (*odd, event):
            message.add(each)
    assert message.message == whole


def test_usage_is_cumulative_and_late_fields_win() -> None:
    """Several message deltas replace counts and fields, and leave out what they do not name."""
    usage = {"input_tokens": 7, "output_tokens": 1, "cache_read_input_tokens": 4}
    *before, _, stop = scripted_server.events_of(scripted_server.message(usage=usage))
    whole = put_together(
        *before,
        {"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 3}},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "refusal", "stop_details": {"category": "bio"}},
            "usage": {"output_tokens": 9, "input_tokens": 8},
        },
        {"type": "message_delta", "delta": {}, "usage": None},
        stop,
    )
    assert whole["usage"] == {"input_tokens": 8, "output_tokens": 9, "cache_read_input_tokens": 4}
    assert whole["stop_reason"] == "refusal"
    assert whole["stop_details"] == {"category": "bio"}


START = {"type": "message_start", "message": scripted_server.message(content=[], stop_reason=None)}
BLOCK_START = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
BLOCK_STOP = {"type": "content_block_stop", "index": 0}
END = scripted_server.events_of(scripted_server.message())[-2:]
CALL = {"type": "tool_use", "id": "t", "name": "now", "input": {}}
CALL_START = {**BLOCK_START, "content_block": CALL}


def _delta(**delta: object) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": delta}


def _input(text: object) -> dict[str, Any]:
    return _delta(type="input_json_delta", partial_json=text)


def _end(**delta: object) -> dict[str, Any]:
    return {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 9}}


def test_a_tool_without_arguments_keeps_its_empty_input() -> None:
    """An input that never gets a delta, or only empty ones, is the empty object it began with."""
    whole = put_together(START, CALL_START, _input(""), BLOCK_STOP, _end(stop_reason="tool_use"), END[-1])
    assert whole["content"] == [CALL]


@pytest.mark.parametrize(
    "reason", ["max_tokens", "refusal", "model_context_window_exceeded", "from_the_future"]
)
@pytest.mark.parametrize("partial", ['{"id": "A-', '{"id": 1, "id": 2}', "12"])
@pytest.mark.parametrize("stops", [[BLOCK_STOP], []])
def test_a_reply_that_was_cut_inside_a_tools_input_is_a_reply(
    reason: str, partial: str, stops: list[dict[str, Any]]
) -> None:
    """Its stop reason says why. The call has no input; what came of it stands beside the content as text."""
    pieces = [_input(piece) for piece in partial]
    whole = put_together(START, CALL_START, *pieces, *stops, _end(stop_reason=reason), END[-1])
    reply = Reply.from_body(whole)
    assert (reply.stop_reason, reply.content, reply.usage.output_tokens) == (reason, [CALL], 9)
    assert whole["unread_deltas"] == [{"index": 0, "type": "input_json_delta", "partial_json": partial}]


def test_a_cut_reply_keeps_what_was_whole() -> None:
    """An input that is whole is put into its block whatever the stop reason, and so is a text."""
    for start, delta, value in (
        (CALL_START, _input('{"a": 1}'), {**CALL, "input": {"a": 1}}),
        (BLOCK_START, _delta(type="text_delta", text="Hal"), {"type": "text", "text": "Hal"}),
    ):
        whole = put_together(START, start, delta, _end(stop_reason="max_tokens"), END[-1])
        assert whole["content"] == [value]
        assert "unread_deltas" not in whole


TEXT_DELTA = _delta(type="text_delta", text="x")
OTHER_START = {**BLOCK_START, "index": 1}


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([BLOCK_START], "does not begin with message_start"),
        ([_end()], "does not begin with message_start"),
        ([TEXT_DELTA], "does not begin with message_start"),
        ([END[-1]], "does not begin with message_start"),
        ([START, START], "a second message_start"),
        ([{"type": "message_start"}], "message of the stream's message_start is missing"),
        ([{"type": "message_start", "message": []}], "message_start is not an object"),
        ([{"type": 3, "delta": {}}], "the type of an event of the stream is not a string: 3"),
        ([START, TEXT_DELTA], "goes on with block 0, which is not open"),
        ([START, BLOCK_STOP], "goes on with block 0, which is not open"),
        ([START, BLOCK_START, {**TEXT_DELTA, "index": 1}], "goes on with block 1"),
        ([START, BLOCK_START, {**TEXT_DELTA, "index": -1}], "goes on with block -1"),
        ([START, BLOCK_START, {**TEXT_DELTA, "index": False}], "is not a whole number: False"),
        ([START, BLOCK_START, {**TEXT_DELTA, "index": 0.0}], "is not a whole number: 0.0"),
        ([START, BLOCK_START, BLOCK_STOP, TEXT_DELTA], "goes on with block 0, which is not open"),
        ([START, BLOCK_START, BLOCK_STOP, BLOCK_STOP], "goes on with block 0, which is not open"),
        ([START, BLOCK_START, BLOCK_START], "starts block 0 after 1 blocks"),
        ([START, OTHER_START], "starts block 1 after 0 blocks"),
        ([START, {**BLOCK_START, "index": "0"}], "is not a whole number: '0'"),
        ([START, {**BLOCK_START, "content_block": "text"}], "content_block_start is not an object: 'text'"),
        (
            [START, {**BLOCK_START, "content_block": {"text": ""}}],
            "the type of the stream's block 0 is missing",
        ),
        ([START, {"type": "content_block_stop"}], "index of the stream's content_block_stop is missing"),
        ([START, BLOCK_START, _delta(text="x")], "the type of a delta of block 0 is missing"),
        ([START, BLOCK_START, _delta(type=["text_delta"])], "the type of a delta of block 0 is not a string"),
        ([START, BLOCK_START, _delta(type="text_delta")], "text of a text_delta of block 0 is missing"),
        ([START, BLOCK_START, _delta(type="text_delta", text=3)], "is not a string: 3"),
        (
            [START, BLOCK_START, {**_delta(), "delta": None}],
            "delta of the stream's content_block_delta is missing",
        ),
        (
            [START, BLOCK_START, _delta(type="thinking_delta", thinking="x")],
            "adds a thinking_delta to block 0",
        ),
        ([START, CALL_START, TEXT_DELTA], "adds a text_delta to block 0, which is of the type tool_use"),
        ([START, CALL_START, _input(7)], "partial_json of a input_json_delta of block 0 is not a string: 7"),
        ([START, BLOCK_START, _delta(type="citations_delta", citation="x")], "is not an object: 'x'"),
        ([START, {"type": "message_delta"}], "delta of the stream's message_delta is missing"),
        ([START, {"type": "message_delta", "delta": 3}], "message_delta is not an object: 3"),
        ([START, _end(content=[{"type": "text", "text": "x"}])], "says another content than message_start"),
        ([START, _end(model="claude-opus-5-5")], "says another model than message_start"),
        ([START, _end(id="msg_02")], "says another id than message_start"),
        ([START, _end(role="user")], "says another role than message_start"),
        ([START, _end(type="error")], "says another type than message_start"),
        ([START, BLOCK_START, *END], "ends in the middle of block 0"),
        ([START, CALL_START, _input('{"a":'), BLOCK_STOP, *END], "input of block 0 is not valid JSON"),
        ([START, CALL_START, _input('{"a": NaN}'), BLOCK_STOP, *END], "input of block 0 is not valid JSON"),
        (
            [
                START,
                {**CALL_START, "content_block": {**CALL, "input": {"a": 1}}},
                _input("{}"),
                BLOCK_STOP,
                *END,
            ],
            "input of block 0 is not the one that it began with",
        ),
        (
            [
                START,
                {**BLOCK_START, "content_block": {"type": "text", "text": 3}},
                TEXT_DELTA,
                BLOCK_STOP,
                *END,
            ],
            "text of block 0 is not a string: 3",
        ),
        (
            [
                START,
                {**BLOCK_START, "content_block": {"type": "text", "citations": {}}},
                _delta(type="citations_delta", citation={}),
                BLOCK_STOP,
                *END,
            ],
            "citations of block 0 is not a list",
        ),
        ([START, *END, TEXT_DELTA], "goes on with content_block_delta after message_stop"),
        ([START, *END, _end(stop_reason="refusal")], "goes on with message_delta after message_stop"),
    ],
)
def test_an_event_that_does_not_fit_is_an_invalid_reply(events: list[dict[str, Any]], words: str) -> None:
    """Events of another shape, out of order, or that rewrite what came are refused, never guessed at."""
    *before, last = events
    message = Accumulator()
    for event in before:
        message.add(event)
    with pytest.raises(InvalidReplyError, match=re.escape(words)):
        message.add(last)


RICH = scripted_server.message(
    {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"},
    {"type": "text", "text": "It is A-1.", "citations": [{"type": "char_location", "title": "T"}]},
    {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"id": "A-1"}},
    usage={"input_tokens": 10, "output_tokens": 5, "cache_creation": {"ephemeral_5m_input_tokens": 4}},
    stop_reason="tool_use",
    stop_details={"category": None},
)
OTHER_TYPES = [None, True, -1, 10**30, 0.5, "text", [], ["text"], {}, {"type": "text"}]
MISSING = "missing"


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each part of a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in inside:
        yield (*way, name)
        yield from places(part, (*way, name))


def changed(way: tuple[Any, ...], to: Any) -> list[dict[str, Any]]:
    """Return the events of the rich message with one part of another type, or without it; or none."""
    changed_events = copy.deepcopy(scripted_server.events_of(RICH))
    # An event is an object.
    part: Any = changed_events
    for name in way[:-1]:
        part = part[name]
    if part is changed_events or type(part[way[-1]]) is type(to):
        return []
    if to == MISSING:
        del part[way[-1]]
    else:
        part[way[-1]] = to
    return changed_events


@pytest.mark.parametrize("other", [MISSING, *OTHER_TYPES], ids=repr)
def test_any_part_of_another_type_is_judged_by_its_shape(other: Any) -> None:
    """A stream with one part missing or of another JSON type is a reply that says the same, or none."""
    original = Reply.from_body(put_together(*scripted_server.events_of(RICH)))
    for way in places(scripted_server.events_of(RICH)):
        message = Accumulator()
        try:
            for event in changed(way, other):
                message.add(event)
            reply = Reply.from_body(message.message)
        except InvalidReplyError:
            continue
        assert (reply.text, reply.model, reply.id) == (original.text, original.model, original.id), way
        assert reply.stop_reason == original.stop_reason, way
        assert json.loads(json.dumps(reply.body)) == reply.body, way
