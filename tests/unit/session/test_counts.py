"""What a run does only once: parse each reply, as it comes; its journal is not read again."""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.cli.app import run_command_line
from claude_run.conversation.exchange import Reply
from claude_run.record.journal import read_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import FrameType

PARSE = Reply.from_body.__func__.__code__  # type: ignore[attr-defined] # a class method has its function
READ = read_lines.__code__
CASES = 6  # fewer decide nothing
TURNS = 2
REPLIES = CASES * TURNS


@dataclass(kw_only=True)
class Counts:
    """How many replies each room has parsed, and how often the journal was read."""

    parsed: Counter[str] = field(default_factory=Counter)
    # A generator is called again for each of its values, in the same frame.
    readings: set[FrameType] = field(default_factory=set)

    def see(self, frame: FrameType, event: str, _argument: Any) -> None:
        """Count a call, as a profiler does."""
        if event == "call" and frame.f_code is READ:
            self.readings.add(frame)
        if event == "call" and frame.f_code is PARSE and frame.f_back is not None:
            self.parsed[frame.f_back.f_globals["__name__"].split(".")[1]] += 1


@contextmanager
def counting() -> Iterator[Counts]:
    """Count in this thread and in all that are started, with nothing patched."""
    counts = Counts()
    threading.setprofile(counts.see)
    sys.setprofile(counts.see)
    try:
        yield counts
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)  # where nothing is accepted
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    cases = "".join(f"  - {{id: case-{number}}}\n" for number in range(CASES))
    turns = "".join(
        f"  - {{user: Question {number}, expect: [{{min_words: 1}}]}}\n" for number in range(TURNS)
    )
    head = "model: claude-haiku-5-5\nmax_tokens: 100\n"
    (tmp_path / "talk.yaml").write_text(f"{head}cases:\n{cases}turns:\n{turns}", encoding="utf-8")
    (tmp_path / "long.yaml").write_text(f"{head}turns:\n{turns * 25}", encoding="utf-8")


def played(*arguments: str) -> Counts:
    """Play against the simulator and count."""
    with counting() as counts:
        code = run_command_line([*arguments, "--simulate", "--json", "-v"])
    assert code == 0
    return counts


def assert_once(counts: Counts, replies: int, *, again: int = 0) -> None:
    """Assert that each reply was parsed as it came, and so often again, by itself, in the journal."""
    # The simulator stands for the API: it plans its replies ahead, and what it parses for that is its own.
    parsed = {room: count for room, count in counts.parsed.items() if room != "simulator"}
    expected = {"api": replies, **({"record": again * replies} if again else {})}
    assert (parsed, len(counts.readings)) == (expected, 0)


def test_each_reply_is_parsed_once_and_the_journal_is_not_read() -> None:
    """The files of a run are made of what is at hand when each conversation ends."""
    assert_once(played("talk.yaml"), REPLIES)


def test_a_report_of_all_conversations_reads_each_once() -> None:
    """What was said is not kept in memory: JUnit takes one conversation after the other from the journal."""
    assert_once(played("talk.yaml", "--junit", "junit.xml"), REPLIES, again=1)


def test_a_gate_reads_each_conversation_once(capsys: pytest.CaptureFixture[str]) -> None:
    """What is held against the baseline is what the journal holds."""
    assert run_command_line(["talk.yaml", "--simulate", "-o", "first"]) == 0
    assert run_command_line(["accept", "first"]) == 0
    capsys.readouterr()
    counts = played("talk.yaml", "--baseline")
    assert json.loads(capsys.readouterr().out)["gate"], "the gate decided"
    assert_once(counts, REPLIES, again=1)


def test_a_long_conversation_is_not_parsed_again_at_each_turn() -> None:
    """Fifty turns cost fifty replies, not the sum of all that came before each."""
    assert_once(played("long.yaml"), 50)
