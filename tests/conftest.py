"""What the tests of several folders share: the process that forks into commands."""

from __future__ import annotations

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
