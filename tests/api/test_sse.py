"""Server-sent events, from bytes in any pieces to the JSON of each event."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.api import sse
from claude_run.conversation.exchange import InvalidReplyError
from tests import servers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

EVENTS: list[dict[str, Any]] = [
    {"type": "ping"},
    {"type": "text", "text": "line\nbreak, \r\n, \u2028, \x85 and data: in the text"},
    {"type": "text", "text": "漢字 😀"},
]


def read(*chunks: bytes) -> list[Any]:
    """Return the events of these chunks."""

    async def arriving() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    async def collect() -> list[Any]:
        return [event async for event in sse.events(arriving())]

    return asyncio.run(collect())


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@settings(max_examples=50, deadline=None)
@given(cuts=st.lists(st.integers(0, 400), max_size=12))
def test_events_do_not_depend_on_how_the_bytes_arrive(end: str, cuts: list[int]) -> None:
    """Any chunking gives the same events, also one that cuts a character or a line end in two."""
    data = servers.sse(EVENTS, end=end)
    places = sorted({0, *cuts, len(data)})
    assert read(*(data[a:b] for a, b in pairwise(places))) == EVENTS


def test_one_byte_at_a_time() -> None:
    """The smallest chunks there are give the same events."""
    assert read(*(bytes([byte]) for byte in servers.sse(EVENTS, end="\r\n"))) == EVENTS


def test_data_over_several_lines_is_one_event() -> None:
    """The lines of one event's data are joined by line feeds before they are parsed."""
    assert read(b'data: {"a":\ndata:1,\ndata:  "b": 2}\n\n') == [{"a": 1, "b": 2}]


def test_everything_but_data_is_ignored() -> None:
    """Comments, names, ids and empty events say nothing."""
    assert read(b': comment\n\nevent: x\n\nid: 3\nretry: 5\nevent: y\ndata: {"a": 1}\nother\n\n\n\n') == [
        {"a": 1}
    ]


@pytest.mark.parametrize("data", [b'data: {"a": 1}', b'data: {"a": 1}\n', b'data: {"a": 1}\r\n'])
def test_an_event_without_its_empty_line_is_no_event(data: bytes) -> None:
    """What is cut off before the empty line that ends it never counts."""
    assert read(data) == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"data: <html>\n\n", "no JSON:"),
        (b"data: \n\n", "no JSON:"),
        (b"data: \xff\xfe\xfd\n\n", "no JSON:"),
        (b"data: " + b"[" * 100_000 + b"\n\n", "no JSON:"),
        (b'data: {"a": NaN}\n\n', "no JSON:"),
        (b'data: {"a": 1e999}\n\n', "no JSON:"),
        (b'data: {"a": ' + b"[" * 100 + b"]" * 100 + b"}\n\n", "nested deeper than 100 levels"),
        (b"data: [1]\n\n", "no JSON object"),
        (b"data: null\n\n", "no JSON object"),
    ],
)
def test_data_that_is_no_object_is_refused(data: bytes, reason: str) -> None:
    """An event must be a JSON object, or the stream is invalid."""
    with pytest.raises(InvalidReplyError, match=reason):
        read(data)
