"""The page of the project file lists exactly the keys that one may have."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from claude_run.session.options import options_of
from claude_run.session.project_file import ProjectFile, key_of
from claude_run.session.request import RunRequest

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "project-file.md"


def test_every_key_is_listed() -> None:
    """With the flag that the command line has for it."""
    rows = re.findall(r"^\| `(\w+)` \| `(-[\w-]+)`", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    declared = {key_of(each): each.flags for each in options_of(RunRequest) if each.project}
    assert [key for key, _ in rows] == sorted(declared, key=[key for key, _ in rows].index)
    assert all(flag in declared[key] for key, flag in rows)


def test_the_example_is_a_project_file() -> None:
    """Every line of it is read."""
    text = PAGE.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    file = ProjectFile(path=Path("claude-run.toml"), text=text, table=tomllib.loads(text))
    assert set(file.defaults(RunRequest)) == {
        "repeat",
        "max_cost",
        "judge_models",
        "own_checks",
        "allowed_models",
    }
