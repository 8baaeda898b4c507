"""What the simulator was asked: the tests' witness of what really went over the wire."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from claude_run.scenario.model import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One request.

    `number` counts the requests to this path, from 1. `auth` is the scheme (`bearer`, `x-api-key`) or None,
    never the key. `body` is None where there is no JSON object. `status` is None until an answer begins:
    for a connection that was closed or still hangs.
    """

    number: int
    method: str
    path: str
    auth: str | None
    version: str | None
    body: JsonObject | None
    status: int | None = None


class Ledger:
    """The last `limit` requests in order of arrival; None keeps all of them."""

    def __init__(self, limit: int | None) -> None:
        self._entries: deque[list[LedgerEntry]] = deque(maxlen=limit)

    @property
    def entries(self) -> tuple[LedgerEntry, ...]:
        return tuple(cell[0] for cell in self._entries)

    def add(self, entry: LedgerEntry) -> Callable[[int], None]:
        """Keep a request that arrived; return the function that notes the status of its answer."""
        cell = [entry]
        self._entries.append(cell)

        def answered(status: int) -> None:
            cell[0] = replace(cell[0], status=status)

        return answered


def auth_scheme(headers: Mapping[str, str]) -> str | None:
    """Return how a request authenticates: `bearer`, `x-api-key`, or None where it does not."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return "bearer"
    return "x-api-key" if headers.get("x-api-key", "").strip() else None
