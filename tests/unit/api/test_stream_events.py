"""Server-sent events: read from bytes that arrive in any pieces, with any line ends."""

from __future__ import annotations

import asyncio
import codecs
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.api.stream import events
from claude_run.conversation.exchange import InvalidReplyError
from tests.support import scripted_server

EVENTS: list[dict[str, Any]] = [
    {"type": "ping"},
    {"type": "text", "text": "line\nbreak, \r\n, \u2028, \x85 and data: in the text"},
    {"type": "text", "text": "漢字 😀"},
]


def read(*chunks: bytes) -> list[Any]:
    """Return the events of these chunks."""

    async def collect() -> list[Any]:
        return [event async for event in events(scripted_server.arriving(chunks))]

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
