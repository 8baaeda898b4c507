"""`--resume`, `--retry-errors` and `--lf`: what they go on with, warn about, and leave alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.system.crash.promises import RunState, assert_promises_kept, key_of
from tests.system.harness.fork_server import KILLED

if TYPE_CHECKING:
    from tests.system.crash.workspace import CrashWorkspace


def _refuse_bob(body: dict[str, Any]) -> int | None:
    """Refuse the second request of one conversation."""
    return 400 if "Bob" in str(body["messages"][0]) and len(body["messages"]) == 3 else None


def test_without_a_folder_the_latest_run_goes_on(workspace: CrashWorkspace) -> None:
    """The newest of two runs that were cut off is finished; the other stays as it is."""
    assert workspace.run("talk.yaml", crash_at=20).code == KILLED
    first = (workspace.folder / "outputs" / "latest").resolve()
    assert workspace.run("talk.yaml", crash_at=20).code == KILLED
    latest = (workspace.folder / "outputs" / "latest").resolve()
    assert first != latest
    before = (first / "journal.jsonl").read_bytes()
    assert workspace.run("resume", "-q").code == 0
    assert json.loads((latest / "summary.json").read_bytes())["totals"]["replies"] == 9
    assert (first / "journal.jsonl").read_bytes() == before


def test_no_run_yet_is_said(workspace: CrashWorkspace) -> None:
    """There is nothing to go on with, so nothing is sent."""
    ended = workspace.run("resume")
    assert (ended.code, ended.stderr) == (2, "error: outputs/latest holds no run: no run was made yet\n")


def test_a_done_run_sends_nothing_and_keeps_its_exit_code(workspace: CrashWorkspace) -> None:
    """A resume of what is over is a report."""
    assert workspace.play().code == 0
    undisturbed = workspace.transcripts()
    assert workspace.resume().code == 0
    assert workspace.transcripts() == undisturbed
    assert len(workspace.api.ledger) == 9


def test_the_plan_and_its_options_come_from_the_run(workspace: CrashWorkspace) -> None:
    """What shaped the run is restored."""
    assert (
        workspace.play("-k", "ada or bob", "-n", "2", "--set", "who=Ada of Bob", crash_at=20).code == KILLED
    )
    death = RunState.of(workspace)
    assert workspace.resume().code == 0
    assert len({json.dumps(body) for body in workspace.api.ledger}) == 3, (
        "four conversations with the same words"
    )
    assert len(workspace.api.ledger) <= 12 + len(death.in_flight)
    assert {body["messages"][0]["content"] for body in workspace.api.ledger} == {
        "I am Ada of Bob. Give me a number."
    }


def test_what_could_not_be_measured_stays_so_until_it_is_retried(workspace: CrashWorkspace) -> None:
    """A plain resume leaves an errored conversation alone; `--retry-errors` goes on at its failed turn."""
    workspace.api.refuse = _refuse_bob
    assert workspace.play().code == 3
    assert len(workspace.api.ledger) == 8
    workspace.api.refuse = lambda _: None
    assert workspace.resume().code == 3
    assert len(workspace.api.ledger) == 8
    assert workspace.resume("--retry-errors").code == 0
    assert [len(body["messages"]) for body in workspace.api.ledger[8:]] == [3, 5]
    assert [row["outcome"] for row in workspace.transcripts()] == ["passed"] * 3


def test_a_retry_that_is_killed_goes_on(workspace: CrashWorkspace) -> None:
    """An end that was played past is none: the next plain resume finishes what the retry began."""
    workspace.api.refuse = _refuse_bob
    assert workspace.play().code == 3
    workspace.api.refuse = lambda _: None
    # The lock, the list of runs, the start, the attempt, its reply, and then the next question.
    assert workspace.resume("--retry-errors", crash_at=6).code == KILLED
    death = RunState.of(workspace)
    reported = workspace.run("report", "run")
    assert reported.code == 3
    assert [row["outcome"] for row in workspace.transcripts()] == ["passed", "skipped", "passed"]
    sent = len(workspace.api.ledger)
    assert workspace.resume().code == 0
    assert not set(death.replies) & {key_of(body) for body in workspace.api.ledger[sent:]}
    assert [row["outcome"] for row in workspace.transcripts()] == ["passed"] * 3


def test_last_failed_plays_what_did_not_pass(workspace: CrashWorkspace) -> None:
    """It is a new run of the conversations that failed, erred or were not finished in the latest one."""
    workspace.api.refuse = _refuse_bob
    assert workspace.run("talk.yaml").code == 3
    workspace.api.refuse = lambda _: None
    workspace.api.ledger.clear()
    assert workspace.play("--lf").code == 0
    assert [body["messages"][0]["content"] for body in workspace.api.ledger] == [
        "I am Bob. Give me a number."
    ] * 3
    assert [row["case"] for row in workspace.transcripts()] == ["bob"]


def test_last_failed_after_a_kill_takes_what_was_not_finished(workspace: CrashWorkspace) -> None:
    """A run that died has no derived files, but its journal knows what is open."""
    assert workspace.run("talk.yaml", "-j", "1", crash_at=20).code == KILLED
    workspace.api.ledger.clear()
    assert workspace.play("--lf").code == 0
    assert [row["case"] for row in workspace.transcripts()] == ["bob", "eve"]


def test_a_resume_refused_for_want_of_a_key_changes_nothing(workspace: CrashWorkspace) -> None:
    """The journal stays free of a conversation that could not be played."""
    assert workspace.play(crash_at=20).code == KILLED
    death = RunState.of(workspace)
    keyless = workspace.resume(without_key=True)
    assert keyless.code == 3
    assert "set ANTHROPIC_API_KEY" in keyless.stderr
    assert workspace.resume().code == 0
    assert_promises_kept(workspace, [death])


@pytest.mark.parametrize("flag", ["--dry-run", "--list", "-n", "-k", "--set", "--simulate", "-o"])
def test_what_shapes_a_run_is_no_option_of_resume(workspace: CrashWorkspace, flag: str) -> None:
    """Whoever only wants to look, or wants another run, never goes on with this one."""
    assert workspace.play(crash_at=20).code == KILLED
    sent = len(workspace.api.ledger)
    refused = workspace.resume(flag)
    assert (refused.code, len(workspace.api.ledger)) == (2, sent)
    assert f"No such option: {flag}" in refused.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("talk.yaml", "--retry-errors"),
        ("talk.yaml", "--resume"),
        ("--retry-errors", "run"),
        ("--resume", "run"),
    ],
)
def test_only_resume_goes_on_with_a_run(workspace: CrashWorkspace, arguments: tuple[str, ...]) -> None:
    """No flag of `run` makes it judge another run than the one that is named; the way is told."""
    assert workspace.run("talk.yaml").code == 0
    sent = len(workspace.api.ledger)
    refused = workspace.run(*arguments)
    assert (refused.code, len(workspace.api.ledger)) == (2, sent)
    assert "did you mean `claude-run resume`?" in refused.stderr


def test_the_other_options_hold_too_and_may_be_given_anew(workspace: CrashWorkspace) -> None:
    """A cap of the first process holds in the second, until it is lifted by name."""
    assert workspace.play("--max-requests", "2").code == 4
    assert workspace.resume().code == 4
    assert "stopped by --max-requests 2" in workspace.resume().stdout
    assert workspace.resume("--max-requests", "100").code == 0


def test_the_run_that_is_taken_is_named(workspace: CrashWorkspace) -> None:
    """`outputs/latest` is a moving name: the folder itself is said, by every command that takes it."""
    assert workspace.run("talk.yaml", "-o", "mine").code == 0
    for command in ("resume", "report", "verify", "accept", "review"):
        ended = workspace.run(command, *(["--pending"] if command == "review" else []))
        said = ended.stdout if command == "verify" else ended.stderr
        assert "mine" in said.splitlines()[0], command
