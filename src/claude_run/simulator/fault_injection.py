"""Faults carried out on the wire."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, cast

from claude_run.simulator.connection import JSON_TYPE, STREAM_TYPE
from claude_run.simulator.faults import (
    Break,
    BreakFault,
    DripFault,
    ErrorEventFault,
    HugeFault,
    PageFault,
    RedirectFault,
    Spoil,
    SpoilFault,
    StatusFault,
)
from claude_run.simulator.problems import ApiError
from claude_run.simulator.replies import PAUSE_ID
from claude_run.simulator.sse import encode_event, message_events
from claude_run.simulator.validation_messages import UNKNOWN_BLOCK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aiohttp import web

    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.simulator.connection import Connection
    from claude_run.simulator.faults import Fault

_INSTEAD = {
    Break.EMPTY: b"",
    Break.EMPTY_OBJECT: b"{}",
    Break.BAD_JSON: b'{"id":"msg_sim_bad","type":"message","content":[{"type":"text","text":"half',
    Break.BAD_UTF8: b'{"id":"msg_sim_bad","type":"message","text":"\xff\xfe\xc3("}',
}
_HTML_PAGE = "<html><head><title>{status}</title></head><body><h1>{status} from a proxy</h1></body></html>"
_FILLER = "simulated " * 6400


def comes_instead(fault: Fault) -> bool:
    """Return whether a fault takes the place of a reply, so that the request is not even validated."""
    if isinstance(fault, BreakFault):
        return fault.how in _INSTEAD or fault.how in {Break.CLOSE, Break.RESET, Break.HANG}
    return isinstance(fault, StatusFault | PageFault | RedirectFault)


async def send_instead(connection: Connection, fault: Fault, *, stream: bool) -> web.StreamResponse:
    """Carry out a fault that comes instead of a reply; `stream` is what the request asked for."""
    # An answer that somebody gives: the API, a proxy's page, a redirect.
    if isinstance(fault, StatusFault):
        headers: dict[str, str] = {}
        if fault.retry_after is not None:
            headers["retry-after"] = fault.retry_after
        if fault.should_retry is not None:
            headers["x-should-retry"] = "true" if fault.should_retry else "false"
        message = fault.message or f"simulated error {fault.status}"
        error = ApiError(fault.status, message, type=fault.type, code=fault.code)
        body = error.body(connection.request_id)
        return await connection.send_json(body, status=fault.status, headers=headers)
    if isinstance(fault, PageFault):
        page = _HTML_PAGE.format(status=fault.status).encode()
        return await connection.send(page, status=fault.status, content_type="text/html; charset=utf-8")
    if isinstance(fault, RedirectFault):
        location = fault.location or "/redirected/v1/messages"
        return await connection.send(b"", status=fault.status, headers={"location": location})
    # Silence, a body that is no reply at all, or a connection that ends.
    how = cast("BreakFault", fault).how
    if how is Break.HANG:
        return await connection.hang()
    if how in _INSTEAD:
        return await connection.send(_INSTEAD[how], content_type=STREAM_TYPE if stream else JSON_TYPE)
    return connection.close() if how is Break.CLOSE else connection.reset()


async def send_reply(
    connection: Connection, message: JsonObject, fault: Fault | None, *, stream: bool
) -> web.StreamResponse:
    """Send a message, as JSON or as a stream of events, with what is to go wrong on the way."""
    if isinstance(fault, SpoilFault):
        message = _spoilt(message, fault)
    if isinstance(fault, HugeFault):
        return await _send_huge(connection, message, fault, stream=stream)
    if not stream:
        return await _send_whole(connection, message, fault)
    return await _send_events(connection, [*message_events(message)], fault)


async def _send_whole(connection: Connection, message: JsonObject, fault: Fault | None) -> web.StreamResponse:
    if isinstance(fault, ErrorEventFault):
        return await connection.send_json(_error(fault).body(connection.request_id))
    raw = json.dumps(message, separators=(",", ":")).encode()
    half = raw[: len(raw) // 2]
    if isinstance(fault, BreakFault) and fault.how is Break.TRUNCATE:
        return await connection.send(half)
    if _is_plain(fault):
        return await connection.send(raw)
    response = await connection.open(content_type=JSON_TYPE, length=len(raw))
    return await _write_wrong(connection, response, [half, raw[len(half) :]], fault=fault)


async def _send_events(
    connection: Connection, events: list[JsonObject], fault: Fault | None
) -> web.StreamResponse:
    # The stream as it should be, and then what is wrong with its events.
    chunks = [encode_event(event) for event in events]
    middle = len(chunks) // 2
    if isinstance(fault, ErrorEventFault):
        body = _error(fault).body(connection.request_id)
        chunks[middle:] = [encode_event({"type": "error", "error": body["error"]})]
    if isinstance(fault, BreakFault):
        chunks = _broken_events(chunks, fault.how)

    # What is left to go wrong is the way it arrives.
    response = await connection.open(content_type=STREAM_TYPE)
    if not _is_plain(fault):
        first, second = b"".join(chunks[:middle]), b"".join(chunks[middle:])
        return await _write_wrong(connection, response, [first, second], fault=fault)
    return await _write(response, chunks)


def _broken_events(chunks: list[bytes], how: Break) -> list[bytes]:
    middle = len(chunks) // 2
    if how is Break.TRUNCATE:
        return chunks[:middle]
    if how is Break.BAD_EVENT:
        return [*chunks[:middle], b'event: content_block_delta\ndata: {"type": "content_bl\n\n']
    if how is Break.UNKNOWN_EVENT:
        news = encode_event({"type": "simulated_news", "text": "no client knows this event"})
        return [*chunks[:middle], news, *chunks[middle:]]
    return chunks


def _is_plain(fault: Fault | None) -> bool:
    """Return whether the body, whatever it says by now, arrives the ordinary way."""
    if isinstance(fault, BreakFault):
        return fault.how not in {Break.CUT, Break.STALL, Break.CLOSE_AFTER}
    return not isinstance(fault, DripFault)


async def _write_wrong(
    connection: Connection, response: web.StreamResponse, halves: Sequence[bytes], *, fault: Fault | None
) -> web.StreamResponse:
    if isinstance(fault, DripFault):
        raw = b"".join(halves)
        for start in range(0, len(raw), fault.size):
            await response.write(raw[start : start + fault.size])
            await connection.pause(fault.every_s)
        await response.write_eof()
        return response
    how = cast("BreakFault", fault).how
    await response.write(halves[0])
    if how is Break.STALL:
        return await connection.hang()
    if how is Break.CLOSE_AFTER:
        await response.write(halves[1])
        await response.write_eof()
    return connection.close()


async def _send_huge(
    connection: Connection, message: JsonObject, fault: HugeFault, *, stream: bool
) -> web.StreamResponse:
    """Send far too much without ever holding it: the text comes in pieces between head and tail."""
    emptied = {**message, "content": [{"type": "text", "text": ""}]}
    if stream:
        events = [encode_event(event) for event in message_events(emptied)]
        deltas = ({"type": "text_delta", "text": text} for text in _filler(fault.size))
        text = (encode_event({"type": "content_block_delta", "index": 0, "delta": delta}) for delta in deltas)
        response = await connection.open(content_type=STREAM_TYPE, gzip=fault.gzip)
        return await _write(response, chain(events[:3], text, events[3:]))
    raw = json.dumps(emptied, separators=(",", ":")).encode()
    at = raw.index(b'"text":""') + len(b'"text":"')
    response = await connection.open(content_type=JSON_TYPE, length=len(raw) + fault.size, gzip=fault.gzip)
    filler = (text.encode() for text in _filler(fault.size))
    return await _write(response, chain([raw[:at]], filler, [raw[at:]]))


def _filler(size: int) -> Iterator[str]:
    for start in range(0, size, len(_FILLER)):
        yield _FILLER[: size - start]


async def _write(response: web.StreamResponse, chunks: Iterable[bytes]) -> web.StreamResponse:
    for chunk in chunks:
        await response.write(chunk)
    await response.write_eof()
    return response


def _error(fault: ErrorEventFault) -> ApiError:
    return ApiError(529, "simulated error in mid-reply", type=fault.type)


def _spoilt(message: JsonObject, fault: SpoilFault) -> JsonObject:
    spoilt: dict[str, Json] = dict(message)
    if fault.how is Spoil.NO_USAGE:
        del spoilt["usage"]
    elif fault.how is Spoil.EMPTY_CONTENT:
        spoilt["content"] = []
    elif fault.how is Spoil.UNKNOWN_BLOCK:
        block = {"type": UNKNOWN_BLOCK, "data": "no client knows this block"}
        spoilt["content"] = [block, *cast("Sequence[Json]", message["content"])]
    elif fault.how is Spoil.REFUSAL:
        details = {"type": "refusal", "category": fault.value, "explanation": "a simulated refusal"}
        spoilt.update(content=[], stop_reason="refusal", stop_sequence=None, stop_details=details)
    elif fault.how is Spoil.PAUSE:
        # What a loop of server tools has come to is sent back unchanged, and goes on.
        place = f"{PAUSE_ID}{str(message['id'])[-12:]}"
        call: JsonObject = {
            "type": "server_tool_use",
            "id": place,
            "name": "web_search",
            "input": {"query": "simulated"},
        }
        spoilt.update(content=[call], stop_reason="pause_turn", stop_sequence=None, stop_details=None)
    elif fault.how is Spoil.OTHER_MODEL:
        spoilt["model"] = fault.value or "claude-simulated-other"
    else:
        reason = "max_tokens" if fault.how is Spoil.MAX_TOKENS else fault.value or "simulated_reason"
        spoilt.update(stop_reason=reason, stop_sequence=None, stop_details=None)
    return spoilt
