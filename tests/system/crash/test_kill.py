"""SIGKILL at every write and at any time: the run is resumed, and nothing is lost or paid for twice."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from tests.system.crash.promises import Moment, check_promises
from tests.system.crash.random_kills import Calm, kill_at_random, play_calmly
from tests.system.crash.workspace import Scene
from tests.system.harness.fork_server import KILLED

if TYPE_CHECKING:
    from tests.system.crash.api import LedgerApi
    from tests.system.harness.fork_server import Zygote

PARTS = 4


@pytest.fixture(scope="module")
def calm(zygote: Zygote, served_api: LedgerApi, tmp_path_factory: pytest.TempPathFactory) -> Calm:
    """Give the run that nothing happened to."""
    scene = Scene(folder=tmp_path_factory.mktemp("calm"), zygote=zygote, api=served_api)
    scene.write()
    served_api.reset()
    return play_calmly(scene)


@pytest.mark.parametrize("tear", [False, True], ids=["whole", "torn"])
@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_every_write(scene: Scene, calm: Calm, part: int, *, tear: bool) -> None:
    """Whatever the write was for, one resume ends the run as if nothing had happened."""
    for number in itertools.count(1 + part, PARTS):
        killed = scene.play(crash_at=number, tear=tear)
        if killed.code != KILLED:
            assert killed.code == 0
            break
        death = Moment.of(scene)
        assert scene.go_on().code == 0
        check_promises(scene, [death])
        assert scene.transcripts() == calm.transcripts
        assert len(scene.api.ledger) <= 9 + len(death.in_flight)
        scene.clear()
    assert number > 45, "a run of three conversations writes more often than that"


def test_killed_at_every_write_of_a_resume_again_and_again(scene: Scene, calm: Calm) -> None:
    """A run that dies at every write of a resume, each time at the next, still ends as a calm one."""
    deaths = []
    ended = scene.play(crash_at=9)
    while ended.code == KILLED:
        deaths.append(Moment.of(scene))
        ended = scene.resume(crash_at=5 + len(deaths), tear=bool(len(deaths) % 2))
    assert ended.code == 0
    assert len(deaths) > 8
    check_promises(scene, deaths)
    assert scene.transcripts() == calm.transcripts


@pytest.mark.parametrize("seed", range(20))
def test_killed_at_a_random_time(scene: Scene, calm: Calm, seed: int) -> None:
    """The promise does not depend on where between two instructions the process dies."""
    deaths = kill_at_random(scene, calm, seed=seed)
    check_promises(scene, deaths)
    assert scene.transcripts() == calm.transcripts


def test_the_checker_sees_a_turn_that_is_sent_again(scene: Scene) -> None:
    """A checker that cannot fail proves nothing: without its journal the run sends everything again."""
    assert scene.play().code == 0
    death = Moment.of(scene)
    scene.journal.write_bytes(b"")
    assert scene.resume().code == 0
    with pytest.raises(AssertionError, match="9 finished turns were sent again"):
        check_promises(scene, [death])


def test_a_run_killed_before_it_was_one_is_not_taken_for_another(scene: Scene) -> None:
    """`--resume FOLDER` never goes on with a run in another folder."""
    assert scene.run("talk.yaml").code == 0
    assert scene.play(crash_at=1).code == KILLED
    sent = len(scene.api.ledger)
    refused = scene.resume()
    assert refused.code == 2
    assert "run holds no run: name a folder that claude-run wrote" in refused.stderr
    assert len(scene.api.ledger) == sent
