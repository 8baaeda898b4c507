"""Signals at a terminal: what is said of them can be read, and the terminal is left as it was."""

from __future__ import annotations

import signal
import termios
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.command import COMMAND, environment
from tests.support.screen import in_terminal
from tests.support.scripted_server import Answer
from tests.system.faults.api import Api, ok, scenario
from tests.system.harness.workspace import KEY, until
from tests.system.signals.test_signals import NOW_S

if TYPE_CHECKING:
    from tests.system.harness.workspace import Workspace

SENTENCE = "SIGINT: nothing more is sent; replies under way have 5 s, again stops now"
CTRL_C = "\x03"


@pytest.mark.parametrize(
    ("options", "term", "after_s"),
    [((), "xterm", 0.0), ((), "xterm", 0.4), ((), "dumb", 0.0), (("-q",), "xterm", 0.0)],
    ids=["live, at once", "live", "lines", "quiet"],
)
def test_the_sentence_about_ctrl_c_stands_on_a_line_of_its_own(
    workspace: Workspace, options: tuple[str, ...], term: str, after_s: float
) -> None:
    """Whatever is drawn around it, and whatever a terminal shows of the key, it is there as a whole."""
    workspace.write("s.yaml", scenario(*(f"c{n}" for n in range(6)), turns=1))
    command = [str(COMMAND), "s.yaml", "-o", "out", "--grace", "5s", "-j", "3", *options]
    with Api(answer=lambda _: Answer(silent=True)) as api:
        more = {"ANTHROPIC_API_KEY": KEY, "TERM": term, "ANTHROPIC_BASE_URL": api.url}
        env = environment(workspace.folder, more)
        with in_terminal(command, cwd=workspace.folder, env=env) as terminal:
            until(lambda: len(api.ledger) == 3)
            time.sleep(after_s)
            terminal.type(CTRL_C)
            terminal.read(until=lambda screen: any(SENTENCE in row for row in screen.rows))
            terminal.type(CTRL_C)
            assert terminal.wait() == 130
    assert SENTENCE in terminal.screen.lines, terminal.screen.rows
    # What was drawn in place is gone, and the end is there.
    assert not any("in flight" in row for row in terminal.screen.rows)
    assert any(line.startswith("INTERRUPTED (exit code 130)") for line in terminal.screen.lines)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_prompt_leaves_the_terminal_as_it_was(
    workspace: Workspace, number: signal.Signals, code: int
) -> None:
    """Keys are echoed again and lines are edited, whichever signal ends the wait for one key."""
    workspace.write("s.yaml", scenario("a", turns=1) + "    expect: [{contains: what nobody says}]\n")
    assert workspace.run("s.yaml", "--simulate", "-o", "out").code == 1
    command, env = [str(COMMAND), "accept", "out"], environment(workspace.folder, {"TERM": "dumb"})
    with in_terminal(command, cwd=workspace.folder, env=env) as terminal:
        before = termios.tcgetattr(terminal.descriptor)
        terminal.read(until=lambda screen: any(row.startswith("accept them as") for row in screen.rows))
        assert termios.tcgetattr(terminal.descriptor) != before
        terminal.process.send_signal(number)
        assert terminal.process.wait(NOW_S) == code
        assert termios.tcgetattr(terminal.descriptor) == before
    assert not (workspace.folder / "s.baseline.json").exists()


def test_a_closed_terminal_is_a_graceful_end(workspace: Workspace) -> None:
    """Whoever closes the window finds the reports, and a run to go on with."""
    workspace.write("s.yaml", scenario("a", "b"))
    command = [str(COMMAND), "s.yaml", "-o", "out", "-j", "1"]
    with Api(answer=lambda _: ok(delay_s=0.5)) as api:
        env = {"ANTHROPIC_API_KEY": KEY, "TERM": "xterm", "ANTHROPIC_BASE_URL": api.url}
        with in_terminal(command, cwd=workspace.folder, env=environment(workspace.folder, env)) as terminal:
            until(lambda: len(api.ledger) == 1)
            terminal.hang_up()
            assert terminal.process.wait(NOW_S) == 129
        assert (workspace.summary()["exit_code"], len(workspace.events("reply"))) == (129, 1)
        assert workspace.run("resume", "out", url=api.url).code == 0
        assert set(api.requests.values()) == {1}


def test_a_run_outlives_a_terminal_that_it_was_told_to_outlive(workspace: Workspace) -> None:
    """What it says is written to a window that is gone: that is no failure, however the kernel calls it."""
    workspace.write("s.yaml", scenario("a", "b"))
    command = ["sh", "-c", 'trap "" HUP; exec "$0" s.yaml -o out', str(COMMAND)]
    with Api(answer=lambda _: ok(delay_s=0.3)) as api:
        env = {"ANTHROPIC_API_KEY": KEY, "TERM": "xterm", "ANTHROPIC_BASE_URL": api.url}
        with in_terminal(command, cwd=workspace.folder, env=environment(workspace.folder, env)) as terminal:
            until(lambda: len(api.ledger) > 0)
            terminal.hang_up()
            assert terminal.process.wait(NOW_S) == 0
    assert workspace.summary()["exit_code"] == 0


def test_nohup_is_obeyed(workspace: Workspace) -> None:
    """A run that was told to outlive its terminal does."""
    workspace.write("s.yaml", scenario("a", "b"))
    with Api(answer=lambda _: ok(delay_s=0.3)) as api:
        env = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url}
        running = workspace.spawn(["nohup", str(COMMAND), "s.yaml", "-o", "out"], env=env)
        until(lambda: len(api.ledger) > 0)
        running.send(signal.SIGHUP)
        assert running.wait().code == 0
