"""Killing a run at random times until a process of it lives to its end."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.system.crash.promises import RunState
from tests.system.harness.fork_server import KILLED

if TYPE_CHECKING:
    from tests.system.crash.workspace import CrashWorkspace

_MOST_KILLS = 4
_UNDISTURBED_RUNS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class UndisturbedRun:
    """A run that nothing happened to: its transcripts, and how long it took in seconds."""

    transcripts: list[Any]
    seconds: float


def play_undisturbed(workspace: CrashWorkspace) -> UndisturbedRun:
    """Play the run of a workspace a few times, and leave nothing of it behind."""
    runs = [_timed(workspace) for _ in range(_UNDISTURBED_RUNS)]
    return min(runs, key=lambda undisturbed: undisturbed.seconds)


def kill_at_random(workspace: CrashWorkspace, undisturbed: UndisturbedRun, *, seed: int) -> list[RunState]:
    """Play a run to its end, killed one to four times on the way; return the moments of death."""
    chance = random.Random(seed)  # noqa: S311 - the same kills every time, not a secret
    span_s = 1.3 * undisturbed.seconds
    while not (deaths := _play(workspace, chance, span_s)):
        # It was over before its killer came, which proves nothing.
        workspace.clear()
        span_s *= 0.8
    return deaths


def _timed(workspace: CrashWorkspace) -> UndisturbedRun:
    begin = time.monotonic()
    assert workspace.play(durable=True).code == 0
    undisturbed = UndisturbedRun(seconds=time.monotonic() - begin, transcripts=workspace.transcripts())
    workspace.clear()
    return undisturbed


def _play(workspace: CrashWorkspace, chance: random.Random, span_s: float) -> list[RunState]:
    deaths: list[RunState] = []
    for _ in range(_MOST_KILLS):
        if _survived(workspace, delay_s=chance.uniform(0.0, span_s)):
            return deaths
        deaths.append(RunState.of(workspace))
    ended = workspace.go_on()
    assert ended.code == 0, ended.stderr
    return deaths


def _survived(workspace: CrashWorkspace, *, delay_s: float) -> bool:
    pid = workspace.start(*workspace.next_arguments(), durable=True)
    time.sleep(delay_s)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    ended = workspace.fork_server.wait(pid)
    assert ended.code in {0, KILLED}, ended.stderr
    return ended.code == 0
