"""Options of the calls are those of the command line: none is missing, and each is read as its flag."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from claude_run.errors import InputError
from claude_run.library.options import CompareOptions, RunOptions, read, run_request
from claude_run.session.options import options_of
from claude_run.session.request import BESIDE, CompareRequest, RunRequest


@pytest.mark.parametrize(("typed", "declared"), [(RunOptions, RunRequest), (CompareOptions, CompareRequest)])
def test_every_flag_has_a_typed_option(typed: Any, declared: type) -> None:
    """In the order in which they are declared, so that neither list can grow alone."""
    flags = [each.name for each in options_of(declared) if each.flags and not each.project_only]
    assert list(typed.__annotations__) == flags


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"models": ("a", "b")}, {"models": ("a", "b")}),
        ({"models": "a"}, {"models": ("a",)}),
        ({"tags": {"y", "x"}}, {"tags": ("x", "y")}),
        ({"repeat": 3}, {"repeat": 3}),
        ({"max_cost": 2.5}, {"max_cost": Decimal("2.5")}),
        ({"max_cost": Decimal("0.10")}, {"max_cost": Decimal("0.1")}),
        ({"overrides": {"name": "a=b", "other": ""}}, {"overrides": {"name": "a=b", "other": ""}}),
        ({"attempt_s": "2m"}, {"attempt_s": 120.0}),
        ({"attempt_s": 1.5}, {"attempt_s": 1.5}),
        ({"out": Path("runs") / "a"}, {"out": Path("runs/a")}),
        ({"own_checks": [Path("a.py"), "b.py"]}, {"own_checks": (Path("a.py"), Path("b.py"))}),
        ({"allowed_models": {"a": ["b", "c"], "d": "e"}}, {"allowed_models": {"a": {"b", "c"}, "d": {"e"}}}),
        ({"baseline": True}, {"baseline": BESIDE}),
        ({"baseline": Path("a.json")}, {"baseline": Path("a.json")}),
        ({"simulate": True, "faults": "429@1"}, {"simulate": True, "faults": "429@1"}),
    ],
)
def test_values_of_python_are_read_as_their_flags(given: dict[str, Any], meant: dict[str, Any]) -> None:
    """Numbers, paths and collections need not be texts."""
    request = run_request(["a.yaml"], given)
    assert {name: getattr(request, name) for name in meant} == meant
    assert request.paths == ("a.yaml",)


@pytest.mark.parametrize("name", list(RunOptions.__annotations__))
def test_none_is_not_given(name: str) -> None:
    """So that a program may hand on what it has not got."""
    assert run_request(["a.yaml"], {name: None}) == run_request(["a.yaml"], {})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"timeout": 3}, "there is no option 'timeout': did you mean `attempt_s`?"),
        ({"modles": ["a"]}, "there is no option 'modles': did you mean `models`?"),
        ({"repeat": "many"}, "repeat must be a whole number, not 'many'"),
        ({"repeat": True}, "repeat must be a whole number, not True"),
        ({"repeat": 0}, "repeat 0: write a whole number from 1 in plain digits, such as 1"),
        ({"simulate": 1}, "simulate must be true or false, not 1"),
        ({"models": [1]}, "models must be a list of texts, not [1]"),
        ({"overrides": {"a": 1}}, "overrides must be a table of texts, not {'a': 1}"),
        ({"faults": 3}, "faults must be a text, not 3"),
        (
            {"max_cost": -1},
            "max_cost -1: write an amount of US dollars above 0 in plain digits, such as 2.50",
        ),
        ({"max_time_s": "soon"}, "max_time_s soon: this is not a length of time; write 90s, 10m or 1h"),
        ({"provider": ["a"]}, "provider must be one of "),
        ({"alpha": 0.1}, "there is no option 'alpha': "),
        ({"faults": "429@1"}, "--faults is for the simulator: add --simulate"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], said: str) -> None:
    """By the name that was given, with what it takes."""
    with pytest.raises(InputError) as refused:
        run_request(["a.yaml"], given)
    assert str(refused.value).startswith(said)


def test_no_path_is_refused() -> None:
    """As on the command line."""
    with pytest.raises(InputError, match="no PATH"):
        run_request([], {})


def test_a_project_file_gives_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does for the command line, and what is given wins."""
    (tmp_path / "claude-run.toml").write_text("repeat = 4\nconcurrency = 7\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    request = run_request(["a.yaml"], {"repeat": 2})
    assert (request.repeat, request.concurrency) == (2, 7)


def test_options_of_a_comparison_are_read() -> None:
    """They are declared in the same way."""
    assert read(CompareRequest, {"alpha": 0.01, "on_inconclusive": "fail"}) == {
        "alpha": "0.01",
        "on_inconclusive": "fail",
    }
    with pytest.raises(InputError, match="on_inconclusive maybe: choose fail or warn"):
        read(CompareRequest, {"on_inconclusive": "maybe"})
