"""What several campaigns start from: a workspace that is searched for the key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.system.harness.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.system.harness.fork_server import ForkServer


@pytest.fixture
def workspace(tmp_path: Path, fork_server: ForkServer) -> Iterator[Workspace]:
    """Return a folder to run the real command in; the key must not be found in it afterwards.

    The campaigns `crash` and `gate` have a workspace of their own, with their scenario and their API.
    """
    with open_workspace(tmp_path, fork_server) as opened:
        yield opened
