"""A Messages API that outlives its clients, answers by the request alone, and keeps a ledger."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.support.scripted_server import events_of, message_for, sse
from tests.support.threaded import ThreadedServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import TracebackType

LATENCY_S = 0.004


@dataclass(kw_only=True, eq=False)
class LedgerApi(ThreadedServer):
    """A context manager that serves from a thread of its own while it is entered.

    `ledger` holds the body of every request in the order of arrival. `refuse` may return an error status
    for a body instead of a reply. `hold` keeps all replies back until it is set again.
    """

    latency_s: float = LATENCY_S
    refuse: Callable[[dict[str, Any]], int | None] = lambda _: None
    ledger: list[dict[str, Any]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)
    hold: bool = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hold = False
        super().__exit__(kind, error, trace)

    def reset(self) -> None:
        """Forget what came, and behave well again."""
        self.ledger.clear()
        self.arrived.clear()
        self.latency_s, self.refuse, self.hold = LATENCY_S, lambda _: None, False

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[int]:
        runner = web.ServerRunner(
            web.Server(self._handle, handler_cancellation=True, access_log=None), shutdown_timeout=0.1
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
        await runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = json.loads(await request.read())
        self.ledger.append(body)
        self.arrived.set()
        await asyncio.sleep(self.latency_s)
        while self.hold:  # noqa: ASYNC110 - set by another thread, which an asyncio.Event is not for
            await asyncio.sleep(0.01)
        status = self.refuse(body)
        if status is not None:
            error = {"type": "invalid_request_error", "message": f"{status} by the test"}
            return web.json_response({"type": "error", "error": error}, status=status)
        headers = {"request-id": f"req_{len(self.ledger)}"}
        if not body.get("stream"):
            return web.json_response(message_for(body), headers=headers)
        # Event by event, so that a client may die between any two of them.
        stream = web.StreamResponse(headers={**headers, "content-type": "text/event-stream"})
        await stream.prepare(request)
        for event in events_of(message_for(body)):
            await stream.write(sse([event]))
            await asyncio.sleep(self.latency_s / 4)
        return stream
