"""A script of faults: which request goes wrong, and how. Equal scripts and requests give equal faults."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from claude_run.scenario.json_values import JsonObject


class Break(StrEnum):
    """How a connection or a body goes wrong. Those up to `BAD_UTF8` come instead of a reply.

    `CUT` breaks the connection off half way; `TRUNCATE` ends the body properly but half way; `STALL` falls
    silent half way; `CLOSE_AFTER` closes the idle connection after a whole reply. `BAD_EVENT` and
    `UNKNOWN_EVENT` concern streams only: without one the reply is whole.
    """

    CLOSE = "close"
    RESET = "reset"
    HANG = "hang"
    EMPTY = "empty"
    EMPTY_OBJECT = "empty-object"
    BAD_JSON = "bad-json"
    BAD_UTF8 = "bad-utf8"
    CUT = "cut"
    TRUNCATE = "truncate"
    STALL = "stall"
    CLOSE_AFTER = "close-after"
    BAD_EVENT = "bad-event"
    UNKNOWN_EVENT = "unknown-event"


class Spoil(StrEnum):
    """How a reply that arrives whole is not what a client hopes for."""

    NO_USAGE = "no-usage"
    EMPTY_CONTENT = "empty-content"
    UNKNOWN_BLOCK = "unknown-block"
    STOP_REASON = "stop-reason"
    REFUSAL = "refusal"
    MAX_TOKENS = "max-tokens"
    PAUSE = "pause"
    OTHER_MODEL = "other-model"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusFault:
    """An error answer. `retry_after` goes out as written; `should_retry` is the `x-should-retry` header."""

    status: int
    type: str | None = None
    code: str | None = None
    message: str | None = None
    retry_after: str | None = None
    should_retry: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFault:
    """An HTML page, as a proxy on the way would answer."""

    status: int = 502


@dataclass(frozen=True, slots=True, kw_only=True)
class RedirectFault:
    """A redirect; without a `location` to a path of this server, so that its ledger shows who follows."""

    status: int = 307
    location: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakFault:
    """A connection or a body that breaks."""

    how: Break


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoilFault:
    """A reply with something amiss.

    `value` is the stop reason, the category of a refusal, or the model that answers in place of the one asked
    for.
    """

    how: Spoil
    value: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEventFault:
    """An `error` event in mid-stream; without a stream, the error body with status 200."""

    type: str = "overloaded_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class DripFault:
    """A reply that arrives `size` bytes at a time, every `every_s` seconds."""

    size: int = 1
    every_s: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class HugeFault:
    """A reply whose text has `size` bytes; with `gzip` it is small on the wire."""

    size: int = 100_000_000
    gzip: bool = False


Fault: TypeAlias = (
    StatusFault
    | PageFault
    | RedirectFault
    | BreakFault
    | SpoilFault
    | ErrorEventFault
    | DripFault
    | HugeFault
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a rule may look at: the how-manieth `POST /v1/messages` it is, and what it says.

    `digest` is of the raw body and `seen` counts from 1 how often just this body came, so that chance does
    not depend on the order in which concurrent requests arrive. `body` is None where it is not a JSON object.
    """

    number: int
    digest: bytes
    seen: int
    body: JsonObject | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """A fault and when it happens: the requests `first` to `last`, by `chance`, and where `when` holds."""

    fault: Fault
    first: int = 1
    last: int | None = None
    chance: float = 1.0
    when: Callable[[Call], bool] | None = None

    def covers(self, call: Call) -> bool:
        in_range = self.first <= call.number and (self.last is None or call.number <= self.last)
        return in_range and (self.when is None or self.when(call))


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultScript:
    """The rules, of which the first that applies wins; `latency_s` is the shortest and longest delay.

    What is written into the prompt cache can be read `cache_delay_s` seconds later, and a request reads
    nothing from it by the chance `cache_miss`.

    A batch ends `batch_delay_s` seconds after it was taken; each of its requests is answered with an error,
    or expires, by the chances `batch_error` and `batch_expiry`. The answers to the first `batch_lost`
    submissions never arrive: the batch is taken, and the connection is cut.
    """

    rules: tuple[FaultRule, ...] = ()
    latency_s: tuple[float, float] = (0.0, 0.0)
    seed: int = 0
    cache_delay_s: float = 0.0
    cache_miss: float = 0.0
    batch_delay_s: float = 0.1
    batch_error: float = 0.0
    batch_expiry: float = 0.0
    batch_lost: int = 0

    def pick(self, call: Call) -> Fault | None:
        """Return what goes wrong with this request."""
        for index, rule in enumerate(self.rules):
            if rule.covers(call) and self._roll(call, f"fault {index}") < rule.chance:
                return rule.fault
        return None

    def delay_s(self, call: Call) -> float:
        """Return the seconds before this request is answered."""
        low, high = self.latency_s
        return low if low == high else low + (high - low) * self._roll(call, "latency")

    def misses_cache(self, call: Call) -> bool:
        """Return whether this request finds nothing in the prompt cache."""
        return self.cache_miss > 0 and self._roll(call, "cache") < self.cache_miss

    def batch_fails(self, how: Literal["error", "expiry"], draw: bytes) -> bool:
        """Return whether a request of a batch is answered with an error, or expires; `draw` sets it apart."""
        chance = self.batch_error if how == "error" else self.batch_expiry
        return chance > 0 and _share(f"{self.seed}\nbatch {how}\n".encode() + draw) < chance

    def _roll(self, call: Call, what: str) -> float:
        """Return a number from 0 to under 1 that follows from the seed and the request alone."""
        return _share(f"{self.seed}\n{what}\n{call.seen}\n".encode() + call.digest)


def _share(of: bytes) -> float:
    return int.from_bytes(hashlib.sha256(of).digest()[:7]) / 256**7
