"""Fresh attempts of cases that look broken: how many, what stops them, and that they are paid for once."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.system.gate.api import obeys, said

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.gate.workspace import GateWorkspace

NAME = "refund/case-07/claude-haiku-5-5"
FIRST = 21
"""Requests of a run of seven cases at three repeats, before anything is confirmed."""


def failing(times: int, *, then: str | None = "You can return it within 30 days.") -> Any:
    """Return a rule that breaks the promise for one case so many times, and then answers with `then`."""
    seen = Counter[str]()

    def reply(body: dict[str, Any], nth: int) -> str | None:
        if said(body) != "May I return case-07?":
            return obeys(body, nth)
        seen["all"] += 1
        return "Sorry, no." if seen["all"] <= times else then

    return reply


def records(workspace: GateWorkspace, name: str) -> list[Any]:
    """Return the transcripts of the fresh attempts, in order."""
    lines = (workspace.folder / name / "transcripts.jsonl").read_text(encoding="utf-8").splitlines()
    return [record for record in map(json.loads, lines) if record["confirm"] is not None]


def gated_case(workspace: GateWorkspace, name: str) -> Any:
    """Return what `summary.json` says of the case that was made to fail."""
    return next(case for case in workspace.summary(name)["gate"]["cases"] if case["name"] == NAME)


@pytest.fixture
def accepted(workspace: GateWorkspace) -> GateWorkspace:
    """Give a workspace in which seven perfect cases were accepted at three attempts each."""
    workspace.accept(cases=7, more="repeat: 3")
    return workspace


def test_fresh_attempts_are_ordinary_conversations(accepted: GateWorkspace) -> None:
    """They have names of their own, and stand in the journal, the transcripts and the cost."""
    accepted.api.reply = failing(99)
    done = accepted.play("second", "--baseline")
    assert (done.code, len(accepted.api.bodies)) == (1, FIRST + 5)
    assert f"fresh attempts of 1 case that failed: {NAME}" in done.stderr
    found = records(accepted, "second")
    assert [record["conversation_id"] for record in found] == [f"{NAME}/confirm-{n}" for n in range(1, 6)]
    assert {(record["repeat"], record["outcome"]) for record in found} == {(None, "failed")}
    totals = accepted.summary("second")["totals"]
    assert (totals["conversations"], totals["replies"]) == (FIRST + 5, FIRST + 5)
    text = (accepted.folder / "second" / "transcripts.md").read_text(encoding="utf-8")
    assert f"`{NAME}/confirm-5`" in text
    case = next(each for each in accepted.summary("second")["cases"] if each["name"] == NAME)
    assert (case["passed"], case["measured"]) == (0, 3)


@pytest.mark.parametrize("more", [0, 1, 4])
def test_the_first_pass_closes_a_case(accepted: GateWorkspace, more: int) -> None:
    """One that passes after all is flaky: the run is green and says so."""
    accepted.api.reply = failing(3 + more)
    done = accepted.play("second", "--baseline")
    assert (done.code, len(accepted.api.bodies)) == (0, FIRST + more + 1)
    assert "NO REGRESSION FOUND: 6 of 7 cases as before, 1 flaky (18 of 21 attempts passed)" in done.stdout
    told = f"flaky, not broken: {NAME} (passed 3 of 3, now 0 of 3 and 1 of {more + 1} fresh)"
    assert told in done.stdout


def test_a_cap_on_them_leaves_it_unclear(accepted: GateWorkspace) -> None:
    """Two of five that fail prove nothing; what would tell is said."""
    accepted.api.reply = failing(99)
    done = accepted.play("second", "--baseline", "--confirm", "2")
    assert (done.code, len(accepted.api.bodies)) == (1, FIRST + 2)
    headline, advice, *_ = done.stdout.splitlines()
    assert headline == f"UNCLEAR: 1 of 7 cases failed that passed before, perhaps by chance: {NAME}"
    assert advice == "  5 fresh attempts would tell: --confirm 5"
    assert gated_case(accepted, "second")["standing"] == "unclear"


@pytest.mark.parametrize(("doubt", "code"), [("fail", 1), ("warn", 0)])
def test_what_nobody_can_tell_fails_unless_it_may_pass(
    workspace: GateWorkspace, doubt: str, code: int
) -> None:
    """Without fresh attempts and beside flaky cases; where it passes, every report says why."""
    flaky = {f"May I return case-{index:02}?" for index in range(8, 18)}
    workspace.api.reply = lambda body, nth: (
        "No." if said(body) in flaky and nth % 3 == 1 else obeys(body, nth)
    )
    workspace.accept(cases=20, more="repeat: 3")
    rule = workspace.api.reply
    workspace.api.reply = lambda body, nth: "No." if "case-07" in said(body) else rule(body, nth)
    arguments = ("--baseline", "--no-confirm", "--on-unclear", doubt, "--junit", "junit.xml")
    done = workspace.play("second", *arguments)
    assert done.code == code
    assert done.stdout.startswith(
        f"UNCLEAR: 1 of 20 cases failed that passed before, perhaps by chance: {NAME}"
    )
    advice = "fresh attempts would tell: play it without --no-confirm or --replay"
    assert advice in done.stdout
    assert "got      | No." in done.stdout
    assert ("let pass by --on-unclear warn" in done.stdout) is (code == 0)
    text = (workspace.folder / "junit.xml").read_text(encoding="utf-8")
    assert text.count("<failure") == (3 if code else 0)


@pytest.mark.parametrize("requests", range(FIRST, FIRST + 5))
def test_a_cap_in_the_middle_is_a_stop_and_resume_ends_the_same(
    accepted: GateWorkspace, requests: int
) -> None:
    """Code 4 and no verdict; gone on with it plays the rest, once each, and says what it would have said."""
    accepted.api.reply = failing(99)
    stopped = accepted.play("second", "--baseline", "-j", "1", "--max-requests", str(requests))
    assert (stopped.code, len(accepted.api.bodies)) == (4, requests)
    assert accepted.summary("second")["gate"] is None
    done = accepted.run("resume", "second", "--max-requests", "1000")
    assert (done.code, len(accepted.api.bodies)) == (1, FIRST + 5)
    assert done.stdout.startswith(f"REGRESSED: 1 of 7 cases broke: {NAME}")
    assert gated_case(accepted, "second")["fresh"] == {"passed": 0, "measured": 5}
    assert accepted.run("verify", "second").code == 0


@pytest.mark.parametrize("requests", [FIRST - 1, FIRST, FIRST + 1, FIRST + 3, FIRST + 4])
def test_killed_while_it_confirms_nothing_is_paid_twice(accepted: GateWorkspace, requests: int) -> None:
    """At most what was in flight is sent again; the verdict is that of an undisturbed run."""
    accepted.api.reply = slowly(failing(99), after=requests)
    pid = accepted.fork_server.start(
        accepted.folder, "refund.yaml", "-o", "second", "--baseline", "-j", "1", url=accepted.api.url
    )
    wait_until(lambda: len(accepted.api.bodies) > requests)
    os.kill(pid, signal.SIGKILL)
    accepted.fork_server.wait(pid)
    done = accepted.run("resume", "second")
    assert done.code == 1
    assert done.stdout.startswith(f"REGRESSED: 1 of 7 cases broke: {NAME}")
    assert gated_case(accepted, "second")["fresh"] == {"passed": 0, "measured": 5}
    assert FIRST + 5 <= len(accepted.api.bodies) <= FIRST + 6
    ids = [record["conversation_id"] for record in records(accepted, "second")]
    assert ids == [f"{NAME}/confirm-{n}" for n in range(1, 6)]


def both_fail(body: dict[str, Any], nth: int) -> str | None:
    """Break the promise for two cases, always."""
    return "No." if said(body) in {f"May I return case-0{n}?" for n in (6, 7)} else obeys(body, nth)


def test_each_of_several_broken_cases_is_confirmed(accepted: GateWorkspace) -> None:
    """One that needs fewer fresh attempts is done first, and the other one gets all that it needs."""
    assert accepted.play("longer", "-n", "4", "-k", "case-06").code == 0
    assert accepted.run("accept", "longer").code == 0
    accepted.api.bodies.clear()
    accepted.api.reply = both_fail
    done = accepted.play("second", "--baseline", "-n", "1")
    assert done.code == 1
    assert done.stdout.startswith("REGRESSED: 2 of 7 cases broke: refund/case-06")
    needed = [case["needed"] for case in accepted.summary("second")["gate"]["cases"][-2:]]
    assert needed == [4, 6]
    assert len(accepted.api.bodies) == 7 + sum(needed)


@pytest.mark.parametrize("requests", [8, 11, 14, 18])
def test_killed_between_two_broken_cases_the_verdict_is_the_same(
    accepted: GateWorkspace, requests: int
) -> None:
    """Wherever it dies, what it says in the end is what an undisturbed run says, number by number."""
    accepted.api.reply = both_fail
    assert accepted.play("whole", "--baseline", "-n", "1", "-j", "1").code == 1
    accepted.api.bodies.clear()
    accepted.api.reply = slowly(both_fail, after=requests)
    arguments = ("refund.yaml", "-o", "second", "--baseline", "-n", "1", "-j", "1")
    pid = accepted.fork_server.start(accepted.folder, *arguments, url=accepted.api.url)
    wait_until(lambda: len(accepted.api.bodies) > requests)
    os.kill(pid, signal.SIGKILL)
    accepted.fork_server.wait(pid)
    assert accepted.run("resume", "second").code == 1
    assert accepted.summary("second")["gate"] == accepted.summary("whole")["gate"]
    assert 7 + 12 <= len(accepted.api.bodies) <= 7 + 12 + 1


def test_one_that_could_not_be_measured_is_played_again(accepted: GateWorkspace) -> None:
    """Once: the second time the question stays open, and the code is 3."""
    broken = failing(3, then=None)
    accepted.api.reply = broken
    done = accepted.play("lost", "--baseline")
    assert done.code == 3
    assert f"NOT MEASURED: fresh attempts could not be measured: {NAME}" in done.stdout
    assert [record["outcome"] for record in records(accepted, "lost")] == ["errored"] * 2
    accepted.api.reply = failing(99)
    again = accepted.run("resume", "lost", "--retry-errors")
    assert again.code == 1
    assert again.stdout.startswith(f"REGRESSED: 1 of 7 cases broke: {NAME}")


def test_an_errored_attempt_that_was_made_up_for_is_no_error(accepted: GateWorkspace) -> None:
    """The first fresh attempt brings an error, five others fail: the case broke, and the code is 1."""
    rule, seen = failing(99), Counter[str]()

    def reply(body: dict[str, Any], nth: int) -> str | None:
        seen[said(body)] += 1
        return None if seen["May I return case-07?"] == 4 and "case-07" in said(body) else rule(body, nth)

    accepted.api.reply = reply
    done = accepted.play("second", "--baseline")
    assert done.code == 1
    assert [record["outcome"] for record in records(accepted, "second")] == ["errored", *["failed"] * 5]


def test_a_replay_comes_to_the_same_verdict(accepted: GateWorkspace) -> None:
    """The fresh attempts of the recorded run are taken from it; nothing is sent."""
    accepted.api.reply = failing(99)
    first = accepted.play("second", "--baseline")
    accepted.api.bodies.clear()
    again = accepted.play("again", "--baseline", "--replay", "second")
    assert (again.code, accepted.api.bodies) == (1, [])
    assert again.stdout.splitlines()[:7] == first.stdout.splitlines()[:7]
    # Of a run that was not gated there are none: the test alone has all of the 5 %.
    assert accepted.play("plain", "-n", "3").code == 1
    accepted.api.bodies.clear()
    alone = accepted.play("alone", "--baseline", "--replay", "plain")
    assert (alone.code, accepted.api.bodies) == (1, [])
    assert accepted.summary("alone")["gate"]["most_fresh"] == 0
    assert alone.stdout.startswith(f"REGRESSED: 1 of 7 cases broke: {NAME}")


def test_fresh_attempts_are_never_accepted(accepted: GateWorkspace) -> None:
    """They were made of what failed: as part of a baseline they would make it worse than it is."""
    accepted.api.reply = failing(5)
    assert accepted.play("second", "--baseline").code == 0
    assert len(records(accepted, "second")) == 3
    assert accepted.run("accept", "second", "--with-failures").code == 0
    text = accepted.baseline.read_text(encoding="utf-8")
    assert "confirm" not in text
    done = accepted.run("compare", "second", "second", "--json")
    assert all(case["candidate"]["total"] == 3 for case in json.loads(done.stdout)["candidates"][0]["cases"])


def test_one_accepted_attempt_needs_six_and_is_promised_nothing(workspace: GateWorkspace) -> None:
    """The line of the case says that the promise does not hold for it, and what to do."""
    workspace.accept(cases=7)
    workspace.api.reply = failing(99)
    done = workspace.play("second", "--baseline")
    assert (done.code, len(workspace.api.bodies)) == (1, 7 + 6)
    told = "1 accepted attempt: not covered by the promise on false alarms; accept a run of -n 10"
    assert told in done.stdout


def test_models_share_the_false_alarms(workspace: GateWorkspace) -> None:
    """Two models in one run: six fresh attempts in place of five, of the model that broke."""
    models = ("-m", "claude-haiku-5-5", "-m", "claude-opus-5-5")
    workspace.write(cases=7, more="repeat: 3")
    assert workspace.play("first", *models).code == 0
    assert workspace.run("accept", "first").code == 0
    rule = failing(99)
    workspace.api.reply = lambda body, nth: (
        rule(body, nth) if body["model"] == "claude-haiku-5-5" else obeys(body, nth)
    )
    assert workspace.play("second", "--baseline", *models).code == 1
    assert gated_case(workspace, "second")["fresh"] == {"passed": 0, "measured": 6}


def test_they_do_not_count_among_the_failures_that_stop_a_run(accepted: GateWorkspace) -> None:
    """Three repeats failed; the fresh attempts are to tell why, and stop nothing."""
    accepted.api.reply = failing(99)
    assert accepted.play("second", "--baseline", "--max-failures", "4").code == 1
    assert gated_case(accepted, "second")["standing"] == "broke"


def slowly(rule: Callable[[Any, int], str | None], *, after: int) -> Callable[[Any, int], str | None]:
    """Answer slowly from some number of requests on, so that a kill can come in between."""
    seen = Counter[str]()

    def reply(body: dict[str, Any], nth: int) -> str | None:
        seen["all"] += 1
        if seen["all"] == after + 1:
            time.sleep(0.3)
        return rule(body, nth)

    return reply


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, for a minute at most."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_broken_rule_needs_no_confirming(workspace: GateWorkspace) -> None:
    """The run is red whatever fresh attempts would say, so none is paid for."""
    workspace.accept(cases=7, more="repeat: 3", expect="{contains: 30 days, must: true}")
    workspace.api.reply = failing(99)
    done = workspace.play("second", "--baseline")
    assert (done.code, len(workspace.api.bodies)) == (1, FIRST)
    assert done.stdout.startswith("BROKEN RULE: 3 conversations broke a rule that must hold: ")


def test_a_run_with_a_lost_fresh_attempt_can_be_accepted(accepted: GateWorkspace) -> None:
    """What was planned is measured whole; fresh attempts are no part of a baseline anyway."""
    rule, seen = failing(4), Counter[str]()

    def reply(body: dict[str, Any], nth: int) -> str | None:
        seen[said(body)] += 1
        return None if seen["May I return case-07?"] == 4 and "case-07" in said(body) else rule(body, nth)

    accepted.api.reply = reply
    done = accepted.play("second", "--baseline")
    assert done.code == 0
    assert accepted.run("review", "second", "--pending").code == 1
    assert accepted.run("accept", "second", "--with-failures").code == 0


def test_another_baseline_than_the_run_began_with_is_refused(accepted: GateWorkspace) -> None:
    """Resumed after somebody has accepted another run: named, and taken with --changed."""
    accepted.api.reply = failing(99)
    assert accepted.play("second", "--baseline", "-j", "1", "--max-requests", "23").code == 4
    accepted.api.reply = failing(0)
    assert accepted.play("fine", "-n", "5").code == 0
    assert accepted.run("accept", "fine").code == 0
    accepted.api.reply = failing(99)
    refused = accepted.run("resume", "second", "--max-requests", "1000")
    assert refused.code == 2
    assert "baseline: refund.baseline.json" in refused.stderr
    done = accepted.run("resume", "second", "--max-requests", "1000", "--changed")
    assert done.code == 1
    assert gated_case(accepted, "second")["accepted"] == {"passed": 5, "measured": 5}


def test_a_run_without_its_verdict_is_not_called_passed_or_failed(accepted: GateWorkspace) -> None:
    """The journal was cut before the verdict was written down: `report` says so, and `resume` gives it."""
    accepted.api.reply = failing(99)
    assert accepted.play("second", "--baseline").code == 1
    journal = accepted.folder / "second" / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    assert b'"gated"' in lines[-1]
    journal.write_bytes(b"".join(lines[:-1]))
    for name in ("summary.json", "summary.md", "transcripts.jsonl", "transcripts.md"):
        (accepted.folder / "second" / name).unlink()
    told = accepted.run("report", "second")
    assert told.code == 3
    assert "it was not held against its baseline yet" in told.stdout
    assert accepted.run("resume", "second").code == 1
