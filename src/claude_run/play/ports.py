"""What playing needs of the world outside: the API, the journal, the clock and somebody who watches."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from claude_run.errors import MeasureError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from decimal import Decimal
    from typing import TypeVar

    from claude_run.checks.kind import Finding
    from claude_run.checks.subject import Subject
    from claude_run.conversation.events import Event
    from claude_run.conversation.exchange import Exchange, Failure, Reply, Request
    from claude_run.conversation.script import Conversation
    from claude_run.conversation.steps import Send
    from claude_run.conversation.transcript import Transcript
    from claude_run.conversation.usage import Usage
    from claude_run.plan.caching import SharedPrefix
    from claude_run.scenario.json_values import Json, JsonObject

    T = TypeVar("T")


class RequestFailedError(MeasureError):
    """An attempt brought no whole reply; `failure` says why, as data."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class FailedInBatchError(RequestFailedError):
    """The same of an attempt that was a part of a batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A whole reply, parsed once, and the headers that pacing reads, by names in lower case."""

    reply: Reply
    request_id: str | None = None
    simulated: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long things may take, in seconds of wall-clock time, and the moment when the run must be over."""

    attempt_s: float = 600.0
    conversation_s: float = 3600.0
    end: float = math.inf


class Messages(Protocol):
    """The Messages API."""

    async def send(self, request: Request, *, began: Callable[[Usage], None] | None = None) -> Received:
        """Send once, without retries; RequestFailedError when no whole message comes back.

        `began` is told what the prompt has used as soon as the reply begins, where that can be seen.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedRequest:
    """A request as it goes into a batch: the JSON of its parameters, and the headers that its batch needs."""

    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchState:
    """How a batch stands at the API. `size` is the number of its requests, whatever became of them.

    Times are as the API says them, RFC 3339.
    """

    id: str
    size: int
    ended: bool
    created_at: str
    expires_at: str | None = None
    simulated: bool = False


class Batches(Protocol):
    """The Message Batches API; RequestFailedError where it does not answer, or refuses.

    `headers` are those that the batch was submitted with: the workspace is one of them.
    """

    def pack(self, request: Request) -> PackedRequest:
        """Return the request as a batch takes it."""

    async def submit(self, items: Sequence[tuple[str, bytes]], headers: Mapping[str, str]) -> BatchState:
        """Submit packed requests under their ids."""

    async def state(self, batch: str, headers: Mapping[str, str]) -> BatchState:
        """Return how a batch stands."""

    def listed(self, headers: Mapping[str, str]) -> AsyncIterator[BatchState]:
        """Yield the batches of the workspace, the newest first."""

    def results(
        self, batch: str, headers: Mapping[str, str]
    ) -> AsyncIterator[tuple[str, Received | Failure]]:
        """Yield the id and the reply, or why there is none, of each request of a batch that has ended."""

    async def cancel(self, batch: str, headers: Mapping[str, str]) -> None:
        """Ask for the end of a batch; what is answered already stays so."""


class BatchJournal(Protocol):
    """The journal, for what concerns no single conversation."""

    def append_run(self, what: str, **fields: Json) -> None:
        """Keep a line on the run; StorageError ends it."""

    async def synced(self) -> None:
        """Return when all that was appended is safe from a loss of power."""


class ReplyWatcher(Protocol):
    """Somebody who reads replies while they are written; what was read may be cut off, and begin anew."""

    def began(self) -> None:
        """Note that a reply begins."""

    def thinking(self) -> None:
        """Note that the model thinks before, or between, what it says."""

    def said(self, text: str) -> None:
        """Take the next piece of the reply's text; no credential stands in it."""


class Pacing(Protocol):
    """When a request may go out: playing live, in a batch or on a cluster, each in its own way."""

    def slot(self, model: str) -> AbstractAsyncContextManager[None]:
        """Hold a place among the requests to a model that are under way; waits until there is one."""

    async def renewed(self, model: str, let_out_at: float) -> None:
        """Wait until a request that was let out and did not leave in time may leave; it keeps its place."""

    def unused(self, model: str, let_out_at: float) -> None:
        """Note that a request that was let out then, in seconds of the clock, will not leave."""

    def replied(self, model: str, headers: Mapping[str, str]) -> float:
        """Note an answer, and what its headers say of the limits; return the seconds they ask to wait."""

    def throttled(self, model: str, seconds: float) -> None:
        """Note that the API asks for fewer requests, and for a pause."""

    def outage(self, model: str, seconds: float) -> None:
        """Note that a model answers nobody: one request at a time until it does, the next after so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A request that is about to be sent for the n-th time: to whom, and what it may cost at worst.

    It shares its `prefix` with others, and waits no longer than `within_s` seconds.
    """

    conversation_id: str
    key: str
    n: int
    model: str
    prefix: SharedPrefix | None
    worst_usd: Decimal | None
    within_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRequest:
    """How the last attempt at a request failed, and what came before: times are in seconds.

    Its failures in passing have lasted for `lasted_s`, so many `attempts`, of which so many were probably
    `billed`; to the deadline of its conversation `left_s` are left.
    """

    model: str
    key: str
    failure: Failure
    lasted_s: float
    attempts: int
    billed: int
    left_s: float


class Charged(Protocol):
    """What an attempt has cost in US dollars, said once it is known; None where nobody knows."""

    paid_usd: Decimal | None


class Admission(Charged, Protocol):
    """A request that may leave; it holds its place until its block is left."""

    @property
    def worst_usd(self) -> Decimal | None:
        """What was set aside for it."""

    @property
    def is_waited_for(self) -> bool:
        """Whether others wait for its reply to begin."""

    def began(self, used: Usage) -> None:
        """Note that its reply has begun, and what its prompt has read and written."""

    async def confirm(self) -> None:
        """Return once it may leave at this moment; HaltedError where it may not any more."""


class Pace(Protocol):
    """What all requests of a run share: when each may leave, and what follows from how it ended."""

    def admitted(self, wanted: Wanted) -> AbstractAsyncContextManager[Admission]:
        """Wait until a request may leave, and hold its place; HaltedError where the run is over."""

    async def replied(self, model: str, headers: Mapping[str, str], *, other: str | None = None) -> None:
        """Note a whole reply and its headers; `other` says why it comes from another model than was asked."""

    async def failed(self, request: FailedRequest) -> float | None:
        """Note a failure; return the seconds to wait before the next attempt, None to give the request up.

        HaltedError where all others would fail in the same way.
        """


class Prices(Protocol):
    """What requests may cost and replies did cost, in US dollars; None where the model has no known price."""

    def worst(self, step: Send, exchanges: Sequence[Exchange]) -> Decimal | None:
        """Return an upper bound for one attempt at the next step after these exchanges."""

    def paid(self, request: Request, body: JsonObject) -> Decimal | None:
        """Return the price of a reply by its own usage."""


class BatchPrices(Protocol):
    """What requests may cost as a part of a batch."""

    def worst_batched(self, step: Send, exchanges: Sequence[Exchange]) -> Decimal | None:
        """Return an upper bound as `Prices.worst` does."""


class Recorder(Protocol):
    """The journal."""

    def append(self, *events: Event) -> None:
        """Keep events, all or none of them; StorageError ends the run."""

    async def written(self) -> None:
        """Return when all that was appended survives the end of this process."""

    async def synced(self) -> None:
        """Return when all that was appended is safe from a loss of power."""


class RecordedReplies(Protocol):
    """Replies of an earlier run."""

    def find(self, key: str) -> Exchange | None:
        """Return the recorded reply to the request with this key."""

    def explain(self, request: Request, conversation_id: str) -> str:
        """Say why there is none: the first part in which the nearest recorded request differs."""

    def has(self, conversation_id: str) -> bool:
        """Return whether the conversation was recorded at all."""


class OwnChecks(Protocol):
    """Checks that are code of others, called where they can do no harm."""

    async def judge(self, name: str, value: Json, subject: Subject) -> Finding:
        """Return what a check finds about a subject; errored where it does not come to a finding."""


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


class Spending(Protocol):
    """What a run has cost so far, in US dollars, to be looked at whenever somebody wants to know.

    `paid_usd` is what this process has paid for sure. `spent_usd` is what counts against the cap `cap_usd`,
    where there is one: of all processes of the run, and what nobody knows at its worst.
    """

    @property
    def cap_usd(self) -> Decimal | None: ...
    @property
    def paid_usd(self) -> Decimal: ...
    @property
    def spent_usd(self) -> Decimal: ...


class Waits(Protocol):
    """Somebody who is told why nothing leaves."""

    def waiting(self, what: str, seconds: float, reason: str) -> None:
        """Note that a model, or what an option bounds, is waited for, how long at most, and why."""

    def outage(self, model: str, seconds: float, reason: str) -> None:
        """Note that a model has answered nobody for so many seconds: one request at a time goes out."""

    def resumed(self, what: str) -> None:
        """Note that what was waited for is there: a model answers again, an option lets requests out."""


class Progress(Waits, Protocol):
    """Somebody who watches. What is told for every turn must cost next to nothing."""

    def begin(self, totals: Mapping[str, int], spending: Spending) -> None:
        """Note how many conversations of each model, by its label, are about to be played, or are besides."""

    def asking(self, conversation: Conversation, turn: int | None) -> None:
        """Note that a request of a conversation leaves: for a turn, or None for a judge."""

    def left(self, conversation_id: str) -> None:
        """Note that a conversation is under way no more, whether or not it came to its end."""

    def in_flight(self, count: int) -> None:
        """Note how many requests are under way."""

    def finished(self, transcript: Transcript) -> None:
        """Note that a conversation is over."""

    def end(self) -> None:
        """Note that nothing more comes."""
