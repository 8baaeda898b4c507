"""Runs that are killed at random times and resumed until they are done, each held against its ledger."""

from __future__ import annotations

import shutil
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from tests.system.crash.api import LedgerApi
from tests.system.crash.promises import check_promises
from tests.system.crash.random_kills import kill_at_random, play_calmly
from tests.system.crash.workspace import Scene
from tests.system.harness.fork_server import Zygote

if TYPE_CHECKING:
    from tests.system.crash.promises import Moment
    from tests.system.crash.random_kills import Calm

FIRST_SEED = 1000
"""Seeds below it are those of the tests on every commit."""


def main(runs: int) -> int:
    """Kill so many runs and print how many kept the promise; 0 only when all did."""
    with Zygote() as zygote, LedgerApi() as api, tempfile.TemporaryDirectory() as folder:
        scene = Scene(folder=Path(folder), zygote=zygote, api=api)
        scene.write()
        calm = play_calmly(scene)
        deaths = [_deaths(scene, calm, seed=FIRST_SEED + number) for number in range(runs)]
    kept = [each for each in deaths if each is not None]
    busy = sum(bool(death.in_flight) for each in kept for death in each)
    _say(
        f"kills: {len(kept)} of {runs} runs lost nothing and paid for nothing twice, over"
        f" {sum(map(len, kept))} deaths, {busy} of them with requests in flight"
    )
    return 0 if len(kept) == runs else 1


def _deaths(scene: Scene, calm: Calm, *, seed: int) -> list[Moment] | None:
    """Play one run and return its deaths; None where it broke the promise."""
    shutil.rmtree(scene.run_folder, ignore_errors=True)
    scene.api.reset()
    try:
        deaths = kill_at_random(scene, calm, seed=seed)
        check_promises(scene, deaths)
        assert scene.transcripts() == calm.transcripts, "the transcripts are not those of a calm run"
        scene.assert_no_secret()
    except AssertionError:
        traceback.print_exc()
        _say(f"kills: seed {seed} broke the promise")
        return None
    return deaths


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
