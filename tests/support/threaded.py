"""What the servers of the tests share: each serves from a thread of its own while it is entered."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType
    from typing import Self


@dataclass(kw_only=True, eq=False)
class ThreadedServer(ABC):
    """A context manager; what listens, and how it answers, is told by `_listening`."""

    port: int = 0
    _loop: asyncio.AbstractEventLoop | None = None
    _stop: asyncio.Event | None = None
    _ready: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10), "the server of the tests did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._loop is not None
        assert self._stop is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def base_url(self) -> str:
        """Where it listens, for `ANTHROPIC_BASE_URL`."""
        return f"http://127.0.0.1:{self.port}"

    @abstractmethod
    def _listening(self) -> AbstractAsyncContextManager[int]:
        """Listen on loopback while it is entered; the value is the port."""

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with self._listening() as self.port:
            self._ready.set()
            await self._stop.wait()
