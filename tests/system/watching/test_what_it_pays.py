"""What a session of `--watch` pays: caps, a gate, replies that it has, and rounds that are killed."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from tests.support.scripted_server import Answer
from tests.system.faults.api import Api, TurnRequest, ok
from tests.system.harness.workspace import until
from tests.system.watching.session import CHECK, CTRL_C, talk, watching

if TYPE_CHECKING:
    from tests.system.harness.workspace import Workspace


def test_caps_hold_for_the_whole_session(workspace: Workspace) -> None:
    """What earlier rounds have spent and sent counts; what was answered costs nothing under a cap either."""
    workspace.write("a.yaml", talk("a"))
    with Api(answer=lambda _: ok()) as api, watching(workspace, api, "--max-requests", "3") as session:
        assert "PASSED" in session.turn()
        assert "STOP   stopped by --max-requests 3, 2 of them before" in session.save(
            "a.yaml", talk("a", "x", "y")
        )
        assert len(api.ledger) == 3
        assert "PASSED" in session.save("a.yaml", talk("a"))
        assert session.quit() == 0
        assert len(api.ledger) == 3


def test_a_cap_on_the_cost_holds_for_the_whole_session(workspace: Workspace) -> None:
    """The price of a reply is known once it is there: a cap just above it leaves the next round nothing."""
    workspace.write("a.yaml", talk("a", "one"))
    usage = {"input_tokens": 100_000, "output_tokens": 100_000}
    with (
        Api(answer=lambda _: ok(usage=usage)) as api,
        watching(workspace, api, "--max-cost", "0.06001") as session,
    ):
        assert "PASSED" in session.turn()
        said = session.save("a.yaml", talk("a", "other"))
        assert "stopped by --max-cost 0.06001: 0.0600 USD are spent" in said
        assert session.quit() == 4
        assert len(api.ledger) == 1


def test_a_gate_plays_no_fresh_attempts(workspace: Workspace) -> None:
    """What an edited check breaks is unclear, and costs nothing, until a run without --watch tells."""
    workspace.write("a.yaml", talk("a").replace("contains: Yes", "mine: Yes"))
    workspace.write("checks.py", CHECK)
    with Api(answer=lambda _: ok()) as api:
        gated = (".", "-n", "3", "--checks", "checks.py")
        assert workspace.run(*gated, "-o", "out", url=api.url).code == 0
        assert workspace.run("accept", "out").code == 0
        with watching(workspace, api, *gated[1:], "--baseline", "--reuse", "out") as session:
            said = session.turn()
            assert "taking replies from out" in said
            assert "PASSED" in said
            broken = CHECK.replace("in reply", "not in reply")
            assert "FAILED (exit code 1)" in session.save("checks.py", broken)
            assert session.quit() == 1
        assert len(api.ledger) == 6
        assert workspace.run(*gated, "--baseline", "--reuse", "out", url=api.url).code == 1
        assert len(api.ledger) > 6


def test_a_replay_is_watched_too(workspace: Workspace) -> None:
    """Nothing is ever sent, and a changed prompt is told not to be recorded."""
    workspace.write("a.yaml", talk("a"))
    with Api(answer=lambda _: ok()) as api:
        assert workspace.run(".", "-o", "out", url=api.url).code == 0
        with watching(workspace, api, "--replay", "out") as session:
            assert "PASSED" in session.turn()
            assert "not recorded" in session.save("a.yaml", talk("a", "one", "other"))
            assert "FAILED" in session.save("a.yaml", talk("a", says="No"))
            assert session.quit() == 1
        assert len(api.ledger) == 2


def test_the_simulator_answers_each_round_anew(workspace: Workspace) -> None:
    """An edited example counts, no cap is used up, and of its rounds only the newest is left."""
    text = talk("a", "one") + "    example: Yes\n"
    workspace.write("a.yaml", text)
    with Api(answer=lambda _: ok()) as api:
        with watching(workspace, api, "--simulate", "--max-requests", "1") as session:
            assert "watching 1 file: a all" in session.turn()
            assert "FAILED" in session.save("a.yaml", text.replace("example: Yes", "example: Nay"))
            assert "PASSED" in session.save("a.yaml", text)
            assert session.quit() == 0
        assert api.ledger == []
    assert len(session.runs()) == 1


def test_a_round_that_is_killed_goes_on_without_paying_twice(workspace: Workspace) -> None:
    """It names the run that holds the replies of this session, and `resume` takes them from there."""
    text = "cases: [{id: x}, {id: y}]\n" + talk("a", "one", "two", "three").replace("a|", "{{ who }}|")
    text = text.replace("{id: x}", "{id: x, vars: {who: x}}").replace("{id: y}", "{id: y, vars: {who: y}}")
    workspace.write("a.yaml", text)
    hangs = False

    def answer(asked: TurnRequest) -> Answer:
        return Answer(silent=True) if hangs and asked.turn == 3 else ok()

    with Api(answer=answer) as api:
        with watching(workspace, api, "-j", "1") as session:
            session.turn()
            hangs = True
            workspace.write("a.yaml", text.replace("two", "other"))
            until(lambda: api.requests[("x", 3)] == 2)
            os.kill(session.terminal.process.pid, signal.SIGKILL)
        hangs = False
        # Of the second case the killed round had not even begun.
        assert workspace.run("resume", url=api.url).code == 0
        sent = {("x", 1): 1, ("x", 2): 2, ("x", 3): 3, ("y", 1): 1, ("y", 2): 2, ("y", 3): 2}
        assert api.requests == sent


def test_a_killed_round_knows_the_replies_of_every_round_before_it(workspace: Workspace) -> None:
    """They lie in several runs, none of which has all."""
    workspace.write("b.yaml", talk("b"))
    workspace.write("z.yaml", talk("z"))
    hangs = False

    def answer(asked: TurnRequest) -> Answer:
        return Answer(silent=True) if hangs and asked.case == "b" else ok()

    with Api(answer=answer) as api:
        with watching(workspace, api, "-j", "1") as session:
            session.turn()
            session.save("z.yaml", talk("z", "one", "other"))
            hangs = True
            workspace.write("b.yaml", talk("b", "new", "two"))
            workspace.write("z.yaml", talk("z", "one", "other", says="Y"))
            until(lambda: api.requests[("b", 1)] == 2)
            os.kill(session.terminal.process.pid, signal.SIGKILL)
        hangs = False
        assert workspace.run("resume", url=api.url).code == 0
        assert api.requests == {("b", 1): 3, ("b", 2): 2, ("z", 1): 1, ("z", 2): 2}


def test_a_killed_round_knows_what_a_stopped_one_was_answered(workspace: Workspace) -> None:
    """Also where that was stopped before all of what is played now had begun."""
    workspace.write("p.md", "two")
    for name in "abc":
        workspace.write(f"{name}.yaml", talk(name, "one", "{file: p.md}"))
    hanging = ("c", 1)

    def answer(asked: TurnRequest) -> Answer:
        return Answer(silent=True) if (asked.case, asked.turn) == hanging else ok()

    with Api(answer=answer) as api:
        with watching(workspace, api, "-j", "1", "--grace", "1s") as session:
            until(lambda: api.requests[("c", 1)] == 1)
            session.press(CTRL_C)
            hanging = ("a", 2)
            workspace.write("p.md", "other")
            until(lambda: api.requests[("a", 2)] == 2)
            os.kill(session.terminal.process.pid, signal.SIGKILL)
        hanging = ("", 0)
        assert workspace.run("resume", url=api.url).code == 0
        assert api.requests == {(name, 1): 1 for name in "ab"} | {("c", 1): 2, ("c", 2): 1} | {
            ("a", 2): 3,
            ("b", 2): 2,
        }


def test_caps_hold_where_a_killed_round_goes_on(workspace: Workspace) -> None:
    """Its run knows what the session had sent before it."""
    workspace.write("a.yaml", talk("a"))
    hangs = False
    with Api(answer=lambda _: Answer(silent=True) if hangs else ok()) as api:
        with watching(workspace, api, "--max-requests", "3") as session:
            session.turn()
            hangs = True
            workspace.write("a.yaml", talk("a", "x", "y"))
            until(lambda: len(api.ledger) == 3)
            os.kill(session.terminal.process.pid, signal.SIGKILL)
        hangs = False
        done = workspace.run("resume", url=api.url)
        assert (done.code, len(api.ledger)) == (4, 3)
        assert workspace.run("resume", "--max-requests", "5", url=api.url).code == 0
        assert len(api.ledger) == 5


def test_a_session_begins_with_all_replies_of_the_one_before(workspace: Workspace) -> None:
    """Its last round is a part that paid nothing: it leads to the run that did."""
    for name in "ab":
        workspace.write(f"{name}.yaml", talk(name))
    with Api(answer=lambda _: ok()) as api:
        with watching(workspace, api) as session:
            session.turn()
            session.save("a.yaml", talk("a", says="Y"))
            assert session.quit() == 0
        with watching(workspace, api, "--reuse", "outputs/latest") as session:
            assert "and from 1 run that it took replies over from" in session.turn()
            assert session.quit() == 0
        assert len(api.ledger) == 4
