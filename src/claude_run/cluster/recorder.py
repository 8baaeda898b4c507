"""The one writer of the journal of a run on a cluster, on the machine where the run was started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.cluster.actors import ActorLostError
from claude_run.errors import StorageError
from claude_run.record.codec import decode
from claude_run.record.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from claude_run.conversation.events import Event
    from claude_run.record.disk import Disk
    from claude_run.record.journal import Seal


class Recorder:
    """The actor. What `append` has returned for is safe from a loss of power."""

    def __init__(self, disk: Disk | None = None) -> None:
        self._disk = disk
        self._journal: Journal
        self._lost: set[str] = set()

    async def open(self, path: Path, seal: Seal, *, driver: int) -> None:
        """Take the journal over from the process of the driver; StorageError unless it is what was left."""
        journal = Journal(path, seal=seal, disk=self._disk, writes_for=driver)
        if seal.made_of is not None and journal.lines != seal.made_of.lines:
            journal.close()
            raise StorageError(f"{path}: another process has gone on with the run meanwhile; resume it again")
        self._journal = journal

    async def append(self, player: str, events: Sequence[tuple[str, str]]) -> None:
        """Write events, each behind the id of its conversation; of a player that was given up nothing is."""
        if player in self._lost:
            raise ActorLostError(f"the player {player} was given up")
        self._journal.append_spelled(events)
        await self._journal.synced()

    async def fence(self, player: str, conversation_ids: Iterable[str]) -> Sequence[Sequence[Event]]:
        """Take nothing more from a player; return what was written of these conversations since the start."""
        self._lost.add(player)
        await self._journal.synced()
        index = self._journal.index
        return [tuple(map(decode, index.values(each))) for each in conversation_ids]

    async def close(self) -> None:
        """Give the journal back, whole."""
        await self._journal.synced()
        await self._journal.settled()
        self._journal.close()
