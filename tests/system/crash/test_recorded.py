"""`--reuse` and `--replay`: replies of an earlier run, taken instead of sending."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from tests.system.crash.workspace import TALK
from tests.system.harness.fork_server import KILLED

if TYPE_CHECKING:
    from tests.system.crash.workspace import Scene


def _record(scene: Scene, *arguments: str) -> None:
    assert scene.play(*arguments).code == 0
    shutil.move(scene.run_folder, scene.folder / "earlier")
    scene.api.ledger.clear()


def test_more_repeats_send_only_the_new_ones(scene: Scene) -> None:
    """A run that was played once is the first repeat of one that is played three times."""
    _record(scene, "-n", "1")
    assert scene.play("-n", "3", "--reuse", "earlier").code == 0
    assert len(scene.api.ledger) == 18
    rows = scene.transcripts()
    assert [(row["repeat"], row["replayed"]) for row in rows] == [(1, True), (2, False), (3, False)] * 3


def test_a_changed_turn_sends_from_there_on(scene: Scene) -> None:
    """What came before it is taken, what came after it has another history."""
    _record(scene)
    scene.write(TALK.replace("even?", "odd?"))
    assert scene.play("--reuse", "earlier/journal.jsonl").code == 0
    assert sorted(len(body["messages"]) for body in scene.api.ledger) == [3, 3, 3, 5, 5, 5]


def test_a_reusing_run_that_is_killed_takes_the_same_recording(scene: Scene) -> None:
    """The recording is one of the options that a run is resumed with."""
    _record(scene)
    assert scene.play("-n", "2", "--reuse", "earlier", crash_at=30).code == KILLED
    assert scene.resume().code == 0
    assert scene.summary()["totals"]["replies"] == 18
    assert 9 <= len(scene.api.ledger) <= 9 + 3
    assert scene.summary()["totals"]["uncertain_cost_usd"] <= 3 * 0.0002


def test_a_replay_is_the_whole_run_without_a_network(scene: Scene) -> None:
    """The same transcripts, no request, and no key needed."""
    assert scene.play().code == 0
    calm = scene.transcripts()
    shutil.move(scene.run_folder, scene.folder / "earlier")
    scene.api.ledger.clear()
    assert scene.play("--replay", "earlier", without_key=True).code == 0
    assert scene.api.ledger == []
    assert all(row["replayed"] for row in scene.transcripts())
    assert (
        json.loads(json.dumps(scene.transcripts()).replace('"replayed": true', '"replayed": false')) == calm
    )


def test_a_replay_that_misses_names_what_differs(scene: Scene) -> None:
    """It is not measured, and the first differing part of the request is told."""
    _record(scene)
    scene.write(TALK.replace("even?", "odd?"))
    ended = scene.play("--replay", "earlier")
    assert ended.code == 3
    assert (
        'not recorded: message 3 (user) was "Is 7097208 even?" and is now "Is 7097208 odd?"' in ended.stderr
    )
    scene.write(TALK.replace("max_tokens: 64", "max_tokens: 65"))
    assert (
        "not recorded: max_tokens was 64 and is now 65"
        in scene.run("talk.yaml", "--replay", "earlier").stderr
    )
    assert scene.api.ledger == []


def test_a_recording_that_is_none_is_refused(scene: Scene) -> None:
    """A wrong path must not become a run that is paid for."""
    for flag in ("--reuse", "--replay"):
        refused = scene.play(flag, "nowhere")
        assert (refused.code, refused.stderr) == (
            2,
            "error: nowhere holds no recording: name a run folder, or its journal.jsonl\n",
        )
    assert not scene.run_folder.exists()
    assert scene.api.ledger == []
