"""A cluster to throw away: `ray start` on ports that are free, in a folder and with a token of its own."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.command import environment as bare_environment
from tests.system.harness.workspace import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class RayCluster:
    """A cluster of one node, and what the environment of a driver that joins it must hold."""

    address: str
    """As `HOST:PORT`."""
    environment: Mapping[str, str]
    pid: int
    """Of `ray start`, and the id of the session that all processes of the cluster belong to."""


@contextmanager
def keeping_to_itself() -> Iterator[dict[str, str]]:
    """Yield variables with which a Ray leaves the home folder alone, and obeys these tests alone."""
    # Not below a test's folder: Ray puts sockets there, whose paths must be shorter than 108 bytes.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        yield {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_TMPDIR": folder,
            # Workers would step back behind whatever else runs here, such as the other tests.
            "RAY_worker_niceness": "0",
        }


@contextmanager
def started(variables: Mapping[str, str] | None = None, *options: str, cpus: int = 4) -> Iterator[RayCluster]:
    """Start a cluster whose processes see these variables, and end it alone: `ray stop` ends every Ray.

    `options` are those of `ray start`, besides what keeps it to itself.
    """
    with keeping_to_itself() as environment:
        folder = Path(environment["RAY_TMPDIR"])
        output = folder / "ray-start.out"
        command = [
            *(str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", f"--num-cpus={cpus}"),
            *("--port=0", "--min-worker-port=0", "--max-worker-port=0", f"--temp-dir={folder}"),
            *("--include-dashboard=false", "--include-log-monitor=false", "--disable-usage-stats"),
            "--object-store-memory=200000000",
            *options,
        ]
        with output.open("wb") as stream:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=bare_environment(folder, {**environment, **(variables or {})}),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield RayCluster(address=_address(process, folder), environment=environment, pid=process.pid)
        finally:
            # Told to end, it ends all that it has started; whatever is left of its group goes at once.
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE_S)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _address(process: subprocess.Popen[bytes], folder: Path) -> str:
    """Wait until the cluster is up and return where; AssertionError, with what it said, when it never is."""
    written = folder / "ray_current_cluster"
    until(lambda: process.poll() is not None or (written.exists() and written.read_text() != ""))
    assert process.poll() is None, (folder / "ray-start.out").read_text()
    return written.read_text().strip()
