"""`open` and `--html` around runs that are killed, go on, or cannot be written to."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from claude_run.cli.commands import open_page
from claude_run.errors import StorageError
from claude_run.record.disk import LocalDisk
from claude_run.session.world import World
from tests.support.command import COMMAND, claude_run, environment

if TYPE_CHECKING:
    from pathlib import Path

SCENARIO = """
name: slow
model: claude-haiku-5-5
max_tokens: 50
repeat: 6
turns:
  - user: The words that were asked?
    example: The words that were said.
"""


@pytest.fixture
def killed(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Return the folder of a run that was killed after its first replies; its options are the parameter."""
    (tmp_path / "slow.yaml").write_text(SCENARIO)
    options = getattr(request, "param", [])
    command = [str(COMMAND), "slow.yaml", "--simulate", "--faults", "latency=300ms", "-j", "1", "-o", "run"]
    with subprocess.Popen(
        [*command, *options], cwd=tmp_path, env=environment(tmp_path), stderr=subprocess.DEVNULL
    ) as process:
        journal = tmp_path / "run" / "journal.jsonl"
        end = time.monotonic() + 60
        while not (journal.exists() and journal.read_text().count('"event":"reply"') >= 2):
            assert time.monotonic() < end
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    return tmp_path


def run(*arguments: str, cwd: Path, code: int = 0) -> str:
    """Run a command in CI, where no browser is opened, and return what it says on stdout."""
    ended = claude_run(*arguments, cwd=cwd, env={"CI": "true"})
    assert ended.code == code, ended
    return ended.stdout


def test_looking_at_a_killed_run_keeps_it_from_nothing(killed: Path) -> None:
    """It is shown as far as it came, and goes on as if nobody had looked."""
    assert run("open", "run", cwd=killed) == f"{killed}/run/report.html\n"
    run("resume", "run", cwd=killed)
    page = (killed / "run" / "report.html").read_text()
    assert page.split("<title>")[1].startswith("PASSED")


@pytest.mark.parametrize("killed", [["--redact"]], indirect=True)
def test_a_run_that_says_nothing_of_what_was_said_stays_so(killed: Path) -> None:
    """However it was ended, and whoever makes its page."""
    assert "data-redacted" in (killed / "run" / "report.html").read_text()
    run("open", "run", cwd=killed)
    assert "data-redacted" in (killed / "run" / "report.html").read_text().partition("<head>")[0]
    run("resume", "run", cwd=killed)
    run("report", "run", cwd=killed)
    assert "data-redacted" in (killed / "run" / "report.html").read_text().partition("<head>")[0]


@pytest.mark.parametrize("killed", [["--html"]], indirect=True)
def test_what_was_asked_for_is_made_when_the_run_goes_on(killed: Path) -> None:
    """Until then its place says why there is no page yet."""
    assert "cut off" in (killed / "run" / "report.html").read_text()
    run("resume", "run", cwd=killed)
    assert "application/gzip" in (killed / "run" / "report.html").read_text()


def test_a_browser_is_opened_by_whoever_wants_one(killed: Path) -> None:
    """By the command that the environment names, with the address of the page."""
    run("resume", "run", cwd=killed)
    ended = claude_run("open", "run", cwd=killed, env={"BROWSER": "echo opened %s"})
    assert ended.code == 0
    assert f"opened file://{killed}/run/report.html" in ended.stdout
    assert run("open", "nowhere", cwd=killed, code=2) == ""


class ReadOnlyDisk(LocalDisk):
    """The real file system, of which nothing may be changed."""

    def open(self, path: Path, flags: int) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return super().open(path, flags)


def test_a_page_that_cannot_be_made_anew_is_shown(
    killed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a warning: the journal of a copy may look newer than its page. Without a page it is an error."""
    run("resume", "run", cwd=killed)
    run("report", "run", "--html", cwd=killed)
    page = killed / "run" / "report.html"
    os.utime(page, (0, 0))
    before = page.read_bytes()
    monkeypatch.setenv("CI", "true")
    world = World(disk=ReadOnlyDisk())
    assert open_page(killed / "run", world) == 0
    told = capsys.readouterr()
    assert told.out == f"{page}\n"
    assert "warning: the page is shown as it is" in told.err
    assert page.read_bytes() == before
    page.unlink()
    with pytest.raises(StorageError, match="Read-only file system"):
        open_page(killed / "run", world)
