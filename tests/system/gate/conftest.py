"""The process that forks into commands, the API, and the folder of a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.system.gate.api import Api
from tests.system.gate.workspace import Scene
from tests.system.harness.fork_server import Zygote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def forks() -> Iterator[Zygote]:
    """Give the process that forks into commands."""
    with Zygote() as process:
        yield process


@pytest.fixture(scope="session")
def served() -> Iterator[Api]:
    """Give one API to all tests of a session."""
    with Api() as api:
        yield api


@pytest.fixture
def scene(forks: Zygote, served: Api, tmp_path: Path) -> Scene:
    """Give an empty folder and an API that has heard nothing yet."""
    served.reset()
    return Scene(folder=tmp_path, zygote=forks, api=served)
