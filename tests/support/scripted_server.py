"""A scripted HTTP/1.1 server over raw sockets: its answers are exact bytes, its ledger has every request."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import struct
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.support.threaded import ThreadedServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedRequest:
    """One request as it arrived, with its header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        """The JSON of the body."""
        return json.loads(self.raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back: these bytes, then the connection is closed, reset, or kept open in silence.

    The first byte comes after `delay_s` seconds, and with `drip_s` each byte after as many again. With
    `keep_s` the connection takes a further request within so many seconds.
    """

    data: bytes = b""
    reset: bool = False
    silent: bool = False
    delay_s: float = 0.0
    drip_s: float = 0.0
    keep_s: float = 0.0


@dataclass(kw_only=True, eq=False)
class RawServer(ThreadedServer):
    """A context manager that serves on a loopback port in a thread of its own while it is entered.

    `respond` decides on the answer to each request; `ledger` holds the requests in order of arrival.
    """

    respond: Callable[[ReceivedRequest], Answer]
    ledger: list[ReceivedRequest] = field(default_factory=list)

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._handle, "127.0.0.1", self.port)
        yield server.sockets[0].getsockname()[1]
        server.close()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A client may leave at any moment; that is what some of the tests are about.
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, TimeoutError):
            answer = await self._exchange(reader, writer, wait_s=None)
            while answer.keep_s:
                answer = await self._exchange(reader, writer, wait_s=answer.keep_s)
            if answer.silent:
                await reader.read()  # until the client leaves
            if answer.reset:
                _reset_on_close(writer)
        writer.close()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, wait_s: float | None
    ) -> Answer:
        async with asyncio.timeout(wait_s):
            request = await _read(reader)
        self.ledger.append(request)
        answer = self.respond(request)
        await asyncio.sleep(answer.delay_s)
        pieces = [answer.data[at : at + 1] for at in range(len(answer.data))] if answer.drip_s else ()
        for piece in pieces or (answer.data,):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(answer.drip_s)
        return answer


def in_turn(*answers: Answer) -> Callable[[ReceivedRequest], Answer]:
    """Give the answers one after the other, the last one for ever."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def http(
    body: bytes, *, status: int = 200, kind: str = "application/json", headers: Iterable[str] = ()
) -> Answer:
    """Answer with a whole body, and then close."""
    lines = [
        f"HTTP/1.1 {status} Scripted",
        f"content-type: {kind}",
        f"content-length: {len(body)}",
        "connection: close",
        *headers,
    ]
    return Answer(data="\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def json_answer(value: Any, *, status: int = 200, headers: Iterable[str] = ()) -> Answer:
    """Answer with a value as JSON."""
    return http(json.dumps(value).encode(), status=status, headers=headers)


def error_answer(kind: str, message: str, *, status: int, headers: Iterable[str] = ()) -> Answer:
    """Answer with an error body of the API."""
    error = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_body"}
    return json_answer(error, status=status, headers=headers)


def stream_answer(data: bytes, *, length: int | None = None, headers: Iterable[str] = ()) -> Answer:
    """Answer with server-sent events; their end is the end of the connection, or comes before `length`."""
    lines = [
        "HTTP/1.1 200 OK",
        "content-type: text/event-stream; charset=utf-8",
        *([] if length is None else [f"content-length: {length}"]),
        "connection: close",
        *headers,
    ]
    return Answer(data="\r\n".join(lines).encode() + b"\r\n\r\n" + data)


def message(
    *content: Mapping[str, Any], usage: Mapping[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    """Return a message of the API with these blocks, by default one line of text."""
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-5-5",
        "content": list(content) or [{"type": "text", "text": "Hello there."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": dict(usage or {"input_tokens": 10, "output_tokens": 5}),
        **fields,
    }


def message_for(body: dict[str, Any]) -> dict[str, Any]:
    """Return the message that answers a request: equal requests get equal messages."""
    text = json.dumps(body, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    # Where there are tools, the user's words bring two calls at once, and their results an answer.
    calls = [
        {"type": "tool_use", "id": f"toolu_{digest[:8]}_{name}", "name": name, "input": {"id": digest[:4]}}
        for name in (str(tool["name"]) for tool in body.get("tools", ()))
    ]
    if calls and "tool_result" not in json.dumps(body["messages"][-1]):
        thinking = {"type": "thinking", "thinking": "", "signature": digest[20:40]}
        return {
            **message_for({**body, "tools": []}),
            "content": [thinking, *calls],
            "stop_reason": "tool_use",
        }
    return {
        "id": f"msg_{digest[:12]}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [
            {"type": "thinking", "thinking": f"Hm, {digest[12:20]}.", "signature": digest[20:40]},
            {"type": "text", "text": f"My number is {int(digest[:6], 16)}, dear {len(body['messages'])}."},
        ],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": len(text) // 4, "output_tokens": 20},
    }


def events_of(whole: Mapping[str, Any], *, piece: int = 5) -> list[dict[str, Any]]:
    """Split a message into the events of its stream, texts in pieces of `piece` characters."""
    started = {**whole, "content": [], "stop_reason": None, "stop_sequence": None}
    started["usage"] = {**whole["usage"], "output_tokens": 1}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": started}]
    for index, block in enumerate(whole["content"]):
        begun, deltas = _split_block(block, piece)
        events.append({"type": "content_block_start", "index": index, "content_block": begun})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": whole["stop_reason"], "stop_sequence": whole["stop_sequence"]}
    usage = {"output_tokens": whole["usage"]["output_tokens"]}
    return [*events, {"type": "message_delta", "delta": delta, "usage": usage}, {"type": "message_stop"}]


def sse(events: Sequence[Mapping[str, Any]], *, end: str = "\n") -> bytes:
    """Write events as the API does, each with its name and its data."""
    lines = [
        f"event: {event['type']}{end}data: {json.dumps(event, ensure_ascii=False)}{end}{end}"
        for event in events
    ]
    return "".join(lines).encode()


def _split_block(block: Mapping[str, Any], piece: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what a block begins with, and the deltas that make it whole."""
    match block["type"]:
        case "text":
            citations = block.get("citations") or []
            cited = [{"type": "citations_delta", "citation": each} for each in citations]
            begun = {**block, "text": "", **({"citations": []} if citations else {})}
            return begun, [*cited, *_deltas("text_delta", "text", block["text"], piece=piece)]
        case "thinking":
            thought = _deltas("thinking_delta", "thinking", block["thinking"], piece=piece)
            signed = {"type": "signature_delta", "signature": block["signature"]}
            return {**block, "thinking": "", "signature": ""}, [*thought, signed]
        case "tool_use":
            parts = _deltas("input_json_delta", "partial_json", json.dumps(block["input"]), piece=piece)
            first = {"type": "input_json_delta", "partial_json": ""}
            return {**block, "input": {}}, [first, *parts]
        case _:
            return dict(block), []


def _deltas(kind: str, name: str, text: str, *, piece: int) -> list[dict[str, Any]]:
    return [{"type": kind, name: text[at : at + piece]} for at in range(0, len(text), piece)]


async def _read(reader: asyncio.StreamReader) -> ReceivedRequest:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    return ReceivedRequest(method=method, path=path, headers=headers, raw=raw)


def _reset_on_close(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)


async def arriving(chunks: tuple[bytes, ...]) -> AsyncIterator[bytes]:
    """Yield the chunks, as a connection does."""
    for chunk in chunks:
        yield chunk
