"""Runs that are killed at random times and resumed until they are done, each held against its ledger."""

from __future__ import annotations

import shutil
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from tests.system.crash.api import LedgerApi
from tests.system.crash.promises import assert_promises_kept
from tests.system.crash.random_kills import kill_at_random, play_undisturbed
from tests.system.crash.workspace import STREAMED_TALK, TALK, CrashWorkspace
from tests.system.harness.fork_server import ForkServer

if TYPE_CHECKING:
    from tests.system.crash.promises import RunState
    from tests.system.crash.random_kills import UndisturbedRun

FIRST_SEED = 1000
"""Seeds below it are those of the tests on every commit."""


def main(runs: int) -> int:
    """Kill so many runs and print how many kept the promise; 0 only when all did."""
    deaths: list[list[RunState] | None] = []
    with ForkServer() as fork_server, LedgerApi() as api, tempfile.TemporaryDirectory() as folder:
        workspace = CrashWorkspace(folder=Path(folder), fork_server=fork_server, api=api)
        # One half with replies in one piece, the other with streamed ones.
        for talk, first in ((TALK, 0), (STREAMED_TALK, 1)):
            workspace.write(talk)
            shutil.rmtree(workspace.run_folder, ignore_errors=True)
            undisturbed = play_undisturbed(workspace)
            deaths += [
                _deaths(workspace, undisturbed, seed=FIRST_SEED + number) for number in range(first, runs, 2)
            ]
    kept = [each for each in deaths if each is not None]
    busy = sum(bool(death.in_flight) for each in kept for death in each)
    _say(
        f"kills: {len(kept)} of {runs} runs lost nothing and paid for nothing twice, over"
        f" {sum(map(len, kept))} deaths, {busy} of them with requests in flight"
    )
    return 0 if len(kept) == runs else 1


def _deaths(workspace: CrashWorkspace, undisturbed: UndisturbedRun, *, seed: int) -> list[RunState] | None:
    """Play one run and return its deaths; None where it broke the promise."""
    shutil.rmtree(workspace.run_folder, ignore_errors=True)
    workspace.api.reset()
    try:
        deaths = kill_at_random(workspace, undisturbed, seed=seed)
        assert_promises_kept(workspace, deaths)
        assert workspace.transcripts() == undisturbed.transcripts, (
            "the transcripts are not those of an undisturbed run"
        )
        workspace.assert_no_secret()
    except AssertionError:
        traceback.print_exc()
        _say(f"kills: seed {seed} broke the promise")
        return None
    return deaths


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
