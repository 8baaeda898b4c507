"""A Messages API that costs next to nothing, in a process of its own: canned replies after a fixed latency.

    python -m tests.bench.load_server 0.2

It prints its address. `GET /span` returns when the first request since the last call came and when the last
reply left, in seconds of its own clock, and how many requests that were; nothing else is kept.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_MODEL = re.compile(rb'"model": ?"([^"]+)"')
ANSWER = "You can return it within 30 days; please keep the receipt and the box. " * 14
"""About a kilobyte of text, as replies to a support agent's customers have."""


class Load:
    """What came since somebody asked last."""

    def __init__(self, latency_s: float) -> None:
        self.latency_s = latency_s
        self.requests = 0
        self.begin = self.end = 0.0

    def taken(self) -> bytes:
        """Return it as JSON and begin anew."""
        span = {"requests": self.requests, "begin_s": self.begin, "end_s": self.end}
        self.requests = 0
        return json.dumps(span).encode()


class Connection(asyncio.Protocol):
    """One keep-alive connection that carries a request at a time, as HTTP clients use it."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        length = int(match[1]) if (match := _LENGTH.search(head)) else 0
        if not found or len(body) < length:
            return
        self._data = b""
        if head.startswith(b"GET /span"):
            self._transport.write(_response(self._load.taken()))
            return
        if not self._load.requests:
            self._load.begin = time.monotonic()
        self._load.requests += 1
        model = match[1].decode() if (match := _MODEL.search(body)) else "unknown"
        number = self._load.requests
        asyncio.get_running_loop().call_later(self._load.latency_s, self._answer, number, model, length)

    def _answer(self, number: int, model: str, length: int) -> None:
        self._load.end = time.monotonic()
        message = {
            "id": f"msg_{number:06}",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [{"type": "text", "text": ANSWER}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {
                "input_tokens": length // 4,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": len(ANSWER) // 4,
                "service_tier": "standard",
            },
        }
        self._transport.write(_response(json.dumps(message).encode()))


def _response(body: bytes) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nrequest-id: req_bench\r\n"
        b"content-length: %d\r\n\r\n%s" % (len(body), body)
    )


async def main(latency_s: float) -> None:
    """Serve until the process is ended."""
    load = Load(latency_s)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(load), "127.0.0.1", 0, backlog=1024
    )
    host, port = server.sockets[0].getsockname()
    print(f"http://{host}:{port}", flush=True)  # noqa: T201 - whoever started it reads the address
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
