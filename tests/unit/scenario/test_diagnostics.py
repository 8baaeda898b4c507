"""Diagnostics as the user sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claude_run.errors import InputError
from claude_run.scenario.diagnostics import Diagnostic, InvalidScenarioError, did_you_mean, render
from claude_run.scenario.model import Position

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
        source_line=None if source_line is None else str(source_line),
        length=int(length),
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
    assert str(error) == f"{early}\n\n{late}"


def test_a_flood_of_problems_is_counted() -> None:
    """After a hundred problems, the rest is a number."""
    error = InvalidScenarioError([problem(line=line) for line in range(1, 151)])
    assert str(error).endswith("\n\n... and 50 more")
    assert str(error).count("-->") == 100


def test_warnings_have_the_same_shape() -> None:
    """A warning differs from an error by its first word."""
    assert render([problem()], severity="warning").startswith("warning: wrong\n  --> scenarios/foo.yaml:7:1")


@pytest.mark.parametrize(
    ("word", "meant"), [("turn", "turns"), ("EXPECT", "expect"), ("zzz", None), ("", None)]
)
def test_a_slip_finds_the_word_that_was_meant(word: str, meant: str | None) -> None:
    """Only close words are suggested."""
    assert did_you_mean(word, ["turns", "expect", "tags"]) == meant
