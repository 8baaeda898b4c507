"""A full disk: code 3, a message that says so, a readable journal, and a resume when there is room."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.system.crash.promises import RunState, assert_announced, assert_promises_kept, key_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.system.crash.workspace import CrashWorkspace

SIZES = (300, 700, 1500, 2500, 4000, 6000, 9000, 12000)
"""Largest sizes of a file in bytes: from one without room for `run.json` to one for most of a journal."""


@pytest.mark.parametrize("size", SIZES)
def test_a_limit_on_the_size_of_files(workspace: CrashWorkspace, size: int) -> None:
    """The write that reaches the limit is a short one, which tears a line; the next fails with errno 27."""
    ended = workspace.play(file_size=size)
    assert ended.code == 3
    assert "File too large" in ended.stderr or "make room and go on with `claude-run resume " in ended.stderr
    _assert_goes_on(workspace)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a folder on a device of 256 KiB of its own."""
    folder = tmp_path / "device"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    options = ["-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    done = subprocess.run([mount, *options], capture_output=True, check=False, encoding="utf-8")
    if done.returncode != 0:
        pytest.skip(f"this machine does not let root mount: {done.stderr.strip()}")
    yield folder
    subprocess.run([str(shutil.which("umount")), str(folder)], check=True)


@pytest.mark.parametrize("room", [0, 4096, 8192, 12288])
def test_a_full_device(workspace: CrashWorkspace, small_disk: Path, room: int) -> None:
    """A run that fills its device stops sending, and goes on when something else was removed from it."""
    ballast = small_disk / "ballast"
    _fill(ballast, leave=room)
    out = small_disk / "run"
    workspace.run_folder.symlink_to(out)
    ended = workspace.run("talk.yaml", "-o", out)
    assert ended.code == 3, ended
    assert "No space left on device" in ended.stderr or "make room" in ended.stderr
    ballast.unlink()
    _assert_goes_on(workspace)


def _fill(path: Path, *, leave: int) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"." * 1024)
        except OSError:
            os.truncate(path, path.stat().st_size - leave)


def _assert_goes_on(workspace: CrashWorkspace) -> None:
    death, sent = RunState.of(workspace), [key_of(body) for body in workspace.api.ledger]
    assert_announced(workspace, sent)
    assert workspace.go_on().code == 0
    assert_promises_kept(workspace, [death])
    workspace.assert_no_secret()
