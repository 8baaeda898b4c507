"""What the tests of several folders share: the process that forks into commands."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.system.harness.fork_server import ForkServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """Return the process that forks into commands."""
    with ForkServer() as process:
        yield process


def pytest_xdist_auto_num_workers() -> int:
    """Return one worker more than there are cores: many tests wait for what they have started."""
    return (os.cpu_count() or 1) + 1
