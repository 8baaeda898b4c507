"""What happens to a conversation, in order: what the journal keeps and a log is grown from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from claude_run.conversation.exchange import Failure, Reply, SentMessage
    from claude_run.conversation.identity import Identity
    from claude_run.conversation.results import CheckResult, Outcome
    from claude_run.scenario.json_values import Json, JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A conversation begins. `roles` are the roles of its scripted turns; `system` is as sent.

    `expectations` is the digest of what it is held against. `files` are the paths of the files that its
    messages hold, each by its `file_digest`. Both are None in the journals of earlier versions.
    """

    identity: Identity
    vars: JsonObject
    tags: tuple[str, ...]
    system: Json
    params: JsonObject
    roles: tuple[str, ...]
    expectations: str | None = None
    files: Mapping[str, str] | None = None
    at: str

    @property
    def conversation_id(self) -> str:
        return self.identity.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request was made up: the messages that it adds to the history, kept once however often it is sent.

    `judge` labels a question to a judge about the conversation; None is a request of the conversation itself.
    """

    conversation_id: str
    turn: int
    key: str
    sent: tuple[SentMessage, ...]
    judge: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """A request is about to be sent for the n-th time (from 1); it may cost up to `worst_cost_usd`.

    One that is sent `in_batch` leaves with the batch that names it.
    """

    conversation_id: str
    turn: int
    key: str
    n: int
    worst_cost_usd: Decimal | None
    in_batch: bool = False
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replied:
    """A whole reply arrived, with what was seen around it; it was parsed once, where it came in."""

    conversation_id: str
    turn: int
    key: str
    n: int
    reply: Reply
    request_id: str | None
    latency_s: float
    cost_usd: Decimal | None
    simulated: bool
    replayed: bool
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """An attempt brought no reply."""

    conversation_id: str
    turn: int
    key: str
    n: int
    failure: Failure
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """A reply was paid for and cannot be used: it counts no longer, and its request is asked again."""

    conversation_id: str
    turn: int
    key: str
    reason: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A conversation is over: its checks by turn index, the checks on the whole, and its outcome.

    `left_out` are the indexes of the turns that were not sent because no reply gave cause for them.
    """

    conversation_id: str
    outcome: Outcome
    error: str | None
    error_turn: int | None
    warnings: tuple[str, ...]
    turn_checks: tuple[tuple[int, tuple[CheckResult, ...]], ...]
    checks: tuple[CheckResult, ...]
    duration_s: float
    left_out: tuple[int, ...] = ()
    at: str


Event: TypeAlias = Started | Asked | Attempted | Replied | Failed | SetAside | Ended
