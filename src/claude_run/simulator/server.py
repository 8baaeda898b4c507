"""The simulator as a server on a real socket."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aiohttp import web

from claude_run.errors import InputError
from claude_run.simulator.faults import FaultScript
from claude_run.simulator.replies import NoReplies
from claude_run.simulator.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from claude_run.simulator.replies import ReplyBook
    from claude_run.simulator.service import LedgerEntry

_GRACE_S = 1.0
"""How long answers under way may take to end when the server stops."""


@dataclass(kw_only=True, eq=False)
class Simulator:
    """An async context manager: while it is entered, it serves the Messages API at `base_url`.

    `latency_s` is a fixed delay, or the shortest and longest one, before each message; it replaces the
    fault script's own. Port 0 takes a free one. `ledger_limit` is how many requests `ledger` remembers:
    None all, 0 none. `clock` gives the seconds that cache lifetimes are counted in. Entering raises
    InputError where it cannot listen.
    """

    replies: ReplyBook = field(default_factory=NoReplies)
    faults: FaultScript = field(default_factory=FaultScript)
    latency_s: float | tuple[float, float] | None = None
    host: str = "127.0.0.1"
    port: int = 0
    ledger_limit: int | None = None
    clock: Callable[[], float] = time.time
    _service: Service | None = field(default=None, init=False, repr=False)
    _runner: web.ServerRunner | None = field(default=None, init=False, repr=False)

    async def __aenter__(self) -> Self:
        faults = self.faults
        if self.latency_s is not None:
            latency = (
                self.latency_s if isinstance(self.latency_s, tuple) else (self.latency_s, self.latency_s)
            )
            faults = replace(faults, latency_s=latency)
        service = Service(self.replies, faults, clock=self.clock, ledger_limit=self.ledger_limit)
        # A client that leaves ends its handler; nobody reads an access log.
        server = web.Server(service.handle, handler_cancellation=True, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=_GRACE_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, self.host, self.port).start()
        except (OSError, OverflowError) as error:
            await runner.cleanup()
            raise InputError(
                f"the simulator cannot listen on {self.host!a}, port {self.port}: {error}; "
                "choose another port, or 0 for a free one"
            ) from error
        self._service, self._runner = service, runner
        self.port = runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._service is not None and self._runner is not None:
            self._service.close()
            await self._runner.cleanup()

    @property
    def base_url(self) -> str:
        """Where it listens, for `ANTHROPIC_BASE_URL`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def ledger(self) -> tuple[LedgerEntry, ...]:
        """The requests so far, in order of arrival; they stay readable after the server has stopped."""
        return self._service.ledger.entries if self._service is not None else ()
