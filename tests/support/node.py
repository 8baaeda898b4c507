"""Commands that exported programs need, where the machine has them: in CI they must be there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

NODE_MODULES = Path(__file__).parents[1] / "node" / "node_modules"
READY = NODE_MODULES / ".ready"
"""What is there when all packages are."""


def require_command(name: str) -> None:
    """Skip the test where there is no such command; fail in CI."""
    if shutil.which(name) is None:
        _missing(f"the command {name}")


def require_node(*, packages: bool = False) -> None:
    """Skip the test where there is no Node, or none of the packages that `make test` brings; fail in CI."""
    require_command("node")
    if packages and not READY.exists():
        _missing(f"what {READY.parent}/package-lock.json names")


def _missing(what: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is not here: .ci/run and `make test` bring it")
    pytest.skip(f"{what} is not here: install Node with npm, curl, jq and chromium, and run make test")
