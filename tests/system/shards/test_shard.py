"""`--shard`: a part of a run, played by itself, gone on with, and held against nothing by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.system.gate.api import obeys, said
from tests.system.shards.workspace import MODEL

if TYPE_CHECKING:
    from typing import Any

    from tests.system.shards.workspace import ShardWorkspace


def breaks(*names: str) -> Any:
    """Return a rule that breaks the promise for the cases that are named."""
    return lambda body, nth: "Never." if any(name in said(body) for name in names) else obeys(body, nth)


def test_shards_play_every_conversation_once(workspace: ShardWorkspace) -> None:
    """Together they ask what one machine would have asked, and nothing twice."""
    workspace.write(cases=7)
    assert workspace.shards(3) == [0, 0, 0]
    assert sorted(map(said, workspace.api.bodies)) == [f"May I return case-{n:02}?" for n in range(1, 8)]


def test_an_empty_shard_is_a_run_that_passed(workspace: ShardWorkspace) -> None:
    """A job of a matrix must not fail because it has nothing to do; the word is clear."""
    workspace.write(cases=1, more="repeat: 2")
    codes = {index: workspace.shard(index, 3) for index in (1, 2, 3)}
    assert {done.code for done in codes.values()} == {0}
    empty = next(done for index, done in codes.items() if not workspace.planned(str(index)))
    assert "is empty: there are fewer cases than shards" in empty.stderr
    assert "PASSED (exit code 0): shard " in empty.stdout
    assert len(workspace.api.bodies) == 2
    name = next(str(index) for index in codes if not workspace.planned(str(index)))
    assert workspace.run("verify", name).code == 0
    assert workspace.run("resume", name).code == 0
    assert workspace.run("refund.yaml", "--shard", f"{name}/3", "--list").stdout == ""
    assert workspace.run("refund.yaml", "--shard", f"{name}/3", "--dry-run").code == 0


def test_an_empty_shard_needs_no_key(workspace: ShardWorkspace) -> None:
    """Where nothing is sent nobody needs to be known."""
    workspace.write(cases=1)
    codes = [
        workspace.run_offline("refund.yaml", "--shard", f"{index}/2", "-o", str(index), ANTHROPIC_API_KEY="")
        for index in (1, 2)
    ]
    assert [done.code for done in codes] == [3, 0]


def test_a_selection_of_nothing_is_no_empty_shard(workspace: ShardWorkspace) -> None:
    """A `-k` without a match is a mistake on every machine."""
    workspace.write(cases=1)
    assert workspace.shard(1, 2, "-k", "nobody").code == 5


def test_a_shard_is_gone_on_with_as_it_was(workspace: ShardWorkspace) -> None:
    """Resuming plays what is left of the same shard."""
    workspace.write(cases=6)
    assert workspace.shard(2, 2, "--max-requests", "1", "-j", "1").code == 4
    assert workspace.run("resume", "2", "--max-requests", "9").code == 0
    assert [each["conversation_id"] for each in workspace.transcripts("2")] == [
        f"refund/case-{number:02}/{MODEL}" for number in (4, 5, 6)
    ]
    assert len(workspace.api.bodies) == 3


def test_a_shard_does_not_go_on_with_other_scenarios(workspace: ShardWorkspace) -> None:
    """Its part of the new ones would not fit to the other shards; what is paid for can be had again."""
    workspace.write(cases=6)
    assert workspace.shard(2, 2, "--max-requests", "1", "-j", "1").code == 4
    workspace.write(cases=7)
    for options in ([], ["--changed"]):
        done = workspace.run("resume", "2", "--max-requests", "9", *options)
        assert done.code == 2
        assert "2 is shard 2/2, and the scenarios are not what they were" in done.stderr
        assert "start all shards anew, this one with --reuse 2" in done.stderr


def test_another_scenario_that_changed_does_not_keep_a_shard_from_its_end(workspace: ShardWorkspace) -> None:
    """What a shard does not play does not matter to it."""
    workspace.write(cases=3)
    text = (workspace.folder / "refund.yaml").read_text(encoding="utf-8")
    (workspace.folder / "zebra.yaml").write_text(text, encoding="utf-8")
    both = ("refund.yaml", "zebra.yaml", "--shard", "1/2", "-o", "1")
    assert workspace.run(*both, "--max-requests", "1", "-j", "1").code == 4
    (workspace.folder / "zebra.yaml").write_text(text + "tags: [new]\n", encoding="utf-8")
    assert workspace.run("resume", "1", "--max-requests", "9").code == 0
    assert {each["scenario"] for each in workspace.transcripts("1")} == {"refund"}


def test_a_shard_leaves_the_verdict_to_all_of_them(workspace: ShardWorkspace) -> None:
    """With a baseline it plays, confirms nothing, and fails for nothing that the gate might let pass."""
    workspace.accept(cases=6, more="repeat: 3")
    workspace.api.reply = breaks("case-02")
    done = workspace.shard(1, 2, "--baseline", "--junit", "junit.xml")
    assert done.code == 0
    assert len(workspace.api.bodies) == 9
    assert "`claude-run merge` holds all shards together against the baseline, though 3" in done.stdout
    assert (
        "3 failed conversations not decided yet: the gate decides once all shards are merged" in done.stdout
    )
    assert "<failure" not in (workspace.folder / "junit.xml").read_text(encoding="utf-8")
    # Going on with it decides nothing either.
    assert workspace.run("resume", "1").code == 0
    assert workspace.summary("1")["gate"] is None
    # Without a baseline it says what is wrong by itself.
    assert workspace.play("alone", "--shard", "1/2").code == 1


def test_what_must_hold_fails_a_shard(workspace: ShardWorkspace) -> None:
    """No statistics could excuse it, so nobody needs to wait for the others."""
    workspace.accept(cases=4, expect="{contains: 30 days, must: true}")
    workspace.api.reply = breaks("case-01")
    done = workspace.shard(1, 2, "--baseline")
    assert done.code == 1
    assert "broke a rule that must hold: refund/case-01" in done.stdout


def test_a_dry_run_of_a_shard_foresees_no_gate(workspace: ShardWorkspace) -> None:
    """It sends its part, and plays no fresh attempts."""
    workspace.accept(cases=4)
    done = workspace.run("refund.yaml", "--baseline", "--shard", "1/2", "--dry-run")
    assert done.code == 0
    assert "2 conversations, 2 requests" in done.stdout
    assert "against the baseline" not in done.stdout
