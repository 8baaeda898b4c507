"""What several campaigns start from: signals that are taken, and a workspace that is searched for the key."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.system.harness.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.system.harness.fork_server import ForkServer


@pytest.fixture(scope="session", autouse=True)
def _signals_are_not_ignored() -> None:
    """Let commands take SIGHUP and SIGINT, though the tests may run under `nohup` or in the background."""
    for number in (signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def workspace(tmp_path: Path, fork_server: ForkServer) -> Iterator[Workspace]:
    """Return a folder to run the real command in; the key must not be found in it afterwards.

    The campaigns `crash` and `gate` have a workspace of their own, with their scenario and their API.
    """
    with open_workspace(tmp_path, fork_server) as opened:
        yield opened
