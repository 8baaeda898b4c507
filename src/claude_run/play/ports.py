"""What playing needs of the world outside: the API, the journal, the clock and somebody who watches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from claude_run.errors import MeasureError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping
    from typing import TypeVar

    from claude_run.conversation.events import Event, Replied
    from claude_run.conversation.exchange import Failure, Reply, Request
    from claude_run.conversation.transcript import Transcript

    T = TypeVar("T")


class RequestFailedError(MeasureError):
    """An attempt brought no whole reply; `failure` says why, as data."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A whole reply as it came, parsed once, and the headers that pacing reads (lower case names)."""

    reply: Reply
    request_id: str | None = None
    simulated: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


class Messages(Protocol):
    """The Messages API."""

    async def send(self, request: Request) -> Received:
        """Send once, without retries; RequestFailedError when no whole message comes back."""


class Recorder(Protocol):
    """The journal."""

    def append(self, event: Event) -> None:
        """Keep an event; StorageError ends the run."""

    async def synced(self) -> None:
        """Return when all that was appended is safe from a loss of power."""


class Recording(Protocol):
    """Replies of an earlier run."""

    def find(self, key: str) -> Replied | None:
        """Return the recorded reply to the request with this key."""

    def explain(self, request: Request, conversation_id: str) -> str:
        """Say why there is none: the first part in which the nearest recorded request differs."""


class Clock(Protocol):
    """Time, so that waits and deadlines can be tested without waiting."""

    def now(self) -> str:
        """Return the UTC time, ISO 8601 with milliseconds."""

    def monotonic(self) -> float:
        """Return seconds that never step back."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""

    async def within(self, seconds: float, work: Awaitable[T]) -> T:
        """Await `work`; cancel it and raise TimeoutError when the wall-clock deadline passes."""


class Progress(Protocol):
    """Somebody who watches."""

    def begin(self, total: int) -> None:
        """Note that `total` conversations are about to be played."""

    def in_flight(self, count: int) -> None:
        """Note how many requests are under way."""

    def waiting(self, model: str, seconds: float, reason: str) -> None:
        """Note that sending to a model pauses, and why."""

    def finished(self, transcript: Transcript) -> None:
        """Note that a conversation is over."""

    def end(self) -> None:
        """Note that nothing more comes."""
