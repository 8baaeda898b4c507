"""The prompt cache through the whole command, by the simulator's own accounting."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.bench.cache import Played, play, scenario
from tests.support.command import claude_run

if TYPE_CHECKING:
    from pathlib import Path


def summary_of(folder: Path, *options: str, cache: str = "auto", cases: int = 12) -> dict[str, Any]:
    """Play with these options and return the summary."""
    file = folder / "returns.yaml"
    file.write_text(json.dumps(scenario(cases=cases, cache=cache)))
    done = claude_run(file, "--simulate", "-o", folder / "out", *options, cwd=folder)
    assert done.code == 0, done.stderr
    found: dict[str, Any] = json.loads((folder / "out" / "summary.json").read_text())
    return found


def writers(played: Played) -> int:
    """Return how many requests read nothing of the shared prompt."""
    return sum(not used["cache_read_input_tokens"] for usages in played.usages for used in usages)


@pytest.mark.parametrize(("faults", "most"), [("", 1), ("cache-delay=500ms", 1), ("cache-delay=2s", 2)])
def test_the_shared_prompt_is_written_once_and_tried_seldom(tmp_path: Path, faults: str, most: int) -> None:
    """However late it can be read, all but the leader and a scout that came too early read it."""
    played = play(tmp_path, faults)
    assert writers(played) <= most
    bound = played.best_of_late if faults else played.best
    assert played.ratio(bound) <= (1.1 if faults else 1.05)
    assert played.ratio(played.uncached) <= 0.4


def test_requests_that_miss_cost_no_more_than_they_must(tmp_path: Path) -> None:
    """Four in ten read nothing: nobody waits for them for ever, and the others read."""
    played = play(tmp_path, "cache-miss=40%")
    assert played.ratio(played.best_of_missed) <= 1.1


def test_the_summary_tells_what_was_read_and_saved(tmp_path: Path) -> None:
    """Of a cache that can be read at once everything is read, and the least possible is nearly reached."""
    caching = summary_of(tmp_path)["caching"]
    assert caching["hit_rate"] == 1.0
    assert caching["missed_requests"] == 0
    assert caching["best_usd"] <= caching["paid_usd"] <= 1.05 * caching["best_usd"]
    assert caching["saved_usd"] == pytest.approx(caching["uncached_usd"] - caching["paid_usd"])
    assert caching["batch_usd"] == pytest.approx(caching["uncached_usd"] / 2)


def test_no_cache_is_cache_off(tmp_path: Path) -> None:
    """No request carries a breakpoint, and the run goes on without when it is resumed."""
    summary = summary_of(tmp_path, "--no-cache")
    assert summary["caching"] is None
    assert summary["totals"]["usage"]["cache_creation_input_tokens"] == 0
    line = json.loads((tmp_path / "out" / "transcripts.jsonl").read_text().splitlines()[0])
    assert "cache_control" not in json.dumps(line)
    assert json.loads((tmp_path / "out" / "run.json").read_text())["options"]["no_cache"] is True


def test_a_stopped_run_goes_on_without_a_cache_where_it_began_so(tmp_path: Path) -> None:
    """What it has is found again under the same keys, and nothing is sent twice."""
    file = tmp_path / "returns.yaml"
    file.write_text(json.dumps(scenario(cases=4)))
    stopped = claude_run(
        file,
        "--simulate",
        "--no-cache",
        "-o",
        tmp_path / "out",
        "--max-requests",
        "6",
        "-j",
        "1",
        cwd=tmp_path,
    )
    assert stopped.code == 4, stopped.stderr
    went_on = claude_run("resume", tmp_path / "out", "--max-requests", "100", cwd=tmp_path)
    assert went_on.code == 0, went_on.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["totals"]["replies"] == 16
    assert summary["caching"] is None


def test_a_replay_waits_for_nothing_and_tells_the_same(tmp_path: Path) -> None:
    """What was recorded is taken as it was, with what it used and cost."""
    played = summary_of(tmp_path)
    again = claude_run(
        tmp_path / "returns.yaml", "--replay", tmp_path / "out", "-o", tmp_path / "again", cwd=tmp_path
    )
    assert again.code == 0, again.stderr
    replayed = json.loads((tmp_path / "again" / "summary.json").read_text())
    assert replayed["caching"] == played["caching"]
    assert replayed["duration_s"] < 30


def test_a_wrong_number_of_breakpoints_is_never_sent(tmp_path: Path) -> None:
    """Four of the user's own are left alone: the simulator refuses five, as the API does."""
    own = scenario(cases=3)
    mark = {"cache_control": {"type": "ephemeral"}}
    part = str(own["system"])[:3000]
    own["system"] = [{"text": f"{number} {part}", **mark} for number in range(4)]
    file = tmp_path / "own.yaml"
    file.write_text(json.dumps(own))
    done = claude_run(file, "--simulate", "-o", tmp_path / "out", cwd=tmp_path)
    assert done.code == 0, done.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["totals"]["usage"]["cache_read_input_tokens"] > 0
