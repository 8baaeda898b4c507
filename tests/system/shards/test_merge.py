"""`merge`: shards become the run that one machine would have played, or nothing at all."""

from __future__ import annotations

import errno
import fcntl
import json
import shutil
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.command import claude_run
from tests.system.gate.api import obeys, said
from tests.system.harness.sweeps import spread
from tests.system.shards.workspace import MODEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.system.shards.workspace import ShardWorkspace

OF_THE_MOMENT = frozenset({"started_at", "received_at", "duration_s", "latency_s", "request_id", "id"})
"""What two plays of the same conversation differ in."""


def breaks(*names: str) -> Any:
    """Return a rule that breaks the promise for the cases that are named."""
    return lambda body, nth: "Never." if any(name in said(body) for name in names) else obeys(body, nth)


def timeless(value: Any) -> Any:
    """Return JSON without what belongs to the moment in which it was played."""
    if isinstance(value, dict):
        return {name: timeless(part) for name, part in value.items() if name not in OF_THE_MOMENT}
    return [timeless(part) for part in value] if isinstance(value, list) else value


def events(workspace: ShardWorkspace, name: str) -> list[Mapping[str, Any]]:
    """Return the lines of a journal without their numbers and checksums, and without its header."""
    lines = (workspace.folder / name / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    values = [json.loads(line) for line in lines]
    assert [value["seq"] for value in values] == list(range(len(values)))
    return [{key: part for key, part in value.items() if key not in {"crc", "seq"}} for value in values[1:]]


@pytest.fixture
def three(workspace: ShardWorkspace) -> ShardWorkspace:
    """Give three shards of seven cases at two repeats, one case of which fails."""
    workspace.write(cases=7, more="repeat: 2")
    workspace.api.reply = breaks("case-05")
    assert sorted(workspace.shards(3)) == [0, 0, 1]
    return workspace


def test_shards_become_the_run_of_one_machine(three: ShardWorkspace) -> None:
    """The same conversations in the same order, with the same words, checks, exit code and totals."""
    assert three.play("alone").code == 1
    done = three.merge("2", "3", "1")
    assert done.code == 1
    assert "run merged" in done.stderr
    assert three.planned("merged") == three.planned("alone")
    assert timeless(three.transcripts("merged")) == timeless(three.transcripts("alone"))
    merged, alone = three.summary("merged"), three.summary("alone")
    for part in ("exit_code", "exit_reason", "cases", "name", "must_failed"):
        assert merged[part] == alone[part]
    assert merged["totals"] == alone["totals"]
    assert merged["started_at"] <= merged["ended_at"]
    assert merged["ended_at"] == max(three.summary(name)["ended_at"] for name in "123")


def test_a_merged_run_is_a_whole_run(three: ShardWorkspace) -> None:
    """It is verified, reported, gone on with, compared and accepted like any other, and is the latest."""
    three.merge("1", "2", "3")
    assert three.run("verify", "merged").stdout.endswith(": whole\n")
    assert (three.folder / "outputs" / "latest").readlink().name == "merged"
    three.api.bodies.clear()
    assert three.run("resume", "merged").code == 1
    assert three.api.bodies == []
    assert three.run("report", "merged", "--html").code == 1
    assert three.run("compare", "merged", "1").code == 0
    assert three.run("accept", "merged", "--with-failures").code == 0
    assert len(three.accepted()) == 7
    # A replay of it sends nothing.
    three.api.bodies.clear()
    assert three.play("again", "--replay", "merged").code == 1
    assert three.api.bodies == []
    run = json.loads((three.folder / "merged" / "run.json").read_text(encoding="utf-8"))
    assert "shard" not in run
    assert run["options"]["shard"] is None


def test_its_journal_holds_every_event_of_the_shards(three: ShardWorkspace) -> None:
    """Nothing is missing, nothing is there twice, and each is what it was."""
    three.merge("3", "1", "2")
    joined = [event for name in "123" for event in events(three, name)]
    assert events(three, "merged")[:-1] == joined
    assert events(three, "merged")[-1]["what"] == "ended"
    for name in "123":
        assert three.run("verify", name).code == 0


def test_all_else_of_the_command_line(three: ShardWorkspace) -> None:
    """Without `-o` it lands where runs do; JSON and JUnit come as from `run`."""
    done = three.run("merge", "1", "2", "3", "--json", "--junit", "junit.xml")
    assert done.code == 1
    assert json.loads(done.stdout)["totals"]["conversations"] == 14
    text = (three.folder / "junit.xml").read_text(encoding="utf-8")
    assert (text.count("<testcase "), text.count("<failure")) == (14, 2)
    assert (three.folder / "outputs" / "latest" / "transcripts.md").exists()


def test_an_empty_shard_is_merged_too(workspace: ShardWorkspace) -> None:
    """Five machines for two cases leave a whole run."""
    workspace.write(cases=2)
    assert workspace.shards(5) == [0] * 5
    done = workspace.merge(*"12345")
    assert done.code == 0
    assert workspace.planned("merged") == [f"refund/case-0{number}/{MODEL}" for number in (1, 2)]


def refused(workspace: ShardWorkspace, *runs: str, code: int = 2) -> str:
    """Merge what must be refused; return the one line that says why."""
    before = sorted(path.name for path in workspace.folder.iterdir())
    done = workspace.merge(*runs)
    assert done.code == code, done.stderr
    assert sorted(path.name for path in workspace.folder.iterdir()) == before
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line.removeprefix("error: ")


def test_a_missing_shard_is_named(three: ShardWorkspace) -> None:
    """Which one, and how to get it."""
    assert refused(three, "1", "2").startswith("shard 3/3 is missing: name the run folders of all 3 shards")
    assert refused(three, "2").startswith("shard 1/3, 3/3 are missing")


def test_a_merge_into_one_of_its_shards_is_refused(three: ShardWorkspace) -> None:
    """By whichever name; the shard stays as it is."""
    (three.folder / "link").symlink_to("1")
    for name in ("1", "link"):
        done = three.merge("1", "2", "3", out=name)
        assert (done.code, done.stderr) == (
            2,
            f"error: -o {name} is one of the shards, which stay as they are: name a new folder\n",
        )
    assert three.run("verify", "1").code == 0


def test_a_shard_that_is_there_twice_is_refused(three: ShardWorkspace) -> None:
    """By the same folder, and by another play of the same part."""
    assert refused(three, "1", "2", "3", "1/") == "1 is named twice: name the run folder of each shard once"
    (three.folder / "link").symlink_to("1")
    assert "is named twice" in refused(three, "1", "2", "3", "link")
    shutil.copytree(three.folder / "1", three.folder / "copy")
    assert refused(three, "1", "2", "3", "copy") == (
        "shard 1/3 is there twice, in 1 and in copy: name one of them"
    )


def test_shards_of_different_splits_are_refused(three: ShardWorkspace) -> None:
    """A half does not fit to thirds."""
    assert three.play("half", "--shard", "2/2").code in {0, 1}
    line = refused(three, "1", "half", "3")
    assert line == (
        "shard 1/3 (1) and shard 2/2 (half) are parts of different runs: the plan was cut into 3 shards for"
        " one, and into 2 for the other"
    )


def test_shards_of_other_versions_of_a_scenario_are_refused(three: ShardWorkspace) -> None:
    """The file is named."""
    three.write(cases=7, more="repeat: 2", system="Promise what you like.")
    shutil.rmtree(three.folder / "3")
    three.shard(3, 3)
    assert refused(three, "1", "2", "3") == (
        "shard 1/3 (1) and shard 3/3 (3) are parts of different runs: refund.yaml is not the same in both;"
        " play all shards from one version of the scenarios"
    )


def test_shards_of_other_options_are_refused(three: ShardWorkspace) -> None:
    """The option is named; those that do not decide what a run is may differ."""
    shutil.rmtree(three.folder / "3")
    three.shard(3, 3, "-k", "case", "-j", "3")
    assert "-k is not the same in both" in refused(three, "1", "2", "3")
    shutil.rmtree(three.folder / "3")
    three.shard(3, 3, "-j", "3")
    assert three.merge("1", "2", "3").code == 1


def test_what_is_no_shard_is_refused(three: ShardWorkspace) -> None:
    """A whole run, and no run at all."""
    three.play("alone")
    assert refused(three, "1", "2", "alone") == (
        "alone is no shard: merge joins runs that were played with --shard, all of one plan"
    )
    assert refused(three, "1", "2", "nowhere").startswith("nowhere holds no run")
    three.merge("1", "2", "3")
    assert refused(three, "merged", "1") == (
        "merged is no shard: merge joins runs that were played with --shard, all of one plan"
    )


def test_a_shard_that_is_not_finished_is_named(workspace: ShardWorkspace) -> None:
    """With the command that goes on with it, after which all is well."""
    workspace.write(cases=6)
    assert workspace.shard(1, 2).code == 0
    assert workspace.shard(2, 2, "--max-requests", "1", "-j", "1").code == 4
    line = refused(workspace, "1", "2")
    assert line.startswith("shard 2/2 (2) is not finished (")
    assert line.endswith("): go on with `claude-run resume 2`")
    assert workspace.run("resume", "2", "--max-requests", "9").code == 0
    assert workspace.merge("1", "2").code == 0


def test_a_shard_that_was_killed_is_not_finished(three: ShardWorkspace) -> None:
    """Its journal ends without an end, or in the middle of a line."""
    journal = three.folder / "2" / "journal.jsonl"
    for name in ("transcripts.jsonl", "transcripts.md", "summary.json", "summary.md"):
        (three.folder / "2" / name).unlink()
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-5])
    assert "shard 2/3 (2) is not finished (" in refused(three, "1", "2", "3")
    journal.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    assert refused(three, "1", "2", "3") == (
        "shard 2/3 (2) is not finished (the run was cut off before its end): go on with `claude-run resume 2`"
    )
    journal.unlink()
    assert "2 was never begun" in refused(three, "1", "2", "3")


def test_a_damaged_shard_is_an_error_of_storage(three: ShardWorkspace) -> None:
    """What a checksum does not fit is not carried over."""
    journal = three.folder / "2" / "journal.jsonl"
    data = bytearray(journal.read_bytes())
    data[len(data) // 2] ^= 1
    journal.write_bytes(data)
    assert "2/journal.jsonl:" in refused(three, "1", "2", "3", code=3)


def test_conversations_that_do_not_add_up_are_refused(three: ShardWorkspace) -> None:
    """A plan that was changed by hand is found out: one conversation in two shards, or in none."""

    def change(name: str, change_plan: Any) -> None:
        path = three.folder / name / "run.json"
        run = json.loads(path.read_text(encoding="utf-8"))
        change_plan(run["conversations"])
        path.write_text(json.dumps(run), encoding="utf-8")

    first = json.loads((three.folder / "1" / "run.json").read_text(encoding="utf-8"))["conversations"][0]
    change("2", lambda planned: planned.append(first))
    assert f"{first['id']} is in shard 1/3 (1) and in shard 2/3 (2): were they all cut by" in refused(
        three, "1", "2", "3"
    )
    change("2", lambda planned: planned.pop())
    change("3", lambda planned: planned.pop())
    assert "the shards hold 13 conversations and do not add up" in refused(three, "1", "2", "3")


def test_nothing_is_written_over(three: ShardWorkspace) -> None:
    """A folder that holds anything is refused, an empty one is taken."""
    three.merge("1", "2", "3")
    assert "merged already holds a run" in refused(three, "1", "2", "3")
    assert three.run("merge", "1", "2", "3", "-o", "1").code == 2
    (three.folder / "empty").mkdir()
    assert three.merge("1", "2", "3", out="empty").code == 1
    assert three.merge("1", "2", "3", out="").code == 2


def test_a_shard_that_is_still_going_on_is_refused(three: ShardWorkspace) -> None:
    """What it comes to is not known yet."""
    with (three.folder / "2" / "journal.jsonl").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "2: the run is still going on" in refused(three, "1", "2", "3")


def test_a_broken_case_is_confirmed_after_the_merge(workspace: ShardWorkspace) -> None:
    """Merging sends nothing: what fresh attempts would tell is unclear, and `resume` plays them."""
    workspace.accept(cases=6, more="repeat: 3")
    workspace.api.reply = breaks("case-02")
    assert workspace.shards(2, "--baseline") == [0, 0]
    workspace.api.bodies.clear()
    done = workspace.merge("1", "2")
    assert (done.code, workspace.api.bodies) == (1, [])
    assert workspace.summary("merged")["gate"]["verdict"] == "unclear"
    assert "next: claude-run resume merged" in done.stderr
    assert (
        "merging has played none: `claude-run resume` plays the fresh attempts that would tell" in done.stdout
    )
    told = workspace.run("resume", "merged")
    assert told.code == 1
    assert workspace.summary("merged")["gate"]["verdict"] == "regressed"
    assert {said(body) for body in workspace.api.bodies} == {"May I return case-02?"}
    # The same verdict, after as many fresh attempts, as of one machine.
    fresh = len(workspace.api.bodies)
    workspace.api.bodies.clear()
    assert workspace.play("alone", "--baseline").code == 1
    assert len(workspace.api.bodies) == 18 + fresh
    merged, alone = (workspace.summary(name)["gate"] for name in ("merged", "alone"))
    assert merged == alone


@pytest.mark.parametrize("flaky", [False, True])
def test_a_merge_that_goes_on_tells_one_verdict(workspace: ShardWorkspace, *, flaky: bool) -> None:
    """That of the fresh attempts: nothing on screen, in the summary of a step or marked is of before."""
    workspace.accept(cases=6, more="repeat: 3")
    workspace.api.reply = breaks("case-02")
    assert workspace.shards(2, "--baseline") == [0, 0]
    if flaky:
        workspace.api.reply = obeys
    workspace.api.bodies.clear()
    told = {
        "ANTHROPIC_BASE_URL": workspace.api.url,
        "ANTHROPIC_API_KEY": "sk-ant-any",
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(workspace.folder / "step.md"),
    }
    done = workspace.run_offline("merge", "1", "2", "-o", "merged", "--resume", **told)
    assert done.code == (0 if flaky else 1), done.stderr
    assert {said(body) for body in workspace.api.bodies} == {"May I return case-02?"}
    verdict = "no regression found" if flaky else "regressed"
    assert workspace.summary("merged")["gate"]["verdict"] == verdict
    step = (workspace.folder / "step.md").read_text(encoding="utf-8")
    headlines = [line.split(":")[0] for line in step.splitlines() if line.startswith("## ")]
    assert headlines[0] == f"## {verdict.upper()}"
    assert step.count("\n# ") + step.startswith("# ") == 1
    assert done.stderr.count("::error ") == (0 if flaky else 1)
    assert done.stdout.count("(exit code ") == 1
    assert workspace.run("verify", "merged").code == 0


def test_a_merge_that_has_nothing_to_go_on_with_sends_nothing(three: ShardWorkspace) -> None:
    """It ends as without the option, and needs no key."""
    three.api.bodies.clear()
    done = three.run_offline("merge", "1", "2", "3", "-o", "merged", "--resume")
    assert done.code == 1, done.stderr
    assert three.api.bodies == []
    assert three.run("verify", "merged").code == 0


def test_the_gate_is_over_all_shards(workspace: ShardWorkspace) -> None:
    """A loss that is spread over all cases is none in any shard, and one in the whole."""
    workspace.accept(cases=8, more="repeat: 2")
    seen: dict[str, int] = {}

    def half(body: dict[str, Any], nth: int) -> str | None:
        seen[said(body)] = seen.get(said(body), 0) + 1
        return "Never." if seen[said(body)] % 2 else obeys(body, nth)

    workspace.api.reply = half
    assert workspace.shards(4, "--baseline") == [0] * 4
    done = workspace.merge(*"1234")
    gate = workspace.summary("merged")["gate"]
    assert (done.code, gate["verdict"]) == (1, "regressed")
    assert len(gate["cases"]) == 8


def test_a_baseline_that_is_another_one_now_is_refused(workspace: ShardWorkspace) -> None:
    """The verdict is on what the shards were started against."""
    workspace.accept(cases=4)
    assert workspace.shards(2, "--baseline") == [0, 0]
    workspace.api.reply = breaks("case-01")
    assert workspace.play("other").code == 1
    assert workspace.run("accept", "other", "--with-failures").code == 0
    assert "refund.baseline.json is not what it was when the shards were started" in refused(
        workspace, "1", "2"
    )


def test_caps_add_up_and_names_are_allowed_together(workspace: ShardWorkspace) -> None:
    """The whole may have cost what each of its shards was allowed."""
    workspace.write(cases=4)
    assert workspace.shard(1, 2, "--max-cost", "1", "--allow-model", "a=b").code == 0
    assert workspace.shard(2, 2, "--max-cost", "2.5", "--allow-model", "a=c", "--max-requests", "9").code == 0
    assert workspace.merge("1", "2").code == 0
    options = json.loads((workspace.folder / "merged" / "run.json").read_text(encoding="utf-8"))["options"]
    assert options["max_cost"] == "3.5"
    assert options["max_requests"] is None
    assert options["allowed_models"] == {"a": ["b", "c"]}


def test_merging_needs_the_run_folders_alone(three: ShardWorkspace) -> None:
    """The machine that merges has neither the scenarios nor a key."""
    three.merge("1", "2", "3", out="here")
    elsewhere = three.folder / "elsewhere"
    elsewhere.mkdir()
    for name in "123":
        (three.folder / name).rename(elsewhere / name)
    done = claude_run("merge", "1", "2", "3", "-o", "there", cwd=elsewhere)
    assert done.code == 1, done.stderr
    runs = (elsewhere / "there", three.folder / "here")
    there, here = ((run / "transcripts.jsonl").read_bytes() for run in runs)
    assert there == here


def test_batches_are_merged_with_all_that_is_known_of_them(three: ShardWorkspace) -> None:
    """What was submitted, and that nothing of it is open, stands in the whole as in the shards."""
    batched = ("--simulate", "--batch", "-q")
    for index in (1, 2):
        assert three.play(f"b{index}", "--shard", f"{index}/2", *batched).code in {0, 1}
    assert three.merge("b1", "b2").code in {0, 1}
    told = [event for name in ("b1", "b2") for event in events(three, name)]
    assert sum(event.get("what") == "batch_submitted" for event in told) == 2
    assert events(three, "merged")[:-1] == told
    assert three.run("resume", "merged", "-q").code in {0, 1}
    assert three.run("verify", "merged").code == 0


def test_what_could_not_be_measured_is_no_reason_to_refuse(workspace: ShardWorkspace) -> None:
    """The whole says so, as one machine would have, and the conversation is tried again from there."""
    workspace.write(cases=4)
    workspace.api.reply = lambda body, nth: None if "case-01" in said(body) else obeys(body, nth)
    assert workspace.shards(2, "--patience", "0s") == [3, 0]
    done = workspace.merge("1", "2")
    assert done.code == 3
    assert "next: claude-run resume merged --retry-errors" in done.stderr
    workspace.api.reply = obeys
    assert workspace.run("resume", "merged", "--retry-errors").code == 0


@pytest.fixture
def gated(workspace: ShardWorkspace) -> ShardWorkspace:
    """Give two shards that were played to be held against a baseline."""
    workspace.accept(cases=4, more="repeat: 3")
    assert workspace.shards(2, "--baseline") == [0, 0]
    workspace.api.bodies.clear()
    return workspace


def assert_ends_well(workspace: ShardWorkspace, out: str) -> None:
    """Go on with what a merge that came to nothing has left: no run, or the whole one."""
    if (workspace.folder / out / "run.json").exists():
        assert workspace.run("resume", out).code == 0
    else:
        assert workspace.merge("1", "2", out=out).code == 0
    assert workspace.summary(out)["gate"]["verdict"] == "no regression found"
    assert len(workspace.transcripts(out)) == 12
    assert workspace.run("verify", out).stdout.endswith(": whole\n")
    assert workspace.api.bodies == []


@pytest.mark.parametrize("tear", [False, True], ids=["before", "within"])
def test_a_merge_that_is_killed_leaves_no_half_run(gated: ShardWorkspace, *, tear: bool) -> None:
    """At whichever write: another merge makes the whole, or a resume goes on with it."""
    killed = 0
    while True:
        out = f"killed-{killed}"
        done = gated.fork_server.run(
            *(gated.folder, "merge", "1", "2", "-o", out), url=gated.api.url, crash_at=killed + 1, tear=tear
        )
        if done.code == 0:
            break
        assert done.code == -signal.SIGKILL
        killed += 1
        assert_ends_well(gated, out)
        for left in gated.folder.glob(f".{out}.*"):
            shutil.rmtree(left)
    assert killed >= 6  # the journal, run.json, the lock, the verdict, and the files made of them


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC], ids=["EIO", "ENOSPC"])
def test_a_disk_that_fails_is_told_and_leaves_no_half_run(gated: ShardWorkspace, code: int) -> None:
    """At whichever operation: code 3 in one line, nothing hidden is left, and the shards are as they were."""
    count = gated.folder / "operations"
    merged = ("merge", "1", "2", "-o")
    assert (
        gated.fork_server.run(gated.folder, *merged, "counted", url=gated.api.url, count_to=str(count)).code
        == 0
    )
    operations = count.read_text(encoding="ascii").split()
    for at in spread(range(1, len(operations) + 1), one_in=3):
        out = f"fault-{at}"
        done = gated.fork_server.run(
            *(gated.folder, *merged, out), url=gated.api.url, fault_at=at, fault_code=code
        )
        assert done.code == 3, (operations[at - 1], done.stderr)
        assert list(gated.folder.glob(f".{out}.*")) == []
        assert_ends_well(gated, out)
    for name in "12":
        assert gated.run("verify", name).code == 0
