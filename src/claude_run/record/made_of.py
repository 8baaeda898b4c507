"""What the files made of a journal say of it: how far it went then, and what it must still hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from claude_run.errors import StorageError
from claude_run.record.codec import checked_types
from claude_run.record.journal import RESTORE_OR_REMOVE, Extent
from claude_run.text.strict_json import read_json
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from claude_run.record.history import History
    from claude_run.scenario.json_values import JsonObject

DERIVED = (
    "transcripts.md",
    "summary.md",
    "comparison.md",
    "transcripts.jsonl",
    "summary.json",
)
"""The files of a run folder that are made of its journal; the last one says of how much of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeOf:
    """What `summary.json` was made with: a run as `run.json` planned it, so much of its journal, transcripts.

    The digests are SHA-256, in hex, of the files' bytes.
    """

    run_id: str | None
    run_sha256: str
    journal: Extent
    transcripts_sha256: str

    def to_json(self) -> JsonObject:
        return {
            "run_id": self.run_id,
            "run_sha256": self.run_sha256,
            "journal_lines": self.journal.lines,
            "journal_sha256": self.journal.sha256,
            "transcripts_sha256": self.transcripts_sha256,
        }

    @staticmethod
    def part(value: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return what of a summary `from_json` looks at, while it is read; None for the rest of it."""
        return value if "made_of" in value or "journal_sha256" in value else None

    @classmethod
    def from_json(cls, summary: Any) -> MadeOf:  # noqa: ANN401 - whatever the file holds
        """Read it out of a summary; KeyError or TypeError where it does not stand there."""
        made = summary["made_of"]
        journal = Extent(lines=made["journal_lines"], sha256=made["journal_sha256"])
        found = cls(
            run_id=made["run_id"],
            run_sha256=made["run_sha256"],
            journal=checked_types(journal),
            transcripts_sha256=made["transcripts_sha256"],
        )
        return checked_types(found)


def replies_told(transcripts: bytes) -> Mapping[str, int] | None:
    """Return how many replies each conversation had by `transcripts.jsonl`; None where it cannot be read.

    What was never started is left out.
    """
    try:
        lines = [read_json(line) for line in transcripts.split(b"\n") if line]
        told = {line["conversation_id"]: _replies(line) for line in lines if line["started_at"] is not None}
    except (ValueError, KeyError, TypeError):
        return None
    return told if lines else None


def refuse_less(journal: Path, history: History, told: Mapping[str, int]) -> None:
    """Raise StorageError where a journal holds less than was told of it.

    A journal only grows, and what a changed scenario has left behind stays in it.
    """
    kept: dict[str, int] = {}
    for log in history.all_logs:
        if log.started is not None:
            name = log.started.conversation_id
            replies = len(log.exchanges) + len(log.judge_exchanges) + len(log.set_aside)
            kept[name] = max(kept.get(name, 0), replies)
    for name, known in told.items():
        if kept.get(name, -1) < known:
            held = count(kept.get(name, 0), "reply", plural="replies")
            raise StorageError(
                f"{journal} holds {held} of {name}, though transcripts.jsonl beside it was made of {known},"
                f" so replies may be lost: {RESTORE_OR_REMOVE}"
            )


def _replies(line: Mapping[str, Any]) -> int:
    said = (len(turn["exchanges"] or ()) or int(turn["reply"] is not None) for turn in line["turns"])
    judged = line["judge"]["replies"] if line["judge"] else ()
    return sum(said) + len(judged) + len(line.get("set_aside", ()))
