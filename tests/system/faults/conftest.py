"""A booth for each test, searched for the key when the test is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.system.harness.workspace import Booth, open_booth

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def booth(tmp_path: Path) -> Iterator[Booth]:
    """Return a folder to run the real command in; the key must not be found in it afterwards."""
    with open_booth(tmp_path) as opened:
        yield opened
