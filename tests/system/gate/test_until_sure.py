"""`--until-sure`: repeats are added until the results can be judged, four times at most, all of them kept."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.system.gate.api import obeys, said
from tests.system.gate.workspace import BAD, ENOUGH

if TYPE_CHECKING:
    from tests.system.gate.workspace import Scene

LOOKS = 4
SURE = ("--until-sure", "-n", "5")


def mixed(body: dict[str, Any], nth: int) -> str | None:
    """Break the promise for one case always, for another two times in five."""
    broken = "bad" in said(body) or ("flaky" in said(body) and nth % 5 in {1, 2})
    return "Never." if broken else obeys(body, nth)


def played(scene: Scene, name: str) -> Counter[str]:
    """Return how many repeats of each case the transcripts hold."""
    lines = (scene.folder / name / "transcripts.jsonl").read_text(encoding="utf-8").splitlines()
    return Counter(json.loads(line)["case"] for line in lines)


def asked(scene: Scene) -> Counter[str]:
    """Return how many requests were sent for each case."""
    return Counter(said(body).removeprefix("May I return ").removesuffix("?") for body in scene.api.bodies)


def test_each_case_is_played_until_it_can_be_judged(scene: Scene) -> None:
    """0 of 5 misses 0.65 for sure, 15 of 15 reaches it, 12 of 20 is never sure: then four looks are all."""
    scene.api.reply = mixed
    scene.write(cases=["bad", "good", "flaky"], more="pass_rate: 0.65")
    assert scene.play("run", *SURE).code == 1
    assert played(scene, "run") == asked(scene) == {"bad": 5, "good": 15, "flaky": 5 * LOOKS}
    rates = {case["name"].split("/")[1]: case for case in scene.summary("run")["cases"]}
    assert {name: (case["passed"], case["measured"]) for name, case in rates.items()} == {
        "bad": (0, 5),
        "good": (15, 15),
        "flaky": (12, 20),
    }


def test_a_regression_beyond_doubt_needs_one_look(scene: Scene) -> None:
    """Against a baseline the verdict decides: eight of eight cases are worse."""
    scene.accept()
    scene.write(system=BAD)
    done = scene.play("run", "--until-sure", "--baseline")
    assert done.code == 1
    assert len(scene.api.bodies) == ENOUGH
    assert scene.summary("run")["gate"]["verdict"] == "regressed"


def test_doubt_ends_after_four_looks(scene: Scene) -> None:
    """Two cases never settle it; every attempt is recorded."""
    scene.accept(cases=2)
    done = scene.play("run", "--until-sure", "--baseline", "-n", "2")
    assert done.code == 0
    assert "INCONCLUSIVE" in done.stderr
    assert played(scene, "run") == asked(scene) == {"case-01": 2 * LOOKS, "case-02": 2 * LOOKS}


@pytest.mark.parametrize("requests", [7, 17, 22, 27, 33])
def test_a_run_that_was_cut_off_goes_on_as_it_would_have(scene: Scene, requests: int) -> None:
    """Wherever it stops, resumed it plays what was planned, once each, and ends the same."""
    scene.api.reply = mixed
    scene.write(cases=["bad", "good", "flaky"], more="pass_rate: 0.65")
    assert scene.play("run", *SURE, "-j", "1", "--max-requests", str(requests)).code == 4
    assert scene.run("--resume", "run").code == 1
    assert played(scene, "run") == asked(scene) == {"bad": 5, "good": 15, "flaky": 5 * LOOKS}


def test_it_replays_to_the_same_end(scene: Scene) -> None:
    """The same looks on the recorded replies; nothing is sent."""
    scene.api.reply = mixed
    scene.write(cases=["bad", "good", "flaky"], more="pass_rate: 0.65")
    scene.play("run", *SURE)
    scene.api.bodies.clear()
    assert scene.play("again", *SURE, "--replay", "run").code == 1
    assert scene.api.bodies == []
    assert played(scene, "again") == played(scene, "run")
