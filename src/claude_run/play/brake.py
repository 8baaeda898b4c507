"""The brake of a run: pulled with a reason, by a cap, a deadline, a hopeless error, or by the user."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.errors import ClaudeRunError

if TYPE_CHECKING:
    from claude_run.errors import ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """Why a run ends early; what is under way may finish within `grace_s` seconds, None for however long."""

    code: ExitCode
    reason: str
    grace_s: float | None = None


class HaltedError(ClaudeRunError):
    """Nothing more may be sent."""


class Brake:
    """Remembers the first reason to stop, unless the user has one; the user's second word means at once."""

    def __init__(self) -> None:
        self.halt: Halt | None = None
        self._pulled = asyncio.Event()
        self._interrupted = asyncio.Event()
        self._now = asyncio.Event()

    def pull(self, halt: Halt) -> None:
        """Stop new sends. The first reason is the one that is reported."""
        if self.halt is None:
            self.halt = halt
            self._pulled.set()

    def interrupt(self, halt: Halt) -> None:
        """Stop because the user says so: that is what is reported, whatever stopped the run before."""
        self.halt = halt
        self._interrupted.set()
        self._pulled.set()

    def pull_now(self) -> None:
        """Do not wait for what is under way any longer."""
        self._now.set()

    def check(self) -> None:
        """Raise HaltedError once the brake is pulled."""
        if self.halt is not None:
            raise HaltedError(self.halt.reason)

    async def pulled(self) -> Halt:
        """Return the reason as soon as there is one."""
        await self._pulled.wait()
        assert self.halt is not None  # noqa: S101 - set before the event is
        return self.halt

    async def interrupted(self) -> Halt:
        """Return the user's own stop as soon as there is one."""
        await self._interrupted.wait()
        return await self.pulled()

    async def pulled_again(self) -> None:
        """Return when the user will wait no longer."""
        await self._now.wait()
