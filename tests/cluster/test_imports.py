"""Ray is for runs on a cluster alone, also where it is installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from tests.support.command import QUICKSTART, loaded_by

if TYPE_CHECKING:
    from pathlib import Path


def test_a_run_in_one_process_imports_no_ray(tmp_path: Path) -> None:
    """From the command line to the last report."""
    assert find_spec("ray") is not None

    loaded = loaded_by(str(QUICKSTART), "--simulate", "-o", "run", cwd=tmp_path)

    assert (tmp_path / "run" / "summary.json").exists()
    assert "anthropic" in loaded
    assert "ray" not in loaded
