"""Own checks are code of others: whatever they do, nobody else suffers from it, and they are named."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.system.faults.api import Api, ok
from tests.system.harness.workspace import until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.system.harness.workspace import Workspace

CHECKS = r"""
from __future__ import annotations
import asyncio, os, signal, subprocess, sys, threading, time
from pathlib import Path
from claude_run.checks.own import *

print("said while it was loaded")

class Failed(BaseException):
    "What pytest raises."

def mine(function):
    return check(function.__name__, schema={}, example=[1])(function)

@mine
def passes(value, reply): return passed("fine")
@mine
def interrupts(value, reply): raise KeyboardInterrupt
@mine
def cancels(value, reply): raise asyncio.CancelledError
@mine
def fails(value, reply): raise Failed("no")
@mine
def leaves(value, reply): sys.exit(1)
@mine
def exits(value, reply): os._exit(0)
@mine
def crashes(value, reply): os.kill(os.getpid(), signal.SIGSEGV)
@mine
def closes(value, reply): os.closerange(0, 100); return passed("closed")
@mine
def recurses(value, reply): return recurses.evaluate(value, reply)
@mine
def returns(value, reply): return {"status": "passed"}
@mine
def sleeps(value, reply): time.sleep(2); return passed("slept")
@mine
def endless(value, reply):
    Path(f"endless-{os.getpid()}").touch()
    while True: pass
@mine
def prints(value, reply):
    print("to stdout \x1b[31mred")
    sys.__stdout__.write("to the first one\n")
    os.write(1, b"to the descriptor\n")
    os.system("echo from a child")
    return passed("printed")
@mine
def floods(value, reply):
    for _ in range(20_000): print("again and again")
    return passed("flooded")
@mine
def forks(value, reply):
    if os.fork() == 0:
        return failed("this is the copy")
    return passed("forked")
@mine
def leaves_behind(value, reply):
    pid = os.fork()
    if pid == 0:
        time.sleep(600)
    Path("left-behind").write_text(str(pid))
    return passed("left")
@mine
def changes(value, reply):
    value.clear(); reply.content[0].clear(); os.chdir("/"); os.environ.clear(); sys.path.clear()
    return passed("changed")
@mine
def leaves_a_writer(value, reply):
    for _ in range(8): subprocess.Popen(["yes"])
    return passed("left a writer")
@mine
def starts_threads(value, reply):
    threading.Thread(target=time.sleep, args=[600]).start()
    return passed("started")
"""
CHANGED = ("--changed", "--checks", "mine.py")
"""What takes checks as they are now, for those that the run was started with have been changed."""

BROKEN = {
    "interrupts": "the check `interrupts` broke: KeyboardInterrupt (mine.py, line ",
    "cancels": "the check `cancels` broke: CancelledError (mine.py, line ",
    "fails": "the check `fails` broke: Failed: no (mine.py, line ",
    "leaves": "the check `leaves` broke: SystemExit: 1 (mine.py, line ",
    "exits": "the check `exits` ended its process (exit code 0)",
    "crashes": "the check `crashes` ended its process (SIGSEGV)",
    "closes": "the check `closes` ended its process (SIGKILL)",
    "recurses": "the check `recurses` broke: RecursionError: ",
    "returns": "the check `returns` returned a dict: return passed(...) or failed(...)",
    "endless": "the check `endless` did not return within 3 s (--check-timeout)",
}
HARMLESS = ("sleeps", "prints", "floods", "forks", "leaves_behind", "changes", "starts_threads", "passes")
GOOD = tuple(f"good{number}" for number in range(8))


def write(workspace: Workspace, cases: Iterable[str] = (), *, repeat: int = 1) -> None:
    """Write the checks, a scenario of good cases, and one for each of these checks, called like it."""
    workspace.write("mine.py", CHECKS)
    rows = "".join(f"  - {{id: {name}}}\n" for name in GOOD)
    workspace.write("good.yaml", scenario("good", f"cases:\n{rows}", "contains: Yes"))
    for name in cases:
        workspace.write(f"{name}.yaml", scenario(name, f"repeat: {repeat}\n", f"{name}: [1]"))


def scenario(name: str, head: str, expected: str) -> str:
    """Return a scenario of one turn with one expectation; the API learns from the turn who asks."""
    turn = f"  - user: case={name}\n    expect: [{{{expected}}}]\n"
    return f"model: claude-haiku-5-5\nmax_tokens: 100\n{head}turns:\n{turn}"


def is_alive(pid: int) -> bool:
    """Return whether a process is there, and is no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    return state != "Z"


def facts(transcripts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what may not change for the good conversations, whatever is checked beside them."""
    return {
        name: (each["outcome"], each["cost_usd"], [turn["attempts"] for turn in each["turns"]])
        for name, each in transcripts.items()
        if name in GOOD
    }


def test_whatever_they_do_the_others_do_not_notice(workspace: Workspace) -> None:
    """Each is named with what it did; the others are neither late nor paid for twice; stdout is JSON."""
    names = (*BROKEN, *HARMLESS)
    write(workspace, names)
    # A reply takes a second, and an attempt may take five: whoever is blocked for longer pays again.
    with Api(answer=lambda _: ok("Yes.", delay_s=1.0)) as api:
        options = ("-j", "50", "--timeout", "5s", "--patience", "10s", "--json")
        alone = workspace.run("good.yaml", *options, "-o", "alone", url=api.url)
        assert alone.code == 0
        before = len(api.ledger)
        files = (f"{name}.yaml" for name in names)
        own = ("--checks", "mine.py", "--check-timeout", "3s")
        beside = workspace.run("good.yaml", *files, *options, *own, "-o", "out", url=api.url)
        assert beside.code == 3
        assert len(api.ledger) == before + len(GOOD) + len(names)
    assert json.loads(beside.stdout)["exit_code"] == 3
    assert facts(workspace.transcripts()) == facts(workspace.transcripts("alone"))
    # A check that sleeps or loops for seconds makes no reply later by as much.
    assert max(latencies(workspace)) < max(latencies(workspace, "alone")) + 1.5
    found = results(workspace)
    assert {name: found[name][0] for name in names} == {
        **dict.fromkeys(BROKEN, "errored"),
        **dict.fromkeys(HARMLESS, "passed"),
    }
    for name, message in BROKEN.items():
        assert found[name][1].startswith(message)
        assert message in beside.stderr
    # What they print is talk, made safe, and no more of it than somebody reads.
    assert "a file of checks printed: said while it was loaded" in beside.stderr
    for said in ("to stdout ^[[31mred", "to the first one", "to the descriptor", "from a child"):
        assert f"the check `prints` printed: {said}" in beside.stderr
    assert beside.stderr.count("again and again") == 50
    assert "the check `floods` printed more than 50 lines: the rest is left out" in beside.stderr
    # The reply is kept as it came, and nothing is left running.
    texts = {turn["reply"]["text"] for each in workspace.transcripts().values() for turn in each["turns"]}
    assert texts == {"Yes."}
    pids = [int(path.name.removeprefix("endless-")) for path in workspace.folder.glob("endless-*")]
    pids.append(int((workspace.folder / "left-behind").read_text()))
    until(lambda: not any(map(is_alive, pids)))


def latencies(workspace: Workspace, run: str = "out") -> list[float]:
    """Return how long the replies of the good conversations took, in seconds."""
    rows = workspace.transcripts(run)
    return [turn["latency_s"] for name in GOOD for turn in rows[name]["turns"]]


def results(workspace: Workspace, run: str = "out") -> dict[str, tuple[str, str]]:
    """Return status and message of the only check of each conversation, by the name of its scenario."""
    rows = (workspace.folder / run / "transcripts.jsonl").read_text(encoding="ascii").splitlines()
    found = {}
    for row in map(json.loads, rows):
        (checked,) = row["turns"][0]["checks"]
        found[row["scenario"]] = checked["status"], checked["message"]
    return found


def test_a_replay_and_a_resume_call_them_in_the_same_way(workspace: Workspace) -> None:
    """Whoever evaluates again gets the same result, and an errored one can be had again for nothing."""
    write(workspace, ["passes", "exits"])
    options = ("passes.yaml", "exits.yaml", "--checks", "mine.py")
    with Api(answer=lambda _: ok("Yes.")) as api:
        assert workspace.run(*options, "-o", "out", url=api.url).code == 3
        assert workspace.run(*options, "-o", "again", "--replay", "out").code == 3
        assert results(workspace) == results(workspace, "again")
        workspace.write("mine.py", CHECKS.replace("os._exit(0)", "return passed('mended')"))
        assert workspace.run("resume", "out", *CHANGED, "--retry-errors", url=api.url).code == 0
        assert len(api.ledger) == 2
    assert results(workspace)["exits"] == ("passed", "mended")


def test_a_check_that_never_returns_is_called_a_few_times_only(workspace: Workspace) -> None:
    """After three calls in a row it is known: the run ends, and other checks are called all the same."""
    write(workspace, ["endless", "passes"], repeat=60)
    with Api(answer=lambda _: ok("Yes.")) as api:
        options = ("--checks", "mine.py", "--check-timeout", "1s", "-o", "out")
        result = workspace.run("endless.yaml", "passes.yaml", *options, url=api.url)
    assert result.code == 3
    said = [checked["message"] for checked in _checks(workspace, "endless")]
    timed_out = [message for message in said if message.startswith("the check `endless` did not return")]
    assert 3 <= len(timed_out) <= 3 + 8
    rest = {message for message in said if message not in timed_out}
    assert rest == {"the check `endless` was not called: its last 3 calls did not return"}
    assert {checked["status"] for checked in _checks(workspace, "passes")} == {"passed"}


def _checks(workspace: Workspace, scenario: str) -> list[dict[str, Any]]:
    rows = (workspace.folder / "out" / "transcripts.jsonl").read_text(encoding="ascii").splitlines()
    every = map(json.loads, rows)
    return [each["turns"][0]["checks"][0] for each in every if each["scenario"] == scenario]


def test_what_a_check_leaves_behind_holds_nothing_up(workspace: Workspace) -> None:
    """A child of it that writes without end is heard no longer than the check is asked."""
    write(workspace, ["leaves_a_writer"])
    options = ("--checks", "mine.py", "--max-time", "60s", "-o", "out")
    with Api(answer=lambda _: ok("Yes.")) as api:
        assert workspace.run("leaves_a_writer.yaml", *options, url=api.url).code == 0
    assert results(workspace)["leaves_a_writer"] == ("passed", "left a writer")


def test_caps_and_signals_end_a_run_whose_check_does_not(workspace: Workspace) -> None:
    """`--max-time` and Ctrl-C wait for a check no longer than for a reply; resume calls it again."""
    write(workspace, ["endless"])
    arguments = ("endless.yaml", "--checks", "mine.py", "--check-timeout", "10m", "--grace", "1s")
    with Api(answer=lambda _: ok("Yes.")) as api:
        capped = workspace.run(*arguments, "--max-time", "3s", "-o", "capped", url=api.url)
        assert capped.code == 4
        assert "stopped by --max-time after 3 s" in capped.stdout
        _forget(workspace.folder)
        running = workspace.start(*arguments, "-o", "out", url=api.url)
        until(lambda: any(workspace.folder.glob("endless-*")))
        running.send(signal.SIGINT)
        assert running.wait().code == 130
        workspace.write("mine.py", CHECKS.replace("while True: pass", "return passed('mended')"))
        assert workspace.run("resume", "out", *CHANGED, url=api.url).code == 0
        assert len(api.ledger) == 2


def _forget(folder: Path) -> None:
    for path in folder.glob("endless-*"):
        path.unlink()


def test_a_check_does_not_outlive_a_killed_run(workspace: Workspace) -> None:
    """Not even `kill -9` leaves a process behind that calculates for ever."""
    write(workspace, ["endless"])
    with Api(answer=lambda _: ok("Yes.")) as api:
        running = workspace.start(
            "endless.yaml", "--checks", "mine.py", "--check-timeout", "1s", "-o", "out", url=api.url
        )
        until(lambda: any(workspace.folder.glob("endless-*")))
        running.process.kill()
        running.process.wait()
    (path,) = workspace.folder.glob("endless-*")
    until(lambda: not is_alive(int(path.name.removeprefix("endless-"))))


def test_loading_them_is_foreign_too(workspace: Workspace) -> None:
    """What a file prints is not among the names of `--list`; what ends the process is named with its file."""
    write(workspace, ["passes"])
    listed = workspace.run("passes.yaml", "--checks", "mine.py", "--list")
    assert (listed.code, listed.stdout) == (0, "passes/claude-haiku-5-5\n")
    endings = {
        "import os; os._exit(0)": "mine.py: loading it ended its process (exit code 0)",
        "raise KeyboardInterrupt": "mine.py:1: this file of checks broke: KeyboardInterrupt",
        "import os; os.kill(os.getpid(), 9)": "mine.py: loading it ended its process (SIGKILL)",
    }
    for source, message in endings.items():
        workspace.write("mine.py", source)
        checked = workspace.run("check", "passes.yaml", "--checks", "mine.py")
        assert (checked.code, checked.stdout) == (2, "")
        assert message in checked.stderr
