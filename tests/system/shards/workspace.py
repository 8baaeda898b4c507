"""A folder in which shards are played and merged."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.system.gate.workspace import GateWorkspace

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command import CommandResult

MODEL = "claude-haiku-5-5"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardWorkspace(GateWorkspace):
    """Where a test happens: shards lie in `1`, `2`, ..., what is merged in `merged`."""

    def shard(self, index: int, count: int, *arguments: str | Path) -> CommandResult:
        """Play one shard into a folder of its number."""
        return self.play(str(index), "--shard", f"{index}/{count}", *arguments)

    def shards(self, count: int, *arguments: str | Path) -> list[int]:
        """Play all shards, one after the other, and return their exit codes."""
        return [self.shard(index, count, *arguments).code for index in range(1, count + 1)]

    def merge(self, *runs: str | Path, out: str = "merged") -> CommandResult:
        """Merge shards into `out`."""
        return self.run("merge", *runs, "-o", out)

    def planned(self, name: str) -> list[str]:
        """Return the ids that a run has planned."""
        run = json.loads((self.folder / name / "run.json").read_text(encoding="utf-8"))
        return [each["id"] for each in run["conversations"]]

    def transcripts(self, name: str) -> list[dict[str, Any]]:
        """Return the transcripts of a run, in order."""
        lines = (self.folder / name / "transcripts.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]
