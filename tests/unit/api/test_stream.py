"""Streams: events from bytes in any pieces, and the messages put together from them."""

from __future__ import annotations

import asyncio
import codecs
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
    from collections.abc import AsyncIterator

EVENTS: list[dict[str, Any]] = [
    {"type": "ping"},
    {"type": "text", "text": "line\nbreak, \r\n, \u2028, \x85 and data: in the text"},
    {"type": "text", "text": "漢字 😀"},
]


async def arriving(chunks: tuple[bytes, ...]) -> AsyncIterator[bytes]:
    """Yield the chunks, as a connection does."""
    for chunk in chunks:
        yield chunk


def read(*chunks: bytes) -> list[Any]:
    """Return the events of these chunks."""

    async def collect() -> list[Any]:
        return [event async for event in events(arriving(chunks))]

    return asyncio.run(collect())


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@settings(max_examples=50, deadline=None)
@given(cuts=st.lists(st.integers(0, 400), max_size=12))
def test_events_do_not_depend_on_how_the_bytes_arrive(end: str, cuts: list[int]) -> None:
    """Any chunking gives the same events, also one that cuts a character or a line end in two."""
    data = scripted_server.sse(EVENTS, end=end)
    places = sorted({0, *cuts, len(data)})
    assert read(*(data[a:b] for a, b in pairwise(places))) == EVENTS


def test_one_byte_at_a_time() -> None:
    """The smallest chunks there are give the same events, with any line ends and a byte order mark."""
    for end in ("\n", "\r\n", "\r"):
        data = codecs.BOM_UTF8 + scripted_server.sse(EVENTS, end=end)
        assert read(*(bytes([byte]) for byte in data)) == EVENTS


def test_data_over_several_lines_is_one_event() -> None:
    """The lines of one event's data are joined by line feeds before they are parsed."""
    assert read(b'data: {"a":\ndata:1,\ndata:  "b": 2}\n\n') == [{"a": 1, "b": 2}]


def test_everything_but_data_is_ignored() -> None:
    """Comments, names, ids and empty events say nothing."""
    assert read(b': comment\n\nevent: x\n\nid: 3\nretry: 5\nevent: y\ndata: {"a": 1}\nother\n\n\n\n') == [
        {"a": 1}
    ]
    assert read(b'data\n\ndata:\n\ndata: \n\ndata:{"a": 1}\n\ndatabase: 3\n\n') == [{"a": 1}]


def test_a_long_line_is_read_once() -> None:
    """Its pieces are joined when it ends, however many there are."""
    text = "x" * 2_000_000
    data = scripted_server.sse([{"type": "text", "text": text}])
    assert read(*(data[at : at + 64] for at in range(0, len(data), 64))) == [{"type": "text", "text": text}]


def test_null_never_erases_what_was_known() -> None:
    """Neither a count, at any depth, nor a stop reason; a null that is all there is stays."""
    message = Accumulator()
    usage = {"input_tokens": 100, "output_tokens": 1, "cache_creation": {"ephemeral_5m_input_tokens": 4}}
    *before, _, stop = scripted_server.events_of(scripted_server.message(usage=usage))
    nulls = {"input_tokens": None, "cache_read_input_tokens": None}
    nested = {"output_tokens": None, "cache_creation": {"ephemeral_5m_input_tokens": None}}
    for event in (
        *before,
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {**nulls, "output_tokens": 12},
        },
        {"type": "message_delta", "delta": {"stop_reason": None, "container": None}, "usage": nested},
        stop,
    ):
        message.add(event)
    assert message.message is not None
    assert message.message["usage"] == {**usage, "output_tokens": 12, "cache_read_input_tokens": None}
    assert (message.message["stop_reason"], message.message["container"]) == ("end_turn", None)


def test_a_stream_that_never_says_what_was_written() -> None:
    """The count at its begin is a placeholder, which would make every reply look cheap."""
    *before, end, stop = scripted_server.events_of(scripted_server.message())
    for usage in ({}, None, {"output_tokens": None}, {"input_tokens": 9}):
        message = Accumulator()
        for event in (*before, {**end, "usage": usage}, stop):
            message.add(event)
        assert message.message is not None
        assert message.message["usage"]["output_tokens"] is None


def test_a_delta_of_an_unknown_kind_is_data() -> None:
    """What a newer API says of a block is kept beside the content, which nobody could change by it."""
    message = Accumulator()
    for event in (START, BLOCK_START, _delta(type="text_delta", text="Hi"), _delta(type="aurora", x=1)):
        message.add(event)
    assert message.message is not None
    assert message.message["content"] == [{"type": "text", "text": "Hi"}]
    assert message.message["unread_deltas"] == [{"index": 0, "type": "aurora", "x": 1}]
    assert Reply.from_body(dict(message.message)).unread_deltas == ["aurora"]


@pytest.mark.parametrize("data", [b'data: {"a": 1}', b'data: {"a": 1}\n', b'data: {"a": 1}\r\n'])
def test_an_event_without_its_empty_line_is_no_event(data: bytes) -> None:
    """What is cut off before the empty line that ends it never counts."""
    assert read(data) == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"data: <html>\n\n", "not valid JSON:"),
        (b"data:  \n\n", "not valid JSON:"),
        (b'data: {"a": 1, "a": 2}\n\n', "an event of the stream holds a duplicate key `a`"),
        (b"data: \xff\xfe\xfd\n\n", "not valid JSON:"),
        (b"data: " + b"[" * 100_000 + b"\n\n", "not valid JSON:"),
        (b'data: {"a": NaN}\n\n', "not valid JSON:"),
        (b'data: {"a": 1e999}\n\n', "not valid JSON:"),
        (b'data: {"a": ' + b"[" * 100 + b"]" * 100 + b"}\n\n", "nested deeper than 100 levels"),
        (b"data: [1]\n\n", "not a JSON object"),
        (b"data: null\n\n", "not a JSON object"),
    ],
)
def test_data_that_is_no_object_is_refused(data: bytes, reason: str) -> None:
    """An event must be a JSON object, or the stream is invalid."""
    with pytest.raises(InvalidReplyError, match=reason):
        read(data)


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


def accumulate(*chunks: bytes) -> Accumulator:
    """Put together what these chunks of a stream hold."""
    message = Accumulator()

    async def collect() -> None:
        async for event in events(arriving(chunks)):
            message.add(event)

    asyncio.run(collect())
    return message


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
    message = accumulate(*(data[a:b] for a, b in pairwise(places)))
    assert message.done
    assert message.message == whole


@settings(max_examples=100, deadline=None)
@given(whole=MESSAGES, share=st.floats(0, 1), cut=st.integers(1, 60))
def test_a_cut_stream_is_never_done(whole: dict[str, Any], share: float, cut: int) -> None:
    """However little of a stream is missing, its message is not accepted."""
    data = scripted_server.sse(scripted_server.events_of(whole))
    for length in {int(share * (len(data) - 1)), max(0, len(data) - cut)}:
        assert not accumulate(data[:length]).done


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
    whole = scripted_server.message(
        usage={"input_tokens": 7, "output_tokens": 1, "cache_read_input_tokens": 4}
    )
    message = Accumulator()
    *before, _, stop = scripted_server.events_of(whole)
    for event in (
        *before,
        {"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 3}},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "refusal", "stop_details": {"category": "bio"}},
            "usage": {"output_tokens": 9, "input_tokens": 8},
        },
        {"type": "message_delta", "delta": {}, "usage": None},
        stop,
    ):
        message.add(event)
    assert message.message is not None
    assert message.message["usage"] == {
        "input_tokens": 8,
        "output_tokens": 9,
        "cache_read_input_tokens": 4,
    }
    assert message.message["stop_reason"] == "refusal"
    assert message.message["stop_details"] == {"category": "bio"}


def test_a_tool_without_arguments_keeps_its_empty_input() -> None:
    """An input that never gets a delta, or only empty ones, is the empty object it began with."""
    message = Accumulator()
    message.add({"type": "message_start", "message": scripted_server.message()})
    block = {"type": "tool_use", "id": "t", "name": "now", "input": {}}
    message.add({"type": "content_block_start", "index": 0, "content_block": block})
    message.add(
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "input_json_delta", "partial_json": ""},
        }
    )
    message.add({"type": "content_block_stop", "index": 0})
    assert message.message is not None
    assert message.message["content"] == [block]


START = {"type": "message_start", "message": scripted_server.message()}
BLOCK_START = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}


def _delta(**delta: object) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": delta}


@pytest.mark.parametrize(
    "events",
    [
        [BLOCK_START],
        [{"type": "message_delta", "delta": {}, "usage": {}}],
        [_delta(type="text_delta", text="x")],
        [{"type": "message_start"}],
        [{"type": "message_start", "message": None}],
        [START, _delta(type="text_delta", text="x")],
        [START, {**BLOCK_START, "index": 1}],
        [START, {**BLOCK_START, "index": "0"}],
        [START, {**BLOCK_START, "content_block": 3}],
        [START, {"type": "content_block_stop"}],
        [START, {**BLOCK_START, "content_block": "text"}],
        [START, BLOCK_START, _delta(text="no type")],
        [START, BLOCK_START, _delta(type="text_delta")],
        [START, BLOCK_START, _delta(type="text_delta", text=3)],
        [START, BLOCK_START, {**_delta(), "delta": None}],
        [
            START,
            BLOCK_START,
            _delta(type="input_json_delta", partial_json='{"a":'),
            {"type": "content_block_stop", "index": 0},
        ],
        [
            START,
            BLOCK_START,
            _delta(type="input_json_delta", partial_json='{"a": NaN}'),
            {"type": "content_block_stop", "index": 0},
        ],
        [
            START,
            BLOCK_START,
            _delta(type="input_json_delta", partial_json=7),
            {"type": "content_block_stop", "index": 0},
        ],
        [START, {"type": "message_delta", "delta": 3}],
        [START, {"type": "message_delta"}],
        [START, {"type": "message_delta", "delta": {}, "usage": 3}],
    ],
)
def test_events_that_do_not_fit_are_an_invalid_reply(events: list[dict[str, Any]]) -> None:
    """Events out of order, of another shape or with missing parts are refused, never guessed at."""
    *before, last = events
    message = Accumulator()
    for event in before:
        message.add(event)
    with pytest.raises(InvalidReplyError):
        message.add(last)


def test_a_second_start_is_refused() -> None:
    """Two messages in one stream are no message."""
    message = Accumulator()
    message.add(START)
    with pytest.raises(InvalidReplyError):
        message.add(START)


def test_a_block_that_never_ended_is_refused() -> None:
    """A tool's input whose block does not stop would be lost without a word."""
    message = Accumulator()
    for event in (
        START,
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "tool_use", "id": "t", "name": "n", "input": {}},
        },
        _delta(type="input_json_delta", partial_json='{"id": 1}'),
    ):
        message.add(event)
    with pytest.raises(InvalidReplyError):
        message.add({"type": "message_stop"})
