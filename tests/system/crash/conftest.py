"""The process that forks, the API, and the folder of a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.system.crash.api import LedgerApi
from tests.system.crash.workspace import Scene
from tests.system.harness.fork_server import Zygote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """Give the process that forks into commands."""
    with Zygote() as process:
        yield process


@pytest.fixture(scope="session")
def served_api() -> Iterator[LedgerApi]:
    """Give one API to all tests of a session."""
    with LedgerApi() as api:
        yield api


@pytest.fixture
def scene(zygote: Zygote, served_api: LedgerApi, tmp_path: Path) -> Iterator[Scene]:
    """Give a folder with the scenario and an API that has heard nothing yet; no secret may be left behind."""
    served_api.reset()
    scene = Scene(folder=tmp_path, zygote=zygote, api=served_api)
    scene.write()
    yield scene
    scene.assert_no_secret()
