"""How the parts of a cluster call each other: an actor is an object in another process, called by name."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from claude_run.errors import MeasureError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

T = TypeVar("T")


class ActorLostError(MeasureError):
    """An actor does not answer any more; whether it has done what it was asked is not known."""


class Actor(Protocol):
    """An object in another process. What its methods take and return is copied on the way."""

    async def call(self, method: str, *arguments: Any, **keywords: Any) -> Any:  # noqa: ANN401 - as the method
        """Call a method and return what it returns; ActorLostError where the process is gone."""

    def end(self) -> None:
        """End the process for good, whatever it is at."""

    def restart(self) -> None:
        """End the process, whatever it is at, and have another one take its place."""


class Link(Generic[T]):
    """Carries items to an actor in order: all that have gathered go together, one call at a time.

    The first error is final: who waits gets it, and who puts anything later.
    """

    def __init__(self, carry: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        self._carry = carry
        self._items: list[T] = []
        self._put = self._carried = 0
        self._pump: asyncio.Task[None] | None = None
        self._error: Exception | None = None
        self._changed = asyncio.Event()

    def put(self, *items: T) -> None:
        """Send items off; what this has returned for may still be lost with the process."""
        if self._error is not None:
            raise self._error
        self._items += items
        self._put += len(items)
        if self._pump is None:
            self._pump = asyncio.create_task(self._run())

    async def delivered(self) -> None:
        """Return when all that was put so far has been taken, whatever others put meanwhile."""
        target = self._put
        while self._carried < target and self._error is None:
            await self._changed.wait()
        if self._error is not None:
            raise self._error

    async def _run(self) -> None:
        try:
            while self._items:
                items, self._items = self._items, []
                await self._carry(items)
                self._carried += len(items)
                self._wake()
        except Exception as error:  # noqa: BLE001 - it is raised where somebody waits, or puts more
            self._error = error
        except asyncio.CancelledError:
            self._error = ActorLostError("it is not known what was taken: this process is ending")
            raise
        finally:
            self._pump = None
            self._wake()

    def _wake(self) -> None:
        """Let all who wait look again."""
        self._changed.set()
        self._changed = asyncio.Event()
