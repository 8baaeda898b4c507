"""Holds the ledger of an API against the journal of a run: what was lost, what was sent more than once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from claude_run.conversation.exchange import Request
from tests.system.crash.workspace import identity_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tests.system.crash.workspace import CrashWorkspace


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """What the journal and the ledger said when a process had just died."""

    replies: Mapping[str, Any]
    in_flight: frozenset[str]
    sent: int

    @classmethod
    def of(cls, workspace: CrashWorkspace) -> RunState:
        replies = {event["key"]: event["body"] for event in workspace.events("reply")}
        attempted = {event["key"] for event in workspace.events("attempt")}
        return cls(
            replies=replies, in_flight=frozenset(attempted - set(replies)), sent=len(workspace.api.ledger)
        )


def assert_promises_kept(workspace: CrashWorkspace, deaths: Sequence[RunState]) -> None:
    """Assert the promise of the journal over a run that is done now and has died at these moments.

    No reply is lost, no finished turn is sent again, a request is sent again at most once for each death
    that caught it in flight, every request was announced, and the replies are those of the API.
    """
    final = RunState.of(workspace)
    keys = list(map(key_of, workspace.api.ledger))
    for death in deaths:
        lost = {key for key, body in death.replies.items() if final.replies.get(key) != body}
        assert not lost, f"{len(lost)} replies were lost"
        again = set(death.replies) & set(keys[death.sent :])
        assert not again, f"{len(again)} finished turns were sent again"
    for key, times in Counter(keys).items():
        allowed = 1 + sum(key in death.in_flight for death in deaths)
        assert times <= allowed, f"{key} was sent {times} times, and may be sent {allowed} times"
    assert_announced(workspace, keys)
    assert not final.in_flight
    assert set(final.replies) == set(keys)


def assert_announced(workspace: CrashWorkspace, keys: Iterable[str]) -> None:
    """Assert that the journal has an attempt for everything that was sent."""
    attempts = Counter(event["key"] for event in workspace.events("attempt"))
    unannounced = Counter(keys) - attempts
    assert not unannounced, f"{unannounced.total()} requests were not in the journal before they were sent"


def key_of(body: Mapping[str, Any]) -> str:
    """Return the key that the journal knows a sent request by."""
    plain = {name: value for name, value in body.items() if name != "stream"}
    return Request(body=plain).key(identity_of(body))
