"""One HTTP exchange on the wire: each answer gets the API's headers and says that it is simulated."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from typing import TYPE_CHECKING

from aiohttp import web

from claude_run import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from claude_run.scenario.json_values import JsonObject

SIMULATOR_HEADER = "claude-run-simulator"
JSON_TYPE = "application/json"
LINES_TYPE = "application/x-jsonl"
STREAM_TYPE = "text/event-stream; charset=utf-8"
_RATE_LIMITS = {
    "requests": 10_000,
    "tokens": 12_000_000,
    "input-tokens": 10_000_000,
    "output-tokens": 2_000_000,
}
"""The Scale tier (messages-api reference, 6.4). Nothing is enforced, so the buckets are always full."""
_NEVER_IN_THE_WAY = "2000-01-01T00:00:00Z"


class Connection:
    """The answering side of one request. `closing` is set when the server stops: nothing waits longer."""

    def __init__(
        self,
        request: web.BaseRequest,
        *,
        request_id: str,
        closing: asyncio.Event,
        on_status: Callable[[int], None],
    ) -> None:
        self.request_id = request_id
        self._request = request
        self._closing = closing
        self._on_status = on_status

    async def send_json(
        self, body: JsonObject, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> web.StreamResponse:
        """Send a whole JSON body."""
        raw = json.dumps(body, separators=(",", ":")).encode()
        return await self.send(raw, status=status, headers=headers)

    async def send(
        self,
        raw: bytes,
        *,
        status: int = 200,
        content_type: str = JSON_TYPE,
        headers: Mapping[str, str] | None = None,
    ) -> web.StreamResponse:
        """Send a whole body of any kind."""
        self._on_status(status)
        whole = {**self._headers(), "content-type": content_type, **(headers or {})}
        response = web.Response(status=status, body=raw, headers=whole)
        await response.prepare(self._request)
        await response.write_eof()
        return response

    async def send_lines(self, lines: Iterable[bytes]) -> web.StreamResponse:
        """Send lines of JSON one by one."""
        response = await self.open(content_type=LINES_TYPE)
        for line in lines:
            await response.write(line)
        await response.write_eof()
        return response

    async def open(
        self, *, content_type: str, length: int | None = None, gzip: bool = False
    ) -> web.StreamResponse:
        """Begin an answer that is written piece by piece; with a `length` it is not chunked."""
        self._on_status(200)
        headers = {**self._headers(), "content-type": content_type}
        response = web.StreamResponse(status=200, headers=headers)
        if gzip:
            response.enable_compression(web.ContentCoding.gzip)
        elif length is not None:
            response.content_length = length
        await response.prepare(self._request)
        return response

    async def pause(self, seconds: float) -> None:
        """Wait, but not longer than the server lives."""
        if seconds > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), seconds)

    async def hang(self) -> web.StreamResponse:
        """Say nothing more until the client leaves or the server stops."""
        await self._closing.wait()
        return self.close()

    def close(self) -> web.StreamResponse:
        """Close the connection after what is already written."""
        if self._request.transport is not None:
            self._request.transport.close()
        return web.Response()

    def reset(self) -> web.StreamResponse:
        """Tear the connection down with a TCP reset."""
        transport = self._request.transport
        if transport is not None:
            # A linger time of 0 makes the kernel send RST instead of FIN.
            linger = struct.pack("ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            transport.abort()
        return web.Response()

    def _headers(self) -> dict[str, str]:
        headers = {
            SIMULATOR_HEADER: __version__,
            "request-id": self.request_id,
            "anthropic-organization-id": "org_sim",
        }
        for name, limit in _RATE_LIMITS.items():
            headers[f"anthropic-ratelimit-{name}-limit"] = str(limit)
            headers[f"anthropic-ratelimit-{name}-remaining"] = str(limit)
            headers[f"anthropic-ratelimit-{name}-reset"] = _NEVER_IN_THE_WAY
        return headers
