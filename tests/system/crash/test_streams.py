"""Streams that are full: what cannot be said is not taken for said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.system.crash.promises import Moment, check_promises

if TYPE_CHECKING:
    from tests.system.crash.workspace import Scene

FULL = "/dev/full"


def test_a_full_stdout_is_no_success(scene: Scene) -> None:
    """The summary that a script waits for did not arrive: code 3, though the run is done and whole."""
    ended = scene.play("--json", stdout=FULL)
    assert (ended.code, ended.stderr.splitlines()[-1]) == (3, "error: No space left on device")
    assert scene.run("verify", "run").code == 0


def test_a_full_stderr_is_no_success(scene: Scene) -> None:
    """Nobody can be told why, but the code says that the run is not over, and it can be resumed."""
    assert scene.play(stderr=FULL).code == 3
    death = Moment.of(scene)
    assert scene.resume().code == 0
    check_promises(scene, [death])


def test_a_full_list_is_no_success(scene: Scene) -> None:
    """A list of conversations that is cut off by a full disk would be taken for a shorter one."""
    ended = scene.run("talk.yaml", "--list", stdout=FULL)
    assert (ended.code, ended.stderr) == (3, "error: No space left on device\n")
