"""What the process tells CI, for each way that a run can end."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.command import COMMAND, PATIENCE_S, QUICKSTART, claude_run, environment, python
from tests.support.scripted_server import RawServer, error_answer, in_turn, json_answer, message

if TYPE_CHECKING:
    from tests.system.harness.fork_server import ForkServer

FAILING = """\
model: claude-haiku-5-5
max_tokens: 100
turns:
  - user: Say yes.
    expect:
      - contains: a word that no placeholder has
"""
BUG = """
import claude_run.cli.check
from claude_run.__main__ import main

def check(request, options, output, machine):
    raise RuntimeError("planted")

claude_run.cli.check.check = check
main()
"""


def server_environment(server: RawServer) -> dict[str, str]:
    """Return what sends the command's requests to a server of the tests."""
    return {"ANTHROPIC_BASE_URL": server.base_url, "ANTHROPIC_API_KEY": "sk-ant-any"}


def test_a_failed_expectation(tmp_path: Path, fork_server: ForkServer) -> None:
    """A reply that is not what was expected is code 1, with the place of the expectation."""
    (tmp_path / "failing.yaml").write_text(FAILING)
    ended = fork_server.claude_run("failing.yaml", "--simulate", "-o", "out", cwd=tmp_path)
    assert ended.code == 1
    assert ended.stdout.splitlines()[0].startswith("FAIL   turn 1, contains: ")
    assert "failing.yaml:6" in ended.stdout.splitlines()[1]
    assert json.loads((tmp_path / "out/summary.json").read_bytes())["exit_code"] == 1


def test_a_summary_that_nobody_asked_for_hides_no_verdict(tmp_path: Path, fork_server: ForkServer) -> None:
    """Where the step of a workflow takes none the run is told and ends as it would, and says so."""
    (tmp_path / "failing.yaml").write_text(FAILING)
    told = {"GITHUB_STEP_SUMMARY": str(tmp_path / "nowhere" / "summary"), "GITHUB_ACTIONS": "true"}
    ended = fork_server.claude_run("failing.yaml", "--simulate", "-o", "out", cwd=tmp_path, env=told)
    assert ended.code == 1
    assert ended.stdout.splitlines()[-1].startswith("FAILED (exit code 1)")
    assert ended.stderr.count("::error ") == 1
    assert "warning: the summary of the step is not there: " in ended.stderr


def test_a_report_that_cannot_be_written_hides_no_verdict(tmp_path: Path, fork_server: ForkServer) -> None:
    """The disk may fill while a run is played; what it came to is told, and then what is missing, code 3."""
    (tmp_path / "failing.yaml").write_text(FAILING)
    ended = fork_server.claude_run(
        "failing.yaml", "--simulate", "--junit", "/dev/full", "--comment", "comment.md", cwd=tmp_path
    )
    assert ended.code == 3
    assert ended.stdout.splitlines()[-1].startswith("FAILED (exit code 1)")
    assert "error: /dev/full cannot be written: No space left on device" in ended.stderr
    assert (tmp_path / "comment.md").read_text().startswith("# NOT MEASURED (exit code 3)")


def test_every_report_that_cannot_be_written_is_named(tmp_path: Path, fork_server: ForkServer) -> None:
    """Whoever mends the first would find the second in the next run, which is paid for."""
    (tmp_path / "failing.yaml").write_text(FAILING)
    (tmp_path / "junit.xml").symlink_to("/dev/full")
    ended = fork_server.claude_run(
        "failing.yaml", "--simulate", "--junit", "junit.xml", "--comment", "/dev/full", cwd=tmp_path
    )
    assert ended.code == 3
    for name in ("junit.xml", "/dev/full"):
        assert f"error: {name} cannot be written: No space left on device" in ended.stderr


def test_a_comment_tells_of_a_command_that_came_to_nothing(tmp_path: Path, fork_server: ForkServer) -> None:
    """The one of an earlier run, which may say PASSED, does not stay."""
    comment = tmp_path / "comment.md"
    for arguments, headline in (
        (("none.yaml", "--comment", "comment.md"), "# NOT STARTED (exit code 2)"),
        (("none.yaml", "--comment=comment.md", "--no-such-option"), "# NOT STARTED (exit code 2)"),
        (("none.yaml", "--comment=comment.md", "--", "--comment", "other"), "# NOT STARTED (exit code 2)"),
    ):
        comment.write_text("# PASSED (exit code 0)")
        ended = fork_server.claude_run(*arguments, cwd=tmp_path)
        assert ended.code == 2
        assert comment.read_text().startswith(headline)
        assert ended.stderr.splitlines()[0] in comment.read_text()
    assert not (tmp_path / "other").exists()


def test_an_invalid_scenario_sends_and_writes_nothing(tmp_path: Path) -> None:
    """One invalid file among valid ones stops everything before the first request."""
    (tmp_path / "broken.yaml").write_text(FAILING.replace("contains", "contians"))
    with RawServer(respond=in_turn(json_answer(message()))) as server:
        env = server_environment(server)
        ended = claude_run(QUICKSTART, "broken.yaml", cwd=tmp_path, env=env)
    assert ended.code == 2
    assert "broken.yaml:6:9" in ended.stderr
    assert server.ledger == []
    assert [path.name for path in tmp_path.iterdir()] == ["broken.yaml"]


def test_no_key(tmp_path: Path) -> None:
    """Without a key the message says how to set one and what needs none; nothing is written."""
    ended = claude_run(QUICKSTART, cwd=tmp_path)
    assert (ended.code, ended.stdout) == (3, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("error: ")
    assert "ANTHROPIC_API_KEY" in line
    assert "--simulate" in line
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_is_found_before_the_first_request(
    tmp_path: Path, fork_server: ForkServer
) -> None:
    """A run that could not be kept is not begun."""
    (tmp_path / "file").write_text("not a folder")
    with RawServer(respond=in_turn(json_answer(message()))) as server:
        env = server_environment(server)
        ended = fork_server.claude_run(QUICKSTART, "-o", "file/out", cwd=tmp_path, env=env)
    assert ended.code == 3
    assert ended.stderr.startswith("error: file/out cannot be created: ")
    assert server.ledger == []


def test_a_folder_that_holds_a_run_is_refused(tmp_path: Path, fork_server: ForkServer) -> None:
    """A second run never writes into the folder of the first."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "journal.jsonl").write_text("")
    ended = fork_server.claude_run(QUICKSTART, "--simulate", "-o", "out", cwd=tmp_path)
    assert ended.code == 2
    assert "out already holds a run" in ended.stderr
    assert [path.name for path in out.iterdir()] == ["journal.jsonl"]


@pytest.mark.parametrize(("status", "requests"), [(500, 2), (401, 1)])
def test_a_server_that_does_not_answer(
    tmp_path: Path, status: int, requests: int, fork_server: ForkServer
) -> None:
    """What cannot be measured is code 3, never a pass; a refused key ends the whole run at once."""
    answer = error_answer("odd_error", "In short.", status=status, headers=["x-should-retry: false"])
    with RawServer(respond=in_turn(answer)) as server:
        env = server_environment(server)
        ended = fork_server.claude_run(QUICKSTART, "-n", "2", "-j", "1", "-o", "out", cwd=tmp_path, env=env)
    assert ended.code == 3
    assert len(server.ledger) == requests
    assert f"{status} odd_error: In short." in ended.stdout
    lines = (tmp_path / "out/transcripts.jsonl").read_text().splitlines()
    outcomes = [json.loads(line)["outcome"] for line in lines]
    assert "passed" not in outcomes
    assert len(outcomes) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "mark"),
    [
        (["check", "broken.yaml"], 2, "::error file=broken.yaml,line=6,col=9,title=did you mean"),
        (["broken.yaml", "--modle", "x"], 2, "::error title=claude-run::No such option"),
        ([str(QUICKSTART)], 3, "::error title=claude-run::no API credentials were found"),
    ],
)
def test_github_marks_what_kept_a_command_from_its_work(
    tmp_path: Path, arguments: list[str], code: int, mark: str, *, fork_server: ForkServer
) -> None:
    """Not only checks that fail: also what is found before anything is sent, by any command."""
    (tmp_path / "broken.yaml").write_text(FAILING.replace("contains", "contians"))
    ended = fork_server.claude_run(*arguments, cwd=tmp_path, env={"GITHUB_ACTIONS": "true"})
    assert ended.code == code
    (line,) = (line for line in ended.stderr.splitlines() if line.startswith("::error"))
    assert line.startswith(mark)
    assert "::error" not in fork_server.claude_run(*arguments, cwd=tmp_path).stderr


def test_a_bug_of_ours(tmp_path: Path) -> None:
    """An error that nobody foresaw is code 70, and its details are in a file, not on the screen."""
    ended = python(BUG, "check", QUICKSTART, cwd=tmp_path)
    assert (ended.code, ended.stdout) == (70, "")
    assert "planted" not in ended.stderr
    place = ended.stderr.partition("the details are in ")[2].partition(": please report")[0]
    assert Path(place).read_text().endswith("RuntimeError: planted\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_gracefully(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """A signal stops the run, which keeps what it has and says that it was stopped; a second hurries it."""
    command = [str(COMMAND), str(QUICKSTART), "--simulate", "--faults", "latency=60s", "-o", "out"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(tmp_path), stderr=subprocess.PIPE, encoding="utf-8"
    )
    journal = tmp_path / "out/journal.jsonl"
    assert process.stderr is not None
    while not (journal.exists() and '"event":"attempt"' in journal.read_text()):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    assert process.stderr.readline().startswith(f"{number.name}: nothing more is sent")
    process.send_signal(number)
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code
    assert "Traceback" not in stderr
    (line,) = (tmp_path / "out/transcripts.jsonl").read_text().splitlines()
    assert json.loads(line)["outcome"] == "skipped"
