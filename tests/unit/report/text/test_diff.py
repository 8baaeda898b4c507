"""What changed between two texts: pieces, and how they are shown."""

from __future__ import annotations

import io
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.report.text.console import open_console
from claude_run.report.text.diff import (
    Added,
    Piece,
    Removed,
    Same,
    condense,
    diff_words,
    markdown_diff,
    print_pieces,
    print_reply_diff,
)
from tests.unit.report.safe_output import assert_safe

BEFORE = "You can return it within 30 days.\nWhat is the order number?"
AFTER = "You can return it within 14 whole days.\nWhat is the order number?"
_TEXTS = st.text(st.sampled_from("ab \n\t.é"), max_size=60)


def printed(before: str, after: str, *, colour: bool = False) -> str:
    """Return what a person sees of the difference."""
    stream = io.StringIO()
    print_reply_diff(before, after, stream=stream, colour=colour)
    return stream.getvalue()


@settings(max_examples=100, deadline=None)
@given(before=_TEXTS, after=_TEXTS)
def test_both_texts_can_be_read_back(before: str, after: str) -> None:
    """The pieces without what was added are the first text, without what was removed the second."""
    pieces = diff_words(before, after)
    assert "".join(piece.text for piece in pieces if not isinstance(piece, Added)) == before
    assert "".join(piece.text for piece in pieces if not isinstance(piece, Removed)) == after
    assert all(piece.text for piece in pieces)


def test_words_are_compared() -> None:
    """A changed word is a piece, and what stands around it stays."""
    assert diff_words(BEFORE, AFTER) == (
        Same(text="You can return it within "),
        Removed(text="30"),
        Added(text="14 whole"),
        Same(text=" days.\nWhat is the order number?"),
    )


def test_a_space_between_changed_words_changes_with_them() -> None:
    """Two changed words in a row are one piece; a line break between them is kept."""
    assert diff_words("one a b two", "one c d two") == (
        Same(text="one "),
        Removed(text="a b"),
        Added(text="c d"),
        Same(text=" two"),
    )
    assert Same(text="\n") in diff_words("one a\nb two", "one c\nd two")


def test_texts_with_little_in_common_are_replaced() -> None:
    """A few common words do not tear two different texts to confetti."""
    before, after = "I cannot help with a refund for it", "Sure: the whole amount, with a smile"
    assert diff_words(before, after) == (Removed(text=before), Added(text=after))


@pytest.mark.parametrize(("before", "after"), [("", ""), ("same text", "same text")])
def test_equal_texts_have_no_change(before: str, after: str) -> None:
    """Equal texts are one piece, or none."""
    assert diff_words(before, after) == ((Same(text=before),) if before else ())


def test_many_words_are_compared_by_line() -> None:
    """Above the limit of words a changed word marks its line."""
    lines = [f"{number} line of some {number} words\n" for number in range(3_000)]
    changed = [
        line.replace("some", "other") if place % 300 == 7 else line for place, line in enumerate(lines)
    ]
    removed = [
        piece.text for piece in diff_words("".join(lines), "".join(changed)) if isinstance(piece, Removed)
    ]
    assert removed == [line for place, line in enumerate(lines) if place % 300 == 7]


def test_a_text_too_long_to_compare_is_replaced() -> None:
    """Megabytes are neither compared nor torn apart."""
    before, after = "a " * 1_100_000, "b " * 1_100_000
    assert diff_words(before, after) == (Removed(text=before), Added(text=after))
    lines = ["".join(f"{prefix}{number}\n" for number in range(5_000)) for prefix in "ab"]
    assert diff_words(*lines) == (Removed(text=lines[0]), Added(text=lines[1]))


def test_a_long_difference_takes_bounded_time() -> None:
    """The worst texts of the largest size that is compared by words take well under a second."""
    before = " ".join(str(number % 7) for number in range(1_900))
    after = " ".join(str(number % 5) for number in range(1_900))
    begin = time.process_time()
    diff_words(before, after)
    assert time.process_time() - begin < 2


def test_what_is_the_same_is_cut_around_changes() -> None:
    """Long common text keeps its ends next to a change, and says how much is missing."""
    pieces = (
        Same(text="a" * 500),
        Removed(text="x"),
        Same(text="b" * 500),
        Added(text="y"),
        Same(text="c" * 9),
    )
    assert [piece.text for piece in condense(pieces, context=5, most=1_000)] == [
        "… (495 characters the same) …aaaaa",
        "x",
        "bbbbb… (490 characters the same) …bbbbb",
        "y",
        "c" * 9,
    ]


def test_a_long_change_is_cut_and_the_end_is_said() -> None:
    """Both sides of a long change are shown, and what does not fit is counted."""
    pieces: tuple[Piece, ...] = (
        Removed(text="x" * 500),
        Added(text="y" * 500),
        Same(text="z"),
        Added(text="w"),
    )
    assert [piece.text for piece in condense(pieces, context=5, most=100)] == [
        "x" * 50 + "… (450 more characters)",
        "y" * 27 + "… (473 more characters)",
        "… (2 more pieces)",
    ]


def test_marks_stand_in_for_colour() -> None:
    """Without colour the changes are marked, with it they are not."""
    assert printed(BEFORE, AFTER) == (
        "    | You can return it within [-30-]{+14 whole+} days.\n    | What is the order number?\n"
    )
    coloured = printed(BEFORE, AFTER, colour=True)
    assert "\x1b[9;31m30\x1b[0m\x1b[32m14 whole\x1b[0m days." in coloured
    assert "[-" not in coloured


def test_no_difference_is_said() -> None:
    """Equal replies print one line that says so."""
    assert printed(BEFORE, BEFORE) == "    (no difference)\n"


def test_markup_of_the_terminal_library_is_text() -> None:
    """Square brackets in a reply are shown as they are."""
    assert printed("[/] [bold]a", "[/] [bold]b") == "    | [/] [-[bold]a-]{+[bold]b+}\n"


def test_pieces_can_hold_no_commands_of_a_ci_log() -> None:
    """A command that begins after the mark of a piece is broken, also where lines begin."""
    stream = io.StringIO()
    pieces: list[Piece] = [
        Removed(text="\n::error::x"),
        Same(text="::warning::y\x1b[2J"),
        Added(text="##[error]z"),
    ]
    print_pieces(pieces, console=open_console(stream, colour=False), colour=False)
    assert_safe("log", stream.getvalue())


def test_a_markdown_difference_has_a_line_for_each_piece() -> None:
    """Each piece stands on lines of its own with its sign in front; blank lines are left out."""
    assert markdown_diff(diff_words(BEFORE, AFTER)) == (
        "```diff\n You can return it within\n-30\n+14 whole\n days.\n What is the order number?\n```"
    )


def test_a_change_of_white_space_is_named() -> None:
    """A difference that nobody can see is put in words."""
    assert markdown_diff(diff_words("one  two", "one two")) == (
        "```diff\n one\n-(white space)\n+(white space)\n two\n```"
    )


def test_a_difference_cannot_close_its_fence() -> None:
    """Backticks in a reply only make the fence longer."""
    assert markdown_diff([Added(text="```\n````")]).startswith("`````diff\n+```\n+````\n")
