"""The API and the folder of a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.system.gate.api import Api
from tests.system.shards.workspace import ShardWorkspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.system.harness.fork_server import ForkServer


@pytest.fixture(scope="session")
def served_api() -> Iterator[Api]:
    """Give one API to all tests of a session."""
    with Api() as api:
        yield api


@pytest.fixture
def workspace(fork_server: ForkServer, served_api: Api, tmp_path: Path) -> ShardWorkspace:
    """Give an empty folder and an API that has received nothing yet."""
    served_api.reset()
    return ShardWorkspace(folder=tmp_path, fork_server=fork_server, api=served_api)
