"""`foo.yaml:12`: which cases a line names, and what is said where it names nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from claude_run.scenario.at_line import picks_lines, split_line
from claude_run.scenario.diagnostics import InvalidScenarioError
from claude_run.scenario.loader import load
from tests.unit.scenario.loading import FakeVocabulary

if TYPE_CHECKING:
    from collections.abc import Sequence

SCENARIO = """\
vars: {item: none}
cases:
  - id: phone
    vars:
      item: |
        a phone

  # the one that people sit on
  - id: sofa
    vars: {item: a sofa}
  - {id: desk, vars: {item: a desk}}

# what is asked
turns:
  - user: May I return {{ item }}?
"""
FLOW = "cases: [\n  {id: a}, {id: b},\n  {id: c, tags: []}]\nturns: [{user: Hi}]\n"
BRACKETS = """\
cases:
  - {
      id: a,
      tags: [x
      ]
    }
  - id: b
    tags: [
      one,  # a comment
      # another, with a ]
    ]
  # of the next
  - id: c
    tags: [
    ]
turns: [{user: Hi}]
"""
ALL = ["phone", "sofa", "desk"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("foo.yaml").write_text(SCENARIO)
    Path("flow.yaml").write_text(FLOW)


def cases(*paths: str) -> list[str | None]:
    """Return the ids of the cases that paths name."""
    return [case.id for each in load(paths, vocabulary=FakeVocabulary()) for case in each.cases]


def refusal(*paths: str) -> tuple[str, str | None, int]:
    """Return the message, hint and line of the only problem of paths."""
    with pytest.raises(InvalidScenarioError) as caught:
        load(paths, vocabulary=FakeVocabulary())
    (problem,) = [group.problem for group in caught.value.problems.groups]
    return problem.message, problem.hint, problem.position.line


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (1, ALL),
        (2, ALL),
        (3, ["phone"]),
        (6, ["phone"]),
        (7, ["phone"]),
        (8, ["sofa"]),
        (10, ["sofa"]),
        (11, ["desk"]),
        (12, ALL),
        (13, ALL),
        (15, ALL),
    ],
)
def test_a_line_in_a_case_names_that_case_and_any_other_the_scenario(line: int, named: list[str]) -> None:
    """A comment between two cases belongs to the one below it; a block of text has its blank lines."""
    assert cases(f"foo.yaml:{line}") == named


@pytest.mark.parametrize(("line", "named"), [(1, "abc"), (2, "ab"), (3, "c"), (4, "abc")])
def test_cases_on_one_line_are_named_together(line: int, named: str) -> None:
    """A line says no more than that."""
    assert cases(f"flow.yaml:{line}") == list(named)


@pytest.mark.parametrize(
    ("paths", "named"),
    [
        (["foo.yaml:3:7"], ["phone"]),
        (["foo.yaml:11", "foo.yaml:3"], ["phone", "desk"]),
        (["foo.yaml:3", "foo.yaml:15"], ALL),
        (["foo.yaml:3", "foo.yaml"], ALL),
        (["foo.yaml", "foo.yaml:3"], ALL),
        (["./foo.yaml:3", "flow.yaml:3"], ["phone", "c"]),
        (["*.yaml", "foo.yaml:3"], ["a", "b", "c", *ALL]),
    ],
)
def test_lines_add_up(paths: Sequence[str], named: list[str]) -> None:
    """A column is let pass, as in the places that messages name; a whole file is more than any line of it."""
    assert cases(*paths) == named


def test_cases_of_another_file_stay_whole() -> None:
    """Their lines are not lines of the scenario."""
    Path("cases.yaml").write_text("- {id: x}\n- {id: y}\n")
    Path("far.yaml").write_text("cases: cases.yaml\nturns: [{user: Hi}]\n")
    assert cases("far.yaml:1") == ["x", "y"]
    Path("none.yaml").write_text("turns: [{user: Hi}]\n")
    assert cases("none.yaml:1") == [None]


def test_a_file_that_is_called_so_is_that_file() -> None:
    """As it always was."""
    Path("bar.yaml:3").write_text("cases: [{id: odd}]\nturns: [{user: Hi}]\n")
    assert split_line("bar.yaml:3") == ("bar.yaml:3", None)
    assert cases("bar.yaml:3") == ["odd"]
    assert not picks_lines(["foo.yaml:3"], {"foo.yaml:3": ""})
    assert picks_lines(["foo.yaml:3"], {"foo.yaml": ""})
    assert not picks_lines(["foo.yaml", "C:"], {"foo.yaml": ""})


def test_a_line_that_is_not_there_is_said_with_how_many_there_are() -> None:
    """Nothing is played in its place."""
    hint = "name one from 1 to 15, or the file alone"
    for line in (0, 16, 999_999_999):
        assert refusal(f"foo.yaml:{line}") == (
            f"line {line:,} is asked for, and the file has 15 lines",
            hint,
            15,
        )
    Path("empty.yaml").write_text("")
    assert "line 2 is asked for, and the file has 1 line\n" in str(load_error("empty.yaml:2"))


def test_a_file_that_is_not_there_or_no_scenario_is_refused_as_without_a_line() -> None:
    """The hint keeps the line."""
    assert refusal("fooo.yaml:3")[:2] == ("no such file or folder", "did you mean `foo.yaml:3`?")
    Path("folder").mkdir()
    assert refusal("folder:3")[:2] == ("no such file or folder", "a line is that of a file")
    Path("other.yaml").write_text("a: 1\nb: 2\n")
    assert "turns" in str(load_error("other.yaml:2"))


def load_error(path: str) -> InvalidScenarioError:
    """Return what loading a path is refused with."""
    with pytest.raises(InvalidScenarioError) as caught:
        load([path], vocabulary=FakeVocabulary())
    return caught.value


@pytest.mark.parametrize(
    ("line", "named"),
    [*((line, "a") for line in range(2, 7)), *((line, "b") for line in range(7, 12)), (12, "c"), (15, "c")],
)
def test_a_bracket_belongs_to_what_it_closes(line: int, named: str) -> None:
    """The line of a closing bracket is the case's own, however many it closes."""
    Path("brackets.yaml").write_text(BRACKETS)
    assert cases(f"brackets.yaml:{line}") == [named]
