"""The API and the folder of a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.system.crash.api import LedgerApi
from tests.system.crash.workspace import CrashWorkspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.system.harness.fork_server import ForkServer


@pytest.fixture(scope="session")
def served_api() -> Iterator[LedgerApi]:
    """Give one API to all tests of a session."""
    with LedgerApi() as api:
        yield api


@pytest.fixture
def workspace(fork_server: ForkServer, served_api: LedgerApi, tmp_path: Path) -> Iterator[CrashWorkspace]:
    """Give a folder with the scenario and an API that received nothing yet; no secret may be left behind."""
    served_api.reset()
    workspace = CrashWorkspace(folder=tmp_path, fork_server=fork_server, api=served_api)
    workspace.write()
    (tmp_path / "outputs").mkdir()  # there already, so that the writes of a run are those of its own folder
    yield workspace
    workspace.assert_no_secret()
