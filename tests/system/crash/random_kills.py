"""Killing a run at random times until a process of it lives to its end."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.system.crash.promises import Moment
from tests.system.harness.fork_server import KILLED

if TYPE_CHECKING:
    from tests.system.crash.workspace import Scene

_MOST_KILLS = 4
_CALM_RUNS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Calm:
    """A run that nothing happened to: its transcripts, and how long it took in seconds."""

    transcripts: list[Any]
    seconds: float


def play_calmly(scene: Scene) -> Calm:
    """Play the run of a scene a few times, and leave nothing of it behind."""
    runs = [_timed(scene) for _ in range(_CALM_RUNS)]
    return min(runs, key=lambda calm: calm.seconds)


def kill_at_random(scene: Scene, calm: Calm, *, seed: int) -> list[Moment]:
    """Play a run to its end, killed one to four times on the way; return the moments of death."""
    chance = random.Random(seed)  # noqa: S311 - the same kills every time, not a secret
    span_s = 1.3 * calm.seconds
    while not (deaths := _play(scene, chance, span_s)):
        # It was over before its killer came, which proves nothing.
        scene.clear()
        span_s *= 0.8
    return deaths


def _timed(scene: Scene) -> Calm:
    begin = time.monotonic()
    assert scene.play(durable=True).code == 0
    calm = Calm(seconds=time.monotonic() - begin, transcripts=scene.transcripts())
    scene.clear()
    return calm


def _play(scene: Scene, chance: random.Random, span_s: float) -> list[Moment]:
    deaths: list[Moment] = []
    for _ in range(_MOST_KILLS):
        if _survived(scene, delay_s=chance.uniform(0.0, span_s)):
            return deaths
        deaths.append(Moment.of(scene))
    ended = scene.go_on()
    assert ended.code == 0, ended.stderr
    return deaths


def _survived(scene: Scene, *, delay_s: float) -> bool:
    pid = scene.start(*scene.next_arguments(), durable=True)
    time.sleep(delay_s)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    ended = scene.zygote.wait(pid)
    assert ended.code in {0, KILLED}, ended.stderr
    return ended.code == 0
