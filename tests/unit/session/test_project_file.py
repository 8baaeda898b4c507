"""The project file gives the options their defaults; the command line wins, and mistakes are told by line."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from claude_run.errors import InputError
from claude_run.session.options import build, options_of
from claude_run.session.project_file import find_project_file, key_of
from claude_run.session.request import RunRequest

FILE = """\
repeat = 3
max_cost = 2.5
timeout = "90s"
judge_model = ["claude-opus-5-5"]
checks = ["checks/mine.py"]

[allow_model]
claude-haiku-5-5 = ["gateway/haiku", "eu/haiku"]
claude-opus-5-5 = "gateway/opus"
"""


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "project" / "scenarios" / "deep").mkdir(parents=True)
    (tmp_path / "project" / ".git").mkdir()
    monkeypatch.chdir(tmp_path / "project")


def _read(text: str, *, file: str = "claude-run.toml", path: str = "scenarios/deep/a.yaml") -> RunRequest:
    Path(file).write_text(text, encoding="utf-8")
    project = find_project_file([path])
    return build(RunRequest, {"repeat": "5"}, project.defaults(RunRequest) if project else {})


@pytest.mark.parametrize("file", ["claude-run.toml", "scenarios/claude-run.toml"])
def test_the_nearest_file_upwards_gives_the_defaults(file: str) -> None:
    """Every kind of value; what the command line says stands before it."""
    request = _read(FILE, file=file)
    assert (request.repeat, request.max_cost, request.attempt_s) == (5, Decimal("2.5"), 90.0)
    assert request.judge_models == ("claude-opus-5-5",)
    assert request.own_checks == (Path(file).parent / "checks/mine.py",)
    assert request.allowed_models == {
        "claude-haiku-5-5": frozenset({"gateway/haiku", "eu/haiku"}),
        "claude-opus-5-5": frozenset({"gateway/opus"}),
    }


def test_a_table_of_pyproject_is_a_project_file() -> None:
    """The file of its own stands before it; a pyproject.toml that does not name us is passed by."""
    assert _read('[tool.claude-run]\nmax_time = "5m"\n', file="pyproject.toml").max_time_s == 300.0
    assert _read('[tool.other]\nmax_time = "5m"\n', file="pyproject.toml").max_time_s is None
    assert _read("not toml", file="pyproject.toml").max_time_s is None
    assert _read("max_time = 60\n").max_time_s == 60.0
    assert _read("max_cost = 0.00001\n").max_cost == Decimal("0.00001")
    assert find_project_file(["a\0b"]) is find_project_file(["lone \ud800"]) is None


def test_the_repository_is_the_border(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file above it belongs to something else."""
    (Path("..") / "claude-run.toml").write_text("repeat = 0", encoding="utf-8")
    assert find_project_file(["scenarios/deep/a.yaml"]) is None
    monkeypatch.chdir("scenarios")
    assert find_project_file([]) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nrepeats = 3\n", "claude-run.toml:2: a project file has no `repeats`: did you mean `repeat`?"),
        (
            "xyz = 'x'\n",
            "claude-run.toml:1: a project file has no `xyz`: there are allow_model, check_timeout",
        ),
        ("repeat = 0\n", "claude-run.toml:1: -n 0: write a whole number from 1"),
        ("repeat = true\n", "claude-run.toml:1: `repeat` is not a value that --repeat takes"),
        ("repeat = [1, 2]\n", "claude-run.toml:1: -n was given twice, as 1 and 2"),
        ("max_cost = nan\n", "claude-run.toml:1: --max-cost NaN: write an amount"),
        ("checks = [1]\n", "claude-run.toml:1: `checks` is not a value that --checks takes"),
        ("[allow_model]\na = ''\n", "claude-run.toml:1: --allow-model a=: write --allow-model ASKED=SERVED"),
        ("allow_model = 3\n", "claude-run.toml:1: `allow_model` is not a value that --allow-model takes"),
        (
            "a = = 1\n",
            "claude-run.toml cannot be read: Invalid value (at line 1, column 5); it must be valid",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, message: str) -> None:
    """What, where, and how to mend it."""
    with pytest.raises(InputError) as caught:
        _read(text)
    assert str(caught.value).startswith(message)


def test_scenarios_of_two_projects_have_no_common_defaults() -> None:
    """Which of them should hold is not for us to guess."""
    for folder in ("scenarios", "scenarios/deep"):
        Path(folder, "claude-run.toml").write_text("repeat = 2\n", encoding="utf-8")
    with pytest.raises(InputError, match="belong to several projects, scenarios/claude-run"):
        find_project_file(["scenarios/a.yaml", "scenarios/deep/b.yaml"])


def test_every_key_is_an_option_that_the_run_keeps() -> None:
    """So that a resume needs no project file."""
    declared = [each for each in options_of(RunRequest) if each.project]
    assert {key_of(each) for each in declared} >= {
        "checks",
        "repeat",
        "concurrency",
        "max_cost",
        "allow_model",
    }
    assert all(each.saved for each in declared)
