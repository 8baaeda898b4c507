"""Who may send first where many conversations share a prompt: a leader writes the cache, scouts try it.

    cold -> a leader is under way -> written -> a scout is under way -> written -> ... -> open

Sent all at once, conversations with the same system prompt would all pay for writing it, because an entry
can be read only once the reply to the request that writes it has begun. In the field it often takes a second
longer: so a scout shows that the entry is there before the others follow.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from claude_run.conversation.usage import Usage
    from claude_run.plan.caching import SharedPrefix
    from claude_run.play.ports import Clock

SCOUTS_AFTER_S = (0.6, 2.2, 2.8)
"""When the scouts leave, in seconds after the leader's reply has begun.

A scout that comes too early writes everything again, and so costs as much as a dozen that wait: the first
leaves when most entries can be read, the second when nearly all can.
"""

OPEN_AFTER_S = 3.0
"""When all go, in seconds after the leader's reply has begun, whatever the scouts have found by then."""


class _Phase(Enum):
    COLD = auto()
    LEADING = auto()
    WRITTEN = auto()
    SCOUTING = auto()
    OPEN = auto()


class _Role(Enum):
    LEADER = auto()
    SCOUT = auto()
    ANY = auto()


@dataclass(slots=True, kw_only=True, eq=False)
class _State:
    """What is known of one prefix; times are on the clock, in seconds.

    `first` is the conversation that came first: as long as no other comes, nobody waits.
    """

    first: str
    shared: bool = False
    phase: _Phase = _Phase.COLD
    scouts: int = 0
    written_at: float = -math.inf
    gone_at: float = math.inf
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def next_scout_at(self) -> float:
        return self.written_at + SCOUTS_AFTER_S[self.scouts]

    @property
    def opens_at(self) -> float:
        return self.written_at + OPEN_AFTER_S

    def become(self, phase: _Phase) -> None:
        """Change, and wake all that wait for a change."""
        self.phase = phase
        self.changed.set()
        self.changed = asyncio.Event()


@dataclass(slots=True, kw_only=True, eq=False)
class PrefixTurn:
    """A request that may be sent. Whoever sends it says what its reply used, as soon as that is known.

    Nothing is said where no reply came: then the next one leads, or scouts, in its place.
    """

    came_at: float
    lifetime_s: float
    clock: Clock
    _role: _Role = _Role.ANY
    _state: _State | None = None
    _is_told: bool = False

    @property
    def is_waited_for(self) -> bool:
        """Whether others wait for its reply to begin."""
        return self._role is not _Role.ANY and self._state is not None and self._state.shared

    @property
    def may_be_waited_for(self) -> bool:
        """Whether others wait for its reply to begin, or will where they come while it is under way."""
        return self._role is not _Role.ANY

    def began(self, used: Usage) -> None:
        """Note that the reply has begun, and what its prompt has read and written."""
        state = self._state
        if state is None or self._is_told:
            return
        self._is_told = True
        # A read renews an entry, and its lifetime counts from the start of the request.
        gone_at = self.came_at + self.lifetime_s
        state.gone_at = gone_at if state.gone_at == math.inf else max(state.gone_at, gone_at)
        scouted = self._role is _Role.SCOUT and state.phase is _Phase.SCOUTING
        if used.cache_read_input_tokens or not used.cache_creation_input_tokens:
            # It can be read; or the API caches nothing of it, and there is nothing to wait for.
            if state.phase is not _Phase.OPEN:
                state.become(_Phase.OPEN)
        elif self._role is _Role.LEADER:
            state.written_at = self.clock.monotonic()
            state.become(_Phase.WRITTEN)
        elif scouted:
            state.become(_Phase.OPEN if state.scouts == len(SCOUTS_AFTER_S) else _Phase.WRITTEN)

    def over(self) -> None:
        """Let the next one take the part of a request whose reply has not begun."""
        state = self._state
        if state is None or self._is_told:
            return
        if self._role is _Role.LEADER:
            state.become(_Phase.COLD)
        elif self._role is _Role.SCOUT and state.phase is _Phase.SCOUTING:
            state.scouts -= 1
            state.become(_Phase.WRITTEN)


class Prefixes:
    """The prefixes of a run. It holds no place and no money while a request waits here."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._states: dict[bytes, _State] = {}

    @asynccontextmanager
    async def turn(self, prefix: SharedPrefix | None, conversation_id: str) -> AsyncIterator[PrefixTurn]:
        """Wait until a request with this prefix may be sent."""
        clock = self._clock
        if prefix is None:
            yield PrefixTurn(came_at=0.0, lifetime_s=0.0, clock=clock)
            return
        state = self._states.get(prefix.digest)
        if state is None:
            state = self._states[prefix.digest] = _State(first=conversation_id)
        state.shared = state.shared or conversation_id != state.first
        role = await self._admitted(state)
        turn = PrefixTurn(
            came_at=clock.monotonic(), lifetime_s=prefix.lifetime_s, clock=clock, _role=role, _state=state
        )
        try:
            if role is _Role.LEADER:
                # Those that start together with it have come by then: so it is known whether anybody waits.
                await asyncio.sleep(0)
            yield turn
        finally:
            turn.over()

    async def _admitted(self, state: _State) -> _Role:
        while True:
            now = self._clock.monotonic()
            # What nobody has read for its lifetime has to be written again.
            if now >= state.gone_at and state.phase in {_Phase.OPEN, _Phase.WRITTEN}:
                state.become(_Phase.COLD)
            if state.phase in {_Phase.WRITTEN, _Phase.SCOUTING} and now >= state.opens_at:
                state.become(_Phase.OPEN)
            match state.phase:
                case _Phase.COLD:
                    state.phase, state.scouts, state.gone_at = _Phase.LEADING, 0, math.inf
                    return _Role.LEADER
                case _Phase.OPEN:
                    return _Role.ANY
                case _ if not state.shared:
                    return _Role.ANY
                case _Phase.LEADING:
                    await state.changed.wait()
                case _Phase.WRITTEN if now >= state.next_scout_at:
                    state.phase = _Phase.SCOUTING
                    state.scouts += 1
                    return _Role.SCOUT
                case _Phase.WRITTEN:
                    await self._change(state, within_s=state.next_scout_at - now)
                case _:
                    await self._change(state, within_s=state.opens_at - now)

    async def _change(self, state: _State, *, within_s: float) -> None:
        try:
            await self._clock.within(within_s, state.changed.wait())
        except TimeoutError:
            return
