"""The project file gives the options their defaults; the command line wins, and mistakes are told by line."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from claude_run.errors import InputError
from claude_run.record.folder import outputs
from claude_run.scenario.diagnostics import InvalidScenarioError
from claude_run.session.options import build, options_of
from claude_run.session.project_file import defaults, find_project_file, key_of
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
    (tmp_path / "project" / "scenarios" / "f").touch()
    for folder in ("checks", "scenarios/checks"):
        (tmp_path / "project" / folder).mkdir()
        (tmp_path / "project" / folder / "mine.py").touch()
    monkeypatch.chdir(tmp_path / "project")


def _read(text: str, *, file: str = "claude-run.toml", path: str = "scenarios/deep/a.yaml") -> RunRequest:
    Path(file).write_text(text, encoding="utf-8")
    project = find_project_file([path])
    return build(RunRequest, {"repeat": "5"}, defaults(project, RunRequest) if project else {})


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
    ("text", "place", "message", "hint"),
    [
        ("\nrepeats = 3\n", "2:1", "unknown key `repeats` in a project file", "did you mean `repeat`?"),
        (
            "xyz = 'x'\n",
            "1:1",
            "unknown key `xyz` in a project file",
            "known keys: allow_model, check_",
        ),
        ("# repeat = 1\n  repeat = 0\n", "2:12", "repeat 0: write a whole number from 1", ""),
        ("repeat = true\n", "1:10", "`repeat` must be a whole number, not a boolean", ""),
        ("repeat = '3'\n", "1:10", "`repeat` must be a whole number, not a text", ""),
        ("repeat = [1, 2]\n", "1:10", "`repeat` must be a whole number, not a list", ""),
        ("max_cost = 1e300\n", "1:12", "max_cost 1", ""),
        ("max_cost = nan\n", "1:12", "max_cost NaN: write an amount", ""),
        ("max_time = 2001-01-01\n", "1:12", '`max_time` must be a time, such as "90s", not a date', ""),
        ("checks = [1]\n", "1:10", "`checks` must be a list of texts, not a list with a number in it", ""),
        ("checks = ['a.py']\n", "1:10", "`checks` names 'a.py', which is not a file beside this one", ""),
        ('checks = ["a\\u0000"]\n', "1:10", "checks a\x00: no file can be called so", ""),
        (
            "judge_model = ['', 'm']\n",
            "1:15",
            "`judge_model` must be a list of texts, not a list with an",
            "",
        ),
        ("[allow_model]\na = ''\n", "1:2", "`allow_model` must be a table of names, such as ", ""),
        ("[allow_model]\n'a=b' = 'c'\n", "1:2", "`allow_model` must be a table of names, such as ", ""),
        ("allow_model = 3\n", "1:15", "`allow_model` must be a table of names, such as ", ""),
        ("outputs = ' '\n", "1:11", "`outputs` must be the path of a folder, not an empty text", ""),
        ("outputs = 'scenarios/f'\n", "1:11", "`outputs` must be the path of a folder, and a file is in", ""),
        ("gate = 1\n", "1:8", "`gate` must be a table, not a number", "write [gate]"),
        ("[gate]\nalpa = 1\n", "2:1", "unknown key `alpa` in the table `gate`", "did you mean `alpha`?"),
        ("[gate]\nrepeat = 1\n", "2:1", "unknown key `repeat` in the table `gate`", "known keys: alpha, "),
        ("[gate]\nalpha = 2\n", "2:9", "alpha must be above 0 and below 0.5, got 2.0", ""),
        ("gate.alpha = '0.1'\n", "1:14", "`alpha` must be a number, not a text", ""),
        ("[gate]\non_unclear = 'no'\n", "2:14", "on_unclear no: choose fail or warn", ""),
        ("gate = {alpa = 1}\n", "1:1", "unknown key `alpa` in the table `gate`", "did you mean `alpha`?"),
    ],
)
def test_a_mistake_is_told_as_one_of_a_scenario_is(text: str, place: str, message: str, hint: str) -> None:
    """What, in which line and column, and how to mend it; the same in a table of pyproject.toml."""
    with pytest.raises(InvalidScenarioError) as caught:
        _read(text)
    (problem,) = caught.value.diagnostics
    assert str(problem.position) == f"claude-run.toml:{place}"
    assert problem.message.startswith(message)
    assert (problem.hint or "").startswith(hint)
    assert problem.window is not None


def test_all_mistakes_are_told_in_one_go() -> None:
    """Those of a table of pyproject.toml too, past whatever other tables hold."""
    gate = "[tool.claude-run.gate]\nx = 1\nalpha = 3\nconfirm = 11\n"
    ours = f'[tool.claude-run]\nrepeats = 1\nmax_cost = ""\n{gate}'
    with pytest.raises(InvalidScenarioError) as caught:
        _read(f"[tool.a]\nrepeats = 1\n{ours}", file="pyproject.toml")
    assert [str(each.position) for each in caught.value.diagnostics] == [
        "pyproject.toml:4:1",
        "pyproject.toml:5:12",
        "pyproject.toml:7:1",
        "pyproject.toml:8:9",
        "pyproject.toml:9:11",
    ]


@pytest.mark.parametrize(
    ("file", "text", "message", "place"),
    [
        ("claude-run.toml", "a = = 1\n", "the file is not valid TOML: Invalid value", "1:5"),
        (
            "claude-run.toml",
            "\ufeffn = 2\r\na = [\r\n",
            "the file is not valid TOML: Invalid value",
            "2:6",
        ),
        ("claude-run.toml", "[", "the file is not valid TOML: ", "1:2"),
        ("pyproject.toml", "[tool.claude-run]\n<<<<<<< ours\n", "the file is not valid TOML: ", "2:1"),
    ],
)
def test_what_is_not_toml_is_told(file: str, text: str, message: str, place: str) -> None:
    """With the place that the parser gives; a broken pyproject.toml only where it names us."""
    with pytest.raises(InvalidScenarioError) as caught:
        _read(text, file=file)
    (problem,) = caught.value.diagnostics
    assert problem.message.startswith(message)
    assert str(problem.position) == f"{file}:{place}"


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("claude-run.toml", "a = " + "[" * 5000, "claude-run.toml is nested too deeply"),
        ("pyproject.toml", "tool.claude-run = 3", r"pyproject.toml: `tool.claude-run` must be a table"),
    ],
)
def test_what_is_no_project_file_at_all_is_told(file: str, text: str, message: str) -> None:
    """Where no line of it is to blame."""
    with pytest.raises(InputError, match=message):
        _read(text, file=file)


@pytest.mark.parametrize("text", ["outputs = 3\n", 'outputs = "a\\u0000b"\n', "outputs = ' '\n"])
def test_a_folder_of_runs_that_is_none_is_refused_by_whoever_looks_there(text: str) -> None:
    """Commands that take no scenarios too: they would look for runs elsewhere."""
    Path("claude-run.toml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="`outputs` must be the path of a folder"):
        outputs()


def test_keys_are_found_past_whatever_stands_around_them() -> None:
    """Arrays of tables of others, quoted keys, blanks around dots, comments behind values."""
    strings = '[tool.c]\nx = """\n[tool.claude-run]\nrepeat = 5\n"""\n'
    ours = "[ tool . 'claude-run' ]\n'repeat' = 0 # once\n"
    text = f"{strings}[[tool.b]]\nrepeat = 1\n{ours}[[tool.a]]\nrepeat = 1\n"
    with pytest.raises(InvalidScenarioError) as caught:
        _read(text, file="pyproject.toml")
    (problem,) = caught.value.diagnostics
    assert str(problem.position) == "pyproject.toml:9:12"
    assert problem.window is not None
    assert problem.window.length == 1


def test_the_gate_has_a_table_of_its_own() -> None:
    """What the command line says stands before it, number by number."""
    gate = _read("[gate]\nalpha = 0.01\nconfirm = 3\non_unclear = 'warn'\nmax_cost_increase = 1.5\n").gate
    assert (gate.alpha, gate.confirm, gate.on_unclear, gate.max_cost_increase) == (0.01, 3, "warn", 1.5)
    project = find_project_file(["scenarios/deep/a.yaml"])
    assert project is not None
    assert build(RunRequest, {"confirm": "5"}, defaults(project, RunRequest)).gate.confirm == 5


def test_runs_land_where_the_file_says() -> None:
    """Seen from wherever the command is typed; without a word of it in `outputs/` beside the file."""
    Path("claude-run.toml").write_text("outputs = 'build/runs'\n", encoding="utf-8")
    assert outputs() == Path("build/runs")
    Path("claude-run.toml").write_text("repeat = 2\n", encoding="utf-8")
    assert outputs() == Path("outputs")
    Path("claude-run.toml").unlink()
    Path("pyproject.toml").write_text("[tool.claude-run]\noutputs = 'x'\n", encoding="utf-8")
    assert outputs() == Path("x")


@pytest.mark.parametrize(
    "paths", [["scenarios"], ["."], ["**/*.yaml"], ["scenarios/deep/b.yaml", "scenarios/a.yaml"]]
)
def test_scenarios_of_two_projects_have_no_common_defaults(paths: list[str]) -> None:
    """Which of them should hold is not for us to guess, however the scenarios were named."""
    for folder in ("scenarios", "scenarios/deep"):
        Path(folder, "claude-run.toml").write_text("repeat = 2\n", encoding="utf-8")
    for name in ("scenarios/a.yaml", "scenarios/deep/b.yaml"):
        Path(name).write_text("turns: []\n", encoding="utf-8")
    with pytest.raises(InputError, match="belong to several projects, scenarios/"):
        find_project_file(paths)
    Path("scenarios/claude-run.toml").unlink()
    with pytest.raises(InputError, match=r"a\.yaml to none"):
        find_project_file(paths)


@pytest.mark.parametrize("path", ["scenarios", ".", "**/*.yaml", "scenarios/deep/b.yaml"])
def test_the_scenarios_that_are_found_decide(path: str) -> None:
    """A file below the folder that was named holds; YAML files of others say nothing."""
    Path("scenarios/deep/claude-run.toml").write_text("repeat = 2\n", encoding="utf-8")
    Path("scenarios/deep/b.yaml").write_text("turns: []\n", encoding="utf-8")
    Path("compose.yaml").write_text("services: {}\n", encoding="utf-8")
    found = find_project_file([path])
    assert found is not None
    assert found.source.path == "scenarios/deep/claude-run.toml"


def test_a_link_to_nothing_is_told() -> None:
    """Somebody meant a file to be there."""
    Path("claude-run.toml").symlink_to("gone.toml")
    with pytest.raises(InputError, match=r"claude-run\.toml is a link to nothing"):
        find_project_file(["scenarios/deep/a.yaml"])


def test_every_key_is_an_option_that_the_run_keeps() -> None:
    """So that a resume needs no project file."""
    declared = [each for each in options_of(RunRequest) if each.project]
    assert {key_of(each) for each in declared} >= {
        "alpha",
        "checks",
        "repeat",
        "concurrency",
        "max_cost",
        "allow_model",
    }
    assert all(each.saved for each in declared)
