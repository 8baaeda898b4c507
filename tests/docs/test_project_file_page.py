"""The page of the project file lists exactly the keys that one may have."""

from __future__ import annotations

import re
from pathlib import Path

from claude_run.record.project import nearest_project_file
from claude_run.session.options import options_of
from claude_run.session.project_file import defaults, key_of
from claude_run.session.request import GateRequest, RunRequest

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "project-file.md"


def test_every_key_is_listed() -> None:
    """With the flag that the command line has for it."""
    rows = re.findall(
        r"^\| `([\w.]+)` \| (?:`(-[\w-]+)`|none)", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    gate = {each.name for each in options_of(GateRequest)}
    declared = {
        f"gate.{key_of(each)}" if each.name in gate else key_of(each): each.flags
        for each in options_of(RunRequest)
        if each.project
    }
    assert [key for key, _ in rows] == sorted(declared, key=[key for key, _ in rows].index)
    assert all(not flag or flag in declared[key] for key, flag in rows)
    assert [key for key, flag in rows if not flag] == ["gate.alpha", "gate.max_cost_increase"]


def test_the_example_is_a_project_file(tmp_path: Path) -> None:
    """Every line of it is read."""
    text = PAGE.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "ours.py").touch()
    (tmp_path / "claude-run.toml").write_text(text, encoding="utf-8")
    file = nearest_project_file(tmp_path)
    assert file is not None
    assert file.outputs == tmp_path / "build/runs"
    assert set(defaults(file, RunRequest)) == {
        "repeat",
        "max_cost",
        "judge_models",
        "own_checks",
        "allowed_models",
        "gate",
    }
