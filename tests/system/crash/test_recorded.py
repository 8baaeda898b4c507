"""`--reuse` and `--replay`: replies of an earlier run, taken instead of sending."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from tests.system.crash.workspace import TALK
from tests.system.harness.fork_server import KILLED

if TYPE_CHECKING:
    from tests.system.crash.workspace import CrashWorkspace


def _record(workspace: CrashWorkspace, *arguments: str) -> None:
    assert workspace.play(*arguments).code == 0
    shutil.move(workspace.run_folder, workspace.folder / "earlier")
    workspace.api.ledger.clear()


def test_more_repeats_send_only_the_new_ones(workspace: CrashWorkspace) -> None:
    """A run that was played once is the first repeat of one that is played three times."""
    _record(workspace, "-n", "1")
    assert workspace.play("-n", "3", "--reuse", "earlier").code == 0
    assert len(workspace.api.ledger) == 18
    rows = workspace.transcripts()
    assert [(row["repeat"], row["replayed"]) for row in rows] == [(1, True), (2, False), (3, False)] * 3


def test_a_changed_turn_sends_from_there_on(workspace: CrashWorkspace) -> None:
    """What came before it is taken, what came after it has another history."""
    _record(workspace)
    workspace.write(TALK.replace("even?", "odd?"))
    assert workspace.play("--reuse", "earlier/journal.jsonl").code == 0
    assert sorted(len(body["messages"]) for body in workspace.api.ledger) == [3, 3, 3, 5, 5, 5]


def test_a_reusing_run_that_is_killed_takes_the_same_recording(workspace: CrashWorkspace) -> None:
    """The recording is one of the options that a run is resumed with."""
    _record(workspace)
    assert workspace.play("-n", "2", "--reuse", "earlier", crash_at=30).code == KILLED
    assert workspace.resume().code == 0
    assert workspace.summary()["totals"]["replies"] == 18
    assert 9 <= len(workspace.api.ledger) <= 9 + 3
    assert workspace.summary()["totals"]["uncertain_cost_usd"] <= 3 * 0.0002


def test_a_replay_is_the_whole_run_without_a_network(workspace: CrashWorkspace) -> None:
    """The same transcripts, no request, and no key needed."""
    assert workspace.play().code == 0
    undisturbed = workspace.transcripts()
    shutil.move(workspace.run_folder, workspace.folder / "earlier")
    workspace.api.ledger.clear()
    assert workspace.play("--replay", "earlier", without_key=True).code == 0
    assert workspace.api.ledger == []
    assert all(row["replayed"] for row in workspace.transcripts())
    assert (
        json.loads(json.dumps(workspace.transcripts()).replace('"replayed": true', '"replayed": false'))
        == undisturbed
    )


def test_a_replay_that_misses_names_what_differs(workspace: CrashWorkspace) -> None:
    """It is not measured, and the first differing part of the request is told."""
    _record(workspace)
    workspace.write(TALK.replace("even?", "odd?"))
    ended = workspace.play("--replay", "earlier")
    assert ended.code == 3
    assert (
        'not recorded: message 3 (user) was "Is 7097208 even?" and is now "Is 7097208 odd?"' in ended.stdout
    )
    workspace.write(TALK.replace("max_tokens: 64", "max_tokens: 65"))
    assert (
        "not recorded: max_tokens was 64 and is now 65"
        in workspace.run("talk.yaml", "--replay", "earlier").stdout
    )
    assert workspace.api.ledger == []


def test_a_recording_that_is_none_is_refused(workspace: CrashWorkspace) -> None:
    """A wrong path must not become a run that is paid for."""
    for flag in ("--reuse", "--replay"):
        refused = workspace.play(flag, "nowhere")
        assert (refused.code, refused.stderr) == (
            2,
            "error: nowhere holds no recording: name a run folder, or its journal.jsonl\n",
        )
    assert not workspace.run_folder.exists()
    assert workspace.api.ledger == []
