"""SIGINT and SIGTERM in every state of a run, and going on afterwards."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.scripted_server import Answer, error_answer
from tests.system.faults.api import Api, TurnRequest, ok, scenario
from tests.system.harness.workspace import until

if TYPE_CHECKING:
    from tests.system.harness.workspace import Running, Workspace

SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
DERIVED = ("transcripts.jsonl", "transcripts.md", "summary.json", "summary.md")
NOW_S = 10.0
"""Time for a process to write its reports and end, on a busy machine."""

both_signals = pytest.mark.parametrize(("number", "code"), SIGNALS)


def end_by(running: Running, number: signal.Signals, *, within_s: float) -> int:
    """Send the signal and return the exit code, which must come in time."""
    begin = time.monotonic()
    running.send(number)
    code = running.wait().code
    assert time.monotonic() - begin < within_s
    return code


@both_signals
def test_a_signal_before_the_first_reply(workspace: Workspace, number: signal.Signals, code: int) -> None:
    """What hangs has the grace and no more; the reports say how it ended, and what may have been billed."""
    cases = [f"c{n}" for n in range(8)]
    workspace.write("s.yaml", scenario(*cases))
    silent = True
    with Api(answer=lambda _: Answer(silent=True) if silent else ok()) as api:
        running = workspace.start("s.yaml", "-o", "out", "--grace", "1s", url=api.url)
        until(lambda: sum(api.requests.values()) == 8)
        assert end_by(running, number, within_s=1.0 + NOW_S) == code
        assert f"{number.name}: nothing more is sent" in running.stderr.read_text()
        assert sum(api.requests.values()) == 8
        assert all((workspace.folder / "out" / name).stat().st_size for name in DERIVED)
        summary = workspace.summary()
        assert (summary["exit_code"], summary["exit_reason"]) == (code, f"stopped by {number.name}")
        assert summary["totals"]["skipped"] == 8
        assert summary["totals"]["uncertain_cost_usd"] > 0
        hung = set(api.requests)
        silent = False
        assert workspace.run("resume", "out", url=api.url).code == 0
        again = {key for key, count in api.requests.items() if count > 1}
        assert again == hung
        assert workspace.attempts() == api.requests
    assert {transcript["outcome"] for transcript in workspace.transcripts().values()} == {"passed"}


@both_signals
def test_a_signal_in_mid_run(workspace: Workspace, number: signal.Signals, code: int) -> None:
    """A reply under way is kept, a wait is left at once, nothing new is sent; resume sends what is left."""
    cases = ["slow", "waiting", "done", *(f"later{n}" for n in range(20))]
    workspace.write("s.yaml", scenario(*cases))
    wait = error_answer("rate_limit_error", "later", status=429, headers=("retry-after: 600",))
    first = True

    def answer(asked: TurnRequest) -> Answer:
        if not first or asked.case == "done":
            return ok(f"{asked.case} {asked.turn}")
        return wait if asked.case == "waiting" else ok(f"{asked.case} {asked.turn}", delay_s=1.0)

    with Api(answer=answer) as api:
        running = workspace.start("s.yaml", "-o", "out", "--grace", "30s", "-j", "4", url=api.url)
        until((workspace.folder / "out" / "journal.jsonl").exists)
        until(lambda: bool(workspace.events("failure")))
        assert end_by(running, number, within_s=1.0 + NOW_S) == code
        before = api.requests
        assert workspace.attempts() == before
        assert {event["conversation_id"].split("/")[1] for event in workspace.events("reply")} >= {"slow"}
        replied = {(case, turn) for case, turn in before if case != "waiting"}
        assert len(workspace.events("reply")) == len(replied)
        assert ("slow", 2) not in before
        first = False
        assert workspace.run("resume", "out", url=api.url).code == 0
        expected = {(case, turn): 1 for case in cases for turn in (1, 2)} | {("waiting", 1): 2}
        assert api.requests == workspace.attempts() == expected
    slow = workspace.transcripts()["slow"]["turns"]
    assert [turn["reply"]["text"] for turn in slow] == ["slow 1", "slow 2"]


@both_signals
def test_a_second_signal_ends_it_now(workspace: Workspace, number: signal.Signals, code: int) -> None:
    """However long the grace is: the reports are written all the same."""
    workspace.write("s.yaml", scenario("a", "b"))
    with Api(answer=lambda _: Answer(silent=True)) as api:
        running = workspace.start("s.yaml", "-o", "out", "--grace", "10m", url=api.url)
        until(lambda: sum(api.requests.values()) == 2)
        running.send(number)
        until(lambda: b"again stops now" in running.stderr.read_bytes())
        time.sleep(0.2)
        assert running.process.poll() is None
        assert end_by(running, number, within_s=NOW_S) == code
    assert workspace.summary()["exit_code"] == code
    assert all((workspace.folder / "out" / name).stat().st_size for name in DERIVED)


def test_a_signal_after_a_cap_is_still_graceful(workspace: Workspace) -> None:
    """A run that its cap stops waits for replies under way; the first Ctrl-C bounds that wait, and counts."""
    workspace.write("s.yaml", scenario("a", "b", "c"))
    with Api(answer=lambda _: ok(delay_s=1.0)) as api:
        running = workspace.start("s.yaml", "-o", "out", "--max-requests", "2", url=api.url)
        until(lambda: sum(api.requests.values()) == 2)
        time.sleep(0.1)
        assert end_by(running, signal.SIGINT, within_s=1.0 + NOW_S) == 130
        assert len(workspace.events("reply")) == 2
