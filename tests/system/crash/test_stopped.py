"""SIGINT, SIGTERM and SIGHUP at any moment: the right code, a whole journal, nothing paid for twice."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.command import COMMAND, PATIENCE_S, environment
from tests.system.crash.promises import RunState, assert_promises_kept, key_of
from tests.system.harness.fork_server import SECRET
from tests.system.harness.sweeps import spread
from tests.system.harness.workspace import until

if TYPE_CHECKING:
    from typing import Any

    from tests.system.crash.workspace import CrashWorkspace

CODES = {signal.SIGHUP: 129, signal.SIGINT: 130, signal.SIGTERM: 143}
NUMBERS = tuple(CODES)
PARTS = 5
MOMENTS = 10
PROC = Path("/proc/self/status")

pytestmark = pytest.mark.skipif(not PROC.exists(), reason="who takes which signal is read from /proc")


def listens(pid: int) -> bool:
    """Return whether a process has a handler for each of the signals."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    caught = int(lines.get("SigCgt", "0"), 16)
    return all(caught >> (number - 1) & 1 for number in CODES)


def until_it_listens(pid: int) -> None:
    """Wait until a process is one that takes signals: what Python does before its first line is not ours."""
    end = time.monotonic() + PATIENCE_S
    while not listens(pid):
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.fixture
def span_s(workspace: CrashWorkspace) -> float:
    """Give the seconds that the run of the workspace takes; the API answers so slowly that it is the most."""
    workspace.api.latency_s = 0.03
    seconds: list[float] = []
    for _ in range(2):
        begin = time.monotonic()
        assert workspace.play().code == 0
        seconds.append(time.monotonic() - begin)
        workspace.clear()
    return min(seconds)


@pytest.mark.parametrize("part", spread(range(PARTS), one_in=4))
def test_stopped_at_any_moment(workspace: CrashWorkspace, span_s: float, part: int) -> None:
    """With streams that are open, or closed, or closed on a full disk: what is under way is finished."""
    chance, stopped = random.Random(part), 0  # noqa: S311 - the same moments every time, not a secret
    for moment in range(MOMENTS):
        number = NUMBERS[moment % len(NUMBERS)]
        conditions: dict[str, Any] = {"closed": moment % 2 == 1}
        if moment % 4 == 3:
            conditions |= {"fault_at": chance.randint(5, 60), "fault_code": errno.ENOSPC}

        # The signal, somewhere between the first and the last line of the program.
        pid = workspace.start("talk.yaml", "-o", "run", **conditions)
        until_it_listens(pid)
        time.sleep(chance.uniform(0.0, span_s))
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        ended = workspace.fork_server.wait(pid)
        assert ended.code in {0, CODES[number], *({3} if "fault_at" in conditions else ())}, ended.stderr
        stopped += ended.code == CODES[number]

        # What it left: no run at all, or one that is whole, or that says it was cut off.
        death = RunState.of(workspace)
        if death.sent:
            verified = workspace.run("verify", "run")
            assert "journal.jsonl" not in verified.stdout
            if "fault_at" not in conditions:
                assert verified.code == 0 or "cut off" in verified.stdout, verified.stdout
                assert not death.in_flight, "a reply that was under way was not waited for"

        # Going on ends it, and each request was sent once: but one whose reply found no room.
        assert workspace.go_on().code == 0
        assert_promises_kept(workspace, [death])
        again = {key for key, times in Counter(map(key_of, workspace.api.ledger)).items() if times > 1}
        assert again <= death.in_flight
        workspace.clear()
    assert stopped > MOMENTS / 3, "the run was over before most of the signals came"


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6])
def test_stopped_before_the_first_request(
    workspace: CrashWorkspace, number: signal.Signals, share: float
) -> None:
    """From the first import on it ends with one line on a line of its own, and no trace of where it was."""
    err = workspace.folder / "err"
    with err.open("wb") as stderr:
        process = subprocess.Popen(
            [str(COMMAND), "talk.yaml", "-o", "run"],
            cwd=workspace.folder,
            env=environment(
                workspace.folder,
                {"ANTHROPIC_API_KEY": SECRET, "ANTHROPIC_BASE_URL": workspace.api.base_url},
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
    until_it_listens(process.pid)
    time.sleep(share * 0.5)
    process.send_signal(number)
    code = process.wait(PATIENCE_S)
    assert (code, err.read_text()) == (CODES[number], f"stopped by {number.name}\n")
    assert workspace.api.ledger == []
    assert not workspace.run_folder.exists()


@pytest.mark.parametrize(
    ("number", "times"), [*((number, 1) for number in NUMBERS), (signal.SIGINT, 2)], ids=str
)
def test_reports_under_way_are_finished(
    workspace: CrashWorkspace, number: signal.Signals, times: int
) -> None:
    """A signal that comes while they are written waits for them; one more does not wait."""
    assert workspace.play().code == 0
    summary, step = workspace.run_folder / "summary.md", workspace.folder / "step"
    summary.unlink()
    os.mkfifo(step)
    process = subprocess.Popen(
        [str(COMMAND), "report", "run", "-q"],
        cwd=workspace.folder,
        env=environment(workspace.folder, {"GITHUB_STEP_SUMMARY": step.name}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stderr is not None
    assert process.stdout is not None

    # The report is written to a file that nobody reads yet: there it stands when the signal comes.
    until(summary.exists)
    assert process.stderr.readline() == "run run\n"
    process.send_signal(number)
    line = process.stderr.readline()
    assert line == f"{number.name}: what is being written is finished first, again stops now\n"
    if times == 1:
        assert "passed" in step.read_text(encoding="utf-8")
    else:
        process.send_signal(number)
    result, said = process.communicate(timeout=PATIENCE_S)
    assert process.wait(PATIENCE_S) == CODES[number]
    stopped = f"stopped by {number.name}"
    assert said == (f"{stopped} (exit code {CODES[number]})\n" if times == 1 else f"{stopped}\n")
    assert result == ("PASSED (exit code 0): all conversations passed\n" if times == 1 else "")
    assert workspace.run("verify", "run").code == 0
