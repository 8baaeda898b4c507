"""A folder with a scenario in it, the command, and the API that it talks to."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.system.harness.fork_server import SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.support.command import CommandResult
    from tests.system.crash.api import LedgerApi
from tests.system.harness.fork_server import ForkServer

TALK = """\
name: talk
model: claude-haiku-5-5
max_tokens: 64
system: You count.
cases:
  - {id: ada, vars: {who: Ada}}
  - {id: bob, vars: {who: Bob}}
  - {id: eve, vars: {who: Eve}}
turns:
  - user: I am {{ who }}. Give me a number.
    expect:
      - contains: number
    save: {number: 'number is (\\d+)'}
  - user: Is {{ saved.number }} even?
    expect:
      - max_words: 50
  - user: Goodbye from {{ who }}.
expect:
  - max_cost_usd: 0.5
"""
STREAMED_TALK = TALK.replace("max_tokens: 64", "max_tokens: 20000")
"""The same with replies so long that they are streamed."""

WHO = ("ada", "bob", "eve")
_PASSING_BY = {"request_id", "received_at", "latency_s", "attempts", "uncertain_cost_usd", "started_at"}
_PASSING_BY |= {"duration_s"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashWorkspace:
    """What a crash test plays in: everything stands in `folder`, the run in `folder/run`."""

    folder: Path
    fork_server: ForkServer
    api: LedgerApi

    @property
    def run_folder(self) -> Path:
        return self.folder / "run"

    @property
    def journal(self) -> Path:
        return self.run_folder / "journal.jsonl"

    @property
    def scenario(self) -> Path:
        return self.folder / "talk.yaml"

    def write(self, text: str = TALK) -> None:
        """Write the scenario."""
        self.scenario.write_text(text, encoding="utf-8")

    def run(self, *arguments: str | Path, **conditions: Any) -> CommandResult:
        """Run the command to its end."""
        return self.fork_server.run(self.folder, *arguments, url=self.api.base_url, **conditions)

    def start(self, *arguments: str | Path, **conditions: Any) -> int:
        """Start the command and return its pid."""
        return self.fork_server.start(self.folder, *arguments, url=self.api.base_url, **conditions)

    def play(self, *arguments: str | Path, **conditions: Any) -> CommandResult:
        """Play the scenario into the run folder."""
        return self.run("talk.yaml", "-o", "run", *arguments, **conditions)

    def resume(self, *arguments: str | Path, **conditions: Any) -> CommandResult:
        """Go on with the run folder."""
        return self.run("resume", "run", *arguments, **conditions)

    def next_arguments(self) -> tuple[str, ...]:
        """Return what a user would call after a crash: a resume, or the run itself where there was none."""
        if (self.run_folder / "run.json").exists():
            return ("resume", "run")
        return ("talk.yaml", "-o", "run")

    def go_on(self, *arguments: str, **conditions: Any) -> CommandResult:
        """Do what a user would do after a crash."""
        return self.run(*self.next_arguments(), *arguments, **conditions)

    def clear(self) -> None:
        """Remove the run, and let the API forget it."""
        shutil.rmtree(self.run_folder)
        self.api.ledger.clear()

    def assert_no_secret(self) -> None:
        """Assert that the key stands in no file."""
        for path in self.folder.rglob("*"):
            assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path

    def transcripts(self) -> list[Any]:
        """Return the transcripts of the run without times, ids, attempts and uncertain cost."""
        text = (self.run_folder / "transcripts.jsonl").read_text(encoding="utf-8")
        return [lasting(json.loads(line)) for line in text.splitlines()]

    def summary(self) -> Any:
        """Return the summary of the run."""
        return json.loads((self.run_folder / "summary.json").read_bytes())

    def events(self, kind: str) -> Iterator[Mapping[str, Any]]:
        """Yield the whole lines of the journal of one kind, read with nothing of the product's."""
        if self.journal.exists():
            for line in self.journal.read_bytes().splitlines(keepends=True):
                value = json.loads(line) if line.endswith(b"\n") else {}
                if value.get("event") == kind:
                    yield value


def identity_of(body: Mapping[str, Any]) -> list[Any]:
    """Return the identity of the conversation that a request belongs to, told by its first message."""
    first = str(body["messages"][0]["content"]).lower()
    case = next(name for name in WHO if name in first)
    return ["talk", case, None, body["model"], 1]


def lasting(value: Any) -> Any:
    """Return a transcript, or a part of one, without times, ids, attempts and uncertain cost."""
    if isinstance(value, dict):
        return {name: lasting(item) for name, item in value.items() if name not in _PASSING_BY}
    return [lasting(item) for item in value] if isinstance(value, list) else value
