"""Single keys of a terminal."""

from __future__ import annotations

import os
import pty
import termios
from typing import TYPE_CHECKING

import pytest

from claude_run.cli.terminal import Keys

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def terminal() -> Iterator[tuple[int, Keys]]:
    """Open a terminal: whoever types in it, and its keys."""
    mine, theirs = pty.openpty()
    keys = Keys(theirs)
    keys.forget()
    yield mine, keys
    os.close(mine)
    os.close(theirs)


def _pressed(keys: Keys) -> str:
    """Return all keys, to the one that ends."""
    found = ""
    while not found.endswith("!"):
        found += keys.pressed(None)
    return found


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("Af\x04!", "afq!"),
        ("\x1b[A\x1bOP\x1b[1;5C\x1b[3~!", "!"),
        ("\x1b[200~abc\x1b[A\x1b[201~x!", "x!"),
        # What is read at once ends in the middle of an arrow.
        ("x" * 1023 + "\x1b[A!", "x" * 1023 + "!"),
        ("x" * 1020 + "\x1b[200~abc\x1b[201~!", "x" * 1020 + "!"),
        ("x" * 1016 + "\x1b[200~abc\x1b[201~!", "x" * 1016 + "!"),
    ],
    ids=["letters", "arrows", "paste", "split arrow", "split paste", "split in a paste"],
)
def test_a_key_that_is_no_letter_and_what_is_pasted_is_no_key(
    terminal: tuple[int, Keys], typed: str, keys: str
) -> None:
    """Also where it comes in pieces."""
    mine, pressed = terminal
    os.write(mine, typed.encode())
    assert _pressed(pressed) == keys


def test_what_was_typed_before_is_forgotten(terminal: tuple[int, Keys]) -> None:
    """And what is typed is not shown."""
    mine, pressed = terminal
    os.write(mine, b"aaa")
    assert pressed.pressed(None) == "a"
    pressed.forget()
    os.write(mine, b"b")
    assert pressed.pressed(None) == "b"
    assert not termios.tcgetattr(mine)[3] & termios.ECHO
