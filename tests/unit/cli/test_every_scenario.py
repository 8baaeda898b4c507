"""Every shipped scenario on two models, twice, against the simulator."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.command import HEAVY, SCENARIOS, CommandResult, claude_run, loaded_by

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MODELS = ("claude-haiku-5-5", "claude-opus-5-5")
MATRIX = ("-m", MODELS[0], "-m", MODELS[1], "-n", "2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A finished run: how it ended, its folder, its transcripts and its journal."""

    ended: CommandResult
    folder: Path
    transcripts: tuple[dict[str, Any], ...]
    journal: tuple[dict[str, Any], ...]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Play them all."""
    home = tmp_path_factory.mktemp("all")
    ended = claude_run(SCENARIOS, "--simulate", *MATRIX, "-o", "out", "--json", cwd=home)
    folder = home / "out"
    return Played(
        ended=ended,
        folder=folder,
        transcripts=_lines(folder / "transcripts.jsonl"),
        journal=_lines(folder / "journal.jsonl"),
    )


def test_every_conversation_is_played(played: Played) -> None:
    """One line for each planned conversation, in the order of the plan, all of them passed."""
    listed = claude_run(SCENARIOS, *MATRIX, "--list", cwd=played.folder).stdout.splitlines()
    assert played.ended.code == 0
    assert [line["conversation_id"] for line in played.transcripts] == listed
    assert {line["outcome"] for line in played.transcripts} == {"passed"}
    scenarios = {path.stem for path in SCENARIOS.glob("*.yaml")}
    assert {(line["scenario"], line["model"], line["repeat"]) for line in played.transcripts} == {
        (scenario, model, repeat) for scenario in scenarios for model in MODELS for repeat in (1, 2)
    }


def test_usage_is_the_sum_of_the_replies(played: Played) -> None:
    """The totals of each transcript are the sums over its replies, as the journal has them from the API."""
    replies: dict[str, list[dict[str, Any]]] = {}
    for line in played.journal:
        if line["event"] == "reply":
            replies.setdefault(line["conversation_id"], []).append(line["body"]["usage"])
    for line in played.transcripts:
        turns = [turn["usage"] for turn in line["turns"] if turn.get("reply")]
        assert line["usage"] == _sum(turns)
        for name in ("input_tokens", "output_tokens", "cache_creation_input_tokens"):
            sent = replies[line["conversation_id"]]
            assert line["usage"][name] == sum(usage[name] for usage in sent) > -1
        assert line["usage"]["output_tokens"] > 0


def test_the_summary_is_the_sum_of_the_transcripts(played: Played) -> None:
    """What is printed for CI adds up."""
    summary = json.loads(played.ended.stdout)
    assert summary["totals"]["conversations"] == len(played.transcripts)
    assert summary["totals"]["usage"] == _sum([line["usage"] for line in played.transcripts])
    costs = [line["cost_usd"] for line in played.transcripts]
    assert summary["totals"]["cost_usd"] == pytest.approx(sum(costs))
    assert min(costs) > 0


def test_conversations_are_played_in_parallel(played: Played) -> None:
    """Several conversations are begun before the first one ends."""
    kinds = [line["event"] for line in played.journal]
    assert kinds[: kinds.index("end")].count("start") > 2


def test_all_of_it_is_marked_simulated(played: Played) -> None:
    """Every transcript, its reading copy and the closing words say that nothing real answered."""
    assert all(line["simulated"] is True for line in played.transcripts)
    assert "simulat" in (played.folder / "transcripts.md").read_text()[:600]
    assert "simulated: nothing was paid" in played.ended.stderr


def test_the_folder_is_private(played: Played) -> None:
    """Transcripts may hold secrets: only their owner may read them."""
    assert played.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in played.folder.iterdir()} == {0o600}


def test_report_rebuilds_the_same_bytes(played: Played) -> None:
    """Every derived file comes back as it was from the journal, with the exit code that the run had."""
    derived = ["summary.json", "summary.md", "transcripts.jsonl", "transcripts.md"]
    before = {name: (played.folder / name).read_bytes() for name in derived}
    for name in derived:
        (played.folder / name).unlink()
    ended = claude_run("report", played.folder, "--json", cwd=played.folder.parent)
    assert ended.code == played.ended.code
    assert ended.stdout == played.ended.stdout
    assert {name: (played.folder / name).read_bytes() for name in derived} == before


def test_report_loads_nothing_heavy(played: Played) -> None:
    """Reports come from the journal alone, without the SDK or the price table."""
    assert loaded_by("report", played.folder, cwd=played.folder) & HEAVY == set()


def _lines(path: Path) -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(line) for line in path.read_text("ascii").split("\n") if line)


def _sum(usages: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Add up usage objects field by field; nothing at all stays null."""
    result: dict[str, Any] = {}
    for name, first in usages[0].items():
        parts = [usage[name] for usage in usages]
        if isinstance(first, dict):
            result[name] = _sum(parts)
        else:
            counts = [part for part in parts if part is not None]
            result[name] = sum(counts) if counts else None
    return result
