"""Diagnostics as the user sees them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from claude_run.errors import InputError
from claude_run.scenario.diagnostics import (
    Diagnostic,
    InvalidScenarioError,
    Problems,
    Window,
    did_you_mean,
    render,
)
from claude_run.scenario.model import Position
from claude_run.scenario.source import Source

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion


def problem(line: int = 7, column: int = 1, message: str = "wrong", **facts: str | int) -> Diagnostic:
    """Return a diagnostic in one file."""
    position = Position(path=str(facts.pop("path", "scenarios/foo.yaml")), line=line, column=column)
    hint, source_line, length = facts.get("hint"), facts.get("source_line"), facts.get("length", 1)
    return Diagnostic(
        position=position,
        message=message,
        hint=None if hint is None else str(hint),
        window=None
        if source_line is None
        else Window.around(str(source_line), column - 1, length=int(length)),
    )


def test_a_problem_shows_its_line_a_caret_and_a_hint(snapshot: SnapshotAssertion) -> None:
    """The text has the place, the source line, a caret under the word, and the hint."""
    shown = problem(message="unknown key `turn`", hint="did you mean `turns`?", source_line="turn:", length=4)
    assert str(shown) == snapshot


def test_a_problem_without_a_line_still_shows_its_hint(snapshot: SnapshotAssertion) -> None:
    """Where there is no source line, the hint has a line of its own."""
    assert str(problem(message="no such file", hint="check the path")) == snapshot


def test_hostile_text_is_made_visible_and_the_caret_still_fits(snapshot: SnapshotAssertion) -> None:
    """Escape sequences, bidi marks and wide characters neither act nor move the caret."""
    line = "a: \x1b[31m\u202e日本\tword \u200b\x9b\ud800"
    shown = problem(
        column=line.index("word") + 1,
        path="sc\x1b]52;c\x07.yaml",
        message="bad \x1b[2J\nname",
        hint="re\u2066move",
        source_line=line,
        length=4,
    )
    assert str(shown) == snapshot


def test_a_long_line_is_cut_around_its_problem(snapshot: SnapshotAssertion) -> None:
    """Only the surroundings of the caret are shown of a very long line."""
    line = "x" * 500 + "HERE" + "y" * 500
    assert str(problem(column=501, source_line=line, length=4)) == snapshot


def test_a_caret_never_leaves_its_line() -> None:
    """A problem that spans lines underlines no more than the first of them."""
    assert str(problem(column=4, source_line="a: |", length=90)).endswith("   |    ^")


def test_problems_are_sorted_by_place_and_shown_once() -> None:
    """The error lists by path, line and column, whatever the order of finding."""
    late, early = problem(line=12, column=2), problem(line=3, column=9)
    error = InvalidScenarioError([late, early, late])
    assert error.diagnostics == (early, late)
    assert isinstance(error, InputError)
    assert str(error) == f"{early}\n   = also at 12:2"


@pytest.mark.parametrize("step", [1, -1, 7])
def test_a_flood_of_problems_is_counted(step: int) -> None:
    """The first hundred by place are shown, whatever the order of finding, and the rest is a number."""
    numbers = [(step * number) % 4001 or 4001 for number in range(1, 4001)]
    found = Problems(problem(line=line, message=f"wrong {line}") for line in numbers)
    found.extend(problem(line=line, message=f"wrong {line}") for line in numbers)
    text = str(InvalidScenarioError(found))
    assert text.endswith("\n\n... and 3,900 more")
    first = sorted(numbers)[:100]
    assert [
        int(line.rpartition(":")[0].rpartition(":")[2]) for line in text.split("\n") if "-->" in line
    ] == first


@pytest.mark.parametrize("step", [1, -1, 7])
def test_a_flood_in_the_same_words_is_one_block(step: int) -> None:
    """Its first places are listed and the rest is counted; a problem in other words is not hidden by it."""
    numbers = [(step * number) % 201 or 201 for number in range(1, 201)]
    found = Problems(problem(line=line) for line in numbers)
    found.extend([*(problem(line=line) for line in numbers), problem(line=300, message="another")])
    first, second = str(InvalidScenarioError(found)).split("\n\n")
    assert first.split("\n")[1] == "  --> scenarios/foo.yaml:1:1"
    places = ", ".join(f"{line}:1" for line in sorted(numbers)[1:6])
    assert first.split("\n")[-1] == f"   = also at {places} and 194 more places"
    assert second.startswith("error: another\n")


def test_the_same_words_in_another_file_are_the_same_problem() -> None:
    """The place names the file where it is another than before."""
    found = Problems(problem(path=path, line=line) for path in ("a.yaml", "b.yaml") for line in (1, 2))
    assert str(InvalidScenarioError(found)).split("\n")[-1] == "   = also at 2:1, b.yaml:1:1, 2:1"


def test_another_hint_is_another_block() -> None:
    """What is to be done differs, so that it must be read."""
    found = Problems([problem(line=1, hint="a"), problem(line=2, hint="b"), problem(line=3, hint="a")])
    first, second = str(InvalidScenarioError(found)).split("\n\n")
    assert first.endswith("= also at 3:1")
    assert second.endswith("= b")


def test_only_what_may_be_shown_is_made() -> None:
    """A problem behind the first hundred costs neither its hint nor its window."""
    made: list[int] = []

    def made_at(line: int) -> Diagnostic:
        made.append(line)
        return problem(line=line)

    found = Problems()
    for line in range(1, 5001):
        found.add(Position(path="a.yaml", line=line, column=1), "wrong", partial(made_at, line))
    assert len(found) == 5000
    assert len(made) < 300


def test_two_collections_become_one() -> None:
    """What both have found counts once, also where it is not shown."""
    one, other = Problems(), Problems()
    one.extend(problem(line=line, message=f"{line}") for line in range(1, 301))
    other.extend(problem(line=line, message=f"{line}") for line in range(201, 501))
    one.merge(other)
    assert len(one) == 500
    assert [each.position.line for each in one.shown] == list(range(1, 101))
    other.merge(one)
    assert len(other) == 500
    assert [each.position.line for each in other.shown] == list(range(1, 101))


def test_the_same_words_of_two_collections_become_one_block() -> None:
    """What both have found counts once."""
    one, other = Problems(), Problems()
    one.extend(problem(line=line) for line in range(11, 31))
    other.extend(problem(line=line) for line in range(1, 21))
    one.merge(other)
    assert len(one) == 30
    text = str(InvalidScenarioError(one))
    assert text.endswith("= also at 2:1, 3:1, 4:1, 5:1, 6:1 and 24 more places")


def test_a_problem_keeps_no_more_of_its_line_than_is_shown() -> None:
    """A window of a line of a mebibyte is small, wherever its problem stands and however long that is."""
    source = Source("a.yaml", "x" * 500_000 + "\n" + "y" * 500_000)
    for column in (1, 250_000, 500_000):
        found = source.problem(Position(path="a.yaml", line=1, column=column), "wrong", length=400_000)
        assert found.window is not None
        assert len(found.window.text) <= 100
        assert set(found.window.text) == {"x"}


def test_warnings_have_the_same_shape() -> None:
    """A warning differs from an error by its first word."""
    assert render(Problems([problem()]), severity="warning").startswith(
        "warning: wrong\n  --> scenarios/foo.yaml:7:1"
    )


@pytest.mark.parametrize(
    ("word", "meant"), [("turn", "turns"), ("EXPECT", "expect"), ("zzz", None), ("", None)]
)
def test_a_slip_finds_the_word_that_was_meant(word: str, meant: str | None) -> None:
    """Only close words are suggested."""
    assert did_you_mean(word, ["turns", "expect", "tags"]) == meant


def test_a_word_longer_than_any_name_is_a_slip_of_none() -> None:
    """A key of a mebibyte is not compared letter by letter."""
    assert did_you_mean("turns" + "s" * 2**20, ["turns"]) is None
