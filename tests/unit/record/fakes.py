"""Disks that fail, count or take less than they are given, and small builders of runs."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from claude_run.conversation.identity import PARTS, Identity
from claude_run.conversation.log import ConversationLog
from claude_run.record.disk import LocalDisk
from claude_run.record.records import Record
from claude_run.record.run import Run
from tests.unit.conversation.builders import AT, MODEL, body, events_of, script, user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from claude_run.conversation.events import Event
    from claude_run.conversation.script import Conversation
    from claude_run.conversation.transcript import Transcript


class FaultDisk(LocalDisk):
    """The real disk, whose operation number `at` (from 1) fails with `code`; the others work.

    `short` makes a failing write take half of its bytes instead. `operations` are the names of those done
    or tried. A failing `close` has closed the file all the same, as Linux does.
    """

    def __init__(self, *, at: int = 0, code: int = 0, short: bool = False) -> None:
        self.operations: list[str] = []
        self._at = at
        self._code = code
        self._short = short

    @property
    def after_the_fault(self) -> list[str]:
        """The operations that followed the one that failed."""
        return self.operations[self._at :]

    @property
    def struck(self) -> bool:
        """Whether the fault came."""
        return len(self.operations) >= self._at > 0

    def make_folder(self, path: Path) -> None:
        self._count("make_folder")
        super().make_folder(path)

    def open(self, path: Path, flags: int) -> int:
        self._count("open")
        return super().open(path, flags)

    def write(self, descriptor: int, data: bytes) -> int:
        if self._short and len(self.operations) + 1 == self._at:
            self.operations.append("write")
            return super().write(descriptor, data[: len(data) // 2])
        self._count("write")
        return super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:  # noqa: ARG002 - no test loses power, and syncs are slow
        self._count("sync")

    def truncate(self, descriptor: int, size: int) -> None:
        self._count("truncate")
        super().truncate(descriptor, size)

    def lock(self, descriptor: int, *, wait: bool = False) -> None:
        self._count("lock")
        super().lock(descriptor, wait=wait)

    def is_locked(self, descriptor: int) -> bool:
        self._count("is_locked")
        return super().is_locked(descriptor)

    def close(self, descriptor: int) -> None:
        super().close(descriptor)
        self._count("close")

    def replace(self, source: Path, target: Path) -> None:
        self._count("replace")
        super().replace(source, target)

    def link(self, target: str, path: Path) -> None:
        self._count("link")
        super().link(target, path)

    def _count(self, name: str) -> None:
        self.operations.append(name)
        if len(self.operations) == self._at:
            raise OSError(self._code, os.strerror(self._code))


class FullDisk(LocalDisk):
    """A disk that takes no byte, without saying why."""

    def write(self, descriptor: int, data: bytes) -> int:  # noqa: ARG002 - nothing is written
        return 0


class SlowSyncs(LocalDisk):
    """A disk whose syncs call `during` before they are done, and are counted."""

    def __init__(self, during: Callable[[], None]) -> None:
        self.syncs = 0
        self._during = during

    def sync(self, descriptor: int) -> None:
        self.syncs += 1
        self._during()
        super().sync(descriptor)


def run(*conversations: Conversation, **fields: Any) -> Run:
    """Give a run of these conversations, or of one."""
    defaults: dict[str, Any] = {
        "name": "greet",
        "claude_run": "1.0.0",
        "created_at": AT,
        "paths": ("greet.yaml",),
        "options": {"concurrency": 4},
        "files": {"greet.yaml": "sha"},
        "pass_rates": {"greet": 1.0},
        "prices": "genai-prices 0.2.3",
        "simulated": False,
        "conversations": tuple(each.identity for each in conversations or (conversation(),)),
    }
    return Run(**{**defaults, **fields})


def conversation(**fields: Any) -> Conversation:
    """Give a conversation of one turn; a repeat or a case becomes a part of its id."""
    parts = {name: fields[name] for name in PARTS if name in fields}
    who = Identity.of(
        **{"scenario": "greet", "path": "greet.yaml", "model": MODEL, "model_label": MODEL, **parts}
    )
    return script(user("Hello"), **{"id": who.id, **fields})


def record(conversation: Conversation, replies: Iterable[Mapping[str, Any]] = (), **fields: Any) -> Record:
    """Give the record of a conversation that got these replies; `fields` are those of its transcript."""
    return Record.of(conversation.identity, transcript(conversation, replies, **fields))


def transcript(
    conversation: Conversation, replies: Iterable[Mapping[str, Any]] = (), **fields: Any
) -> Transcript:
    """Give the transcript of a conversation that got these replies, with other fields where given."""
    return replace(ConversationLog(events_of(conversation, replies or [body()])).transcript(), **fields)


def events(count: int = 3) -> list[Event]:
    """Give the first events of a play."""
    return events_of(script(user("a"), user("b")), [body("A"), body("B")])[:count]
