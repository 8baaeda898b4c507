"""The prompt cache: what a request reads from it and writes to it (messages-api reference, section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from claude_run.scenario.json_values import JsonObject
    from claude_run.simulator.prompt import Prompt, Ttl

LIFETIME_S: dict[Ttl, float] = {"5m": 300.0, "1h": 3600.0}
LOOK_BACK = 20
"""How many positions before a breakpoint an entry is looked for."""
MAX_ENTRIES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheUse:
    """What one request reads and writes, in tokens; `fresh` lies after the last breakpoint."""

    read: int
    created_5m: int
    created_1h: int
    fresh: int
    started: float
    hits: tuple[bytes, ...]
    writes: tuple[tuple[bytes, Ttl], ...]

    def usage(self) -> JsonObject:
        """Return the input side of the API's `usage`."""
        return {
            "input_tokens": self.fresh,
            "cache_creation_input_tokens": self.created_5m + self.created_1h,
            "cache_read_input_tokens": self.read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.created_5m,
                "ephemeral_1h_input_tokens": self.created_1h,
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    visible: float
    expires: float
    ttl: Ttl


class PromptCache:
    """Prefix hashes with a lifetime on the injected clock (seconds).

    `look_up` when the request arrives, `commit` when its reply begins: an entry cannot be read before.
    A lifetime counts from the start of the request, and a read renews it. What is written can be read
    `delay_s` seconds after that.
    """

    def __init__(self, clock: Callable[[], float], *, delay_s: float = 0.0) -> None:
        self._clock = clock
        self._delay_s = delay_s
        self._entries: dict[bytes, _Entry] = {}

    def look_up(self, prompt: Prompt, min_tokens: int, *, missed: bool = False) -> CacheUse:
        """Split the prompt into read, written and fresh; prefixes under `min_tokens` are not cached.

        Where the cache is `missed`, nothing is read, and everything is written again.
        """
        # Everything up to the last live entry is read; it is looked for at, and shortly before, a breakpoint.
        now = self._clock()
        points = [at for at in prompt.breakpoints if prompt.parts[at].tokens >= min_tokens]
        looked_at = (at for point in points for at in range(point, max(-1, point - LOOK_BACK), -1))
        live = () if missed else (at for at in looked_at if self._is_live(prompt.parts[at].digest, now))
        hit = max(live, default=-1)
        read = prompt.parts[hit].tokens if hit >= 0 else 0

        # Each breakpoint after it writes what lies between it and the one before; the rest is fresh.
        created: dict[Ttl, int] = {"5m": 0, "1h": 0}
        writes: list[tuple[bytes, Ttl]] = []
        covered = read
        for at in points:
            part = prompt.parts[at]
            if at > hit and part.ttl is not None:
                created[part.ttl] += part.tokens - covered
                covered = part.tokens
                writes.append((part.digest, part.ttl))
        return CacheUse(
            read=read,
            created_5m=created["5m"],
            created_1h=created["1h"],
            fresh=prompt.tokens - covered,
            started=now,
            hits=tuple(part.digest for part in prompt.parts[: hit + 1] if self._is_live(part.digest, now)),
            writes=tuple(writes),
        )

    def commit(self, use: CacheUse) -> None:
        """Renew what was read and keep what was written."""
        for digest in use.hits:
            if entry := self._entries.get(digest):
                self._store(digest, entry.ttl, started=use.started)
        for digest, ttl in use.writes:
            self._store(digest, ttl, started=use.started)

    def _is_live(self, digest: bytes, now: float) -> bool:
        entry = self._entries.get(digest)
        return entry is not None and entry.visible <= now < entry.expires

    def _store(self, digest: bytes, ttl: Ttl, *, started: float) -> None:
        old = self._entries.pop(digest, None)
        expires, visible = started + LIFETIME_S[ttl], self._clock() + self._delay_s
        if old is not None:
            expires, visible = max(expires, old.expires), min(visible, old.visible)
        self._entries[digest] = _Entry(visible=visible, expires=expires, ttl=ttl)
        if len(self._entries) > MAX_ENTRIES:
            del self._entries[next(iter(self._entries))]
