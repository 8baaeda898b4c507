"""`--until-sure`: repeats are added until the results can be judged, four times at most, all of them kept."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.system.gate.api import obeys, said
from tests.system.gate.workspace import BAD, ENOUGH

if TYPE_CHECKING:
    from tests.system.gate.workspace import GateWorkspace

LOOKS = 4
SURE = ("--until-sure", "-n", "5")


def mixed(body: dict[str, Any], nth: int) -> str | None:
    """Break the promise for one case always, for another two times in five."""
    broken = "bad" in said(body) or ("flaky" in said(body) and nth % 5 in {1, 2})
    return "Never." if broken else obeys(body, nth)


def played(workspace: GateWorkspace, name: str) -> Counter[str]:
    """Return how many repeats of each case the transcripts hold."""
    lines = (workspace.folder / name / "transcripts.jsonl").read_text(encoding="utf-8").splitlines()
    return Counter(json.loads(line)["case"] for line in lines)


def asked(workspace: GateWorkspace) -> Counter[str]:
    """Return how many requests were sent for each case."""
    return Counter(
        said(body).removeprefix("May I return ").removesuffix("?") for body in workspace.api.bodies
    )


def test_each_case_is_played_until_it_can_be_judged(workspace: GateWorkspace) -> None:
    """0 of 5 misses 0.65 for sure, 15 of 15 reaches it, 12 of 20 is never sure: then four looks are all."""
    workspace.api.reply = mixed
    workspace.write(cases=["bad", "good", "flaky"], more="pass_rate: 0.65")
    assert workspace.play("run", *SURE).code == 1
    assert played(workspace, "run") == asked(workspace) == {"bad": 5, "good": 15, "flaky": 5 * LOOKS}
    rates = {case["name"].split("/")[1]: case for case in workspace.summary("run")["cases"]}
    assert {name: (case["passed"], case["measured"]) for name, case in rates.items()} == {
        "bad": (0, 5),
        "good": (15, 15),
        "flaky": (12, 20),
    }


def test_a_regression_beyond_doubt_needs_one_look(workspace: GateWorkspace) -> None:
    """Against a baseline the verdict decides: eight of eight cases are worse."""
    workspace.accept()
    workspace.write(system=BAD)
    done = workspace.play("run", "--until-sure", "--baseline")
    assert done.code == 1
    assert len(workspace.api.bodies) == ENOUGH
    assert workspace.summary("run")["gate"]["verdict"] == "regressed"


def test_doubt_ends_after_four_looks(workspace: GateWorkspace) -> None:
    """Two cases never settle it; every attempt is recorded."""
    workspace.accept(cases=2)
    done = workspace.play("run", "--until-sure", "--baseline", "-n", "2")
    assert done.code == 0
    assert "INCONCLUSIVE" in done.stdout
    assert played(workspace, "run") == asked(workspace) == {"case-01": 2 * LOOKS, "case-02": 2 * LOOKS}


@pytest.mark.parametrize("requests", [7, 17, 22, 27, 33])
def test_a_run_that_was_cut_off_goes_on_as_it_would_have(workspace: GateWorkspace, requests: int) -> None:
    """Wherever it stops, resumed it plays what was planned, once each, and ends the same."""
    workspace.api.reply = mixed
    workspace.write(cases=["bad", "good", "flaky"], more="pass_rate: 0.65")
    assert workspace.play("run", *SURE, "-j", "1", "--max-requests", str(requests)).code == 4
    assert workspace.run("resume", "run", "--max-requests", "1000").code == 1
    assert played(workspace, "run") == asked(workspace) == {"bad": 5, "good": 15, "flaky": 5 * LOOKS}


def test_it_replays_to_the_same_end(workspace: GateWorkspace) -> None:
    """The same looks on the recorded replies; nothing is sent."""
    workspace.api.reply = mixed
    workspace.write(cases=["bad", "good", "flaky"], more="pass_rate: 0.65")
    workspace.play("run", *SURE)
    workspace.api.bodies.clear()
    assert workspace.play("again", *SURE, "--replay", "run").code == 1
    assert workspace.api.bodies == []
    assert played(workspace, "again") == played(workspace, "run")


def test_a_stop_before_the_next_look_is_a_stop(workspace: GateWorkspace) -> None:
    """Nobody knows yet whether there would have been one, so the run is not over."""
    workspace.api.reply = mixed
    workspace.write(cases=["good", "flaky"], more="pass_rate: 0.65")
    stopped = workspace.play("run", *SURE, "--max-failures", "2")
    assert stopped.code == 1
    assert "stopped after 2 failed conversations (--max-failures)" in stopped.stdout
    assert sum(played(workspace, "run").values()) == 10
