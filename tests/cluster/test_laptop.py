"""`--engine ray` where nothing of Ray is set up, as on a laptop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.command import QUICKSTART, claude_run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def test_a_ray_of_its_own_needs_no_variables(tmp_path: Path, ray_environment: Mapping[str, str]) -> None:
    """It is started, with a token that only its own processes know; nothing is left in the home folder."""
    environment = {"RAY_TMPDIR": ray_environment["RAY_TMPDIR"]}

    result = claude_run(
        QUICKSTART, "--simulate", "--engine", "ray", "-o", "run", cwd=tmp_path, env=environment
    )

    assert result.code == 0, result.stderr
    assert "playing on Ray" in result.stderr
    assert not (tmp_path / ".ray").exists()
