"""What chats are held with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.system.chat.talks import Piped, Talking

if TYPE_CHECKING:
    from tests.system.harness.fork_server import ForkServer


@pytest.fixture
def piped(fork_server: ForkServer) -> Piped:
    """Return what chats at a pipe."""
    return Piped(fork_server)


@pytest.fixture
def talking(fork_server: ForkServer) -> Talking:
    """Return what chats in a terminal."""
    return Talking(fork_server)
