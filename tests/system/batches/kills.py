"""A run in batches that is killed at random times, and resumed until it is done."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.system.batches.api import BatchApi, comparable
from tests.system.harness.fork_server import KILLED

if TYPE_CHECKING:
    from tests.system.harness.workspace import Running, Workspace

FAULTS = "batch-delay=60ms"
_FAST = 20.0
ID_CHARACTERS = 64 - len("0123456789abcdef-")
"""How much of a key stands in the id of a request."""
_MOST_KILLS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Undisturbed:
    """A run that nothing happened to: its transcripts, how long it took, and how many requests it had."""

    transcripts: list[Any]
    seconds: float
    requests: int


def play_undisturbed(workspace: Workspace) -> Undisturbed:
    """Play the talk of a workspace once, and leave nothing of it behind."""
    with BatchApi(scenario=workspace.folder / "talk.yaml", faults=FAULTS) as api:
        begin = time.monotonic()
        ended = workspace.run("talk.yaml", "--batch", "-o", "out", url=api.base_url, speed=_FAST)
        assert ended.code == 0, ended.stderr
        seconds, requests = time.monotonic() - begin, len(api.live) + sum(api.sizes)
    undisturbed = Undisturbed(
        transcripts=comparable(workspace.folder / "out"), seconds=seconds, requests=requests
    )
    shutil.rmtree(workspace.folder / "out")
    return undisturbed


def kill_at_random(workspace: Workspace, undisturbed: Undisturbed, *, seed: int) -> int:
    """Play a run to its end, killed on the way; assert what is promised, and return how often it died."""
    chance = random.Random(seed)  # noqa: S311 - the same kills every time, not a secret
    span_s = 1.2 * undisturbed.seconds
    while not (deaths := _play(workspace, undisturbed, chance, span_s=span_s, seed=seed)):
        span_s *= 0.8  # it was over before its killer came, which proves nothing
    return deaths


def _play(
    workspace: Workspace, undisturbed: Undisturbed, chance: random.Random, *, span_s: float, seed: int
) -> int:
    # Every third one also loses the answer to its first submission, and in every third requests fail.
    faults = f"{FAULTS} {('batch-lost=1', 'batch-error=15% batch-expiry=10%', '')[seed % 3]}"
    deaths = live_deaths = 0
    with BatchApi(scenario=workspace.folder / "talk.yaml", faults=faults) as api:
        while deaths < _MOST_KILLS:
            running = _start(workspace, api)
            time.sleep(chance.uniform(0.0, span_s))
            with suppress(ProcessLookupError):
                os.kill(running.process.pid, signal.SIGKILL)
            if running.wait().code != KILLED:
                break
            deaths += 1
            live_deaths += not _is_proven(workspace)
        else:
            assert _start(workspace, api).wait().code == 0
        # Every request exactly once, and once more for each time that it failed at the API; the one that was
        # sent live again if it was under way when the run died.
        failed = Counter(
            event["key"][:ID_CHARACTERS]
            for event in workspace.events("failure")
            if event["failure"]["kind"] in {"status", "expired"}
        )
        expected = {key: 1 + failed[key] for key in api.submissions()}
        assert api.submissions() == expected
        assert len(api.live) <= 1 + live_deaths
        assert len(api.submissions()) == undisturbed.requests - 1
    assert comparable(workspace.folder / "out") == undisturbed.transcripts
    shutil.rmtree(workspace.folder / "out")
    return deaths


def _start(workspace: Workspace, api: BatchApi) -> Running:
    if (workspace.folder / "out" / "run.json").exists():
        return workspace.start("resume", "out", url=api.base_url, speed=_FAST)
    return workspace.start("talk.yaml", "--batch", "-o", "out", url=api.base_url, speed=_FAST)


def _is_proven(workspace: Workspace) -> bool:
    """Return whether the first reply, which was sent live, is in the journal."""
    journal = workspace.folder / "out" / "journal.jsonl"
    return journal.exists() and bool(workspace.events("reply"))
