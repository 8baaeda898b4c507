"""What is said between the rounds of `--watch`."""

from __future__ import annotations

import io
from decimal import Decimal

import pytest

from claude_run.report.run.watching import HELP, print_waiting, waiting_line

_COLUMNS = 80


@pytest.mark.parametrize(
    ("files", "failed", "spent", "line"),
    [
        (3, 2, "0.0123", "watching 3 files, $0.0123 spent: f 2 failed, a all, q quit, h help"),
        (1, 0, "0", "watching 1 file, $0 spent: a all, q quit, h help"),
        (1, 0, None, "watching 1 file: a all, q quit, h help"),
    ],
)
def test_how_things_stand_is_one_line(files: int, failed: int, spent: str | None, line: str) -> None:
    """With the key for failures only where there are some, and money only where any can be spent."""
    money = None if spent is None else Decimal(spent)
    assert waiting_line(files=files, failed=failed, spent_usd=money) == line


def test_the_longest_line_fits() -> None:
    """Within 80 columns, whatever the numbers are; and so does the list of keys."""
    line = waiting_line(files=9_999, failed=9_999, spent_usd=Decimal("9999.99"))
    assert max(map(len, (line, *HELP))) <= _COLUMNS


@pytest.mark.parametrize(("colour", "text"), [(True, "\x1b[2mwaiting\x1b[0m\n"), (False, "waiting\n")])
def test_it_steps_back(text: str, *, colour: bool) -> None:
    """It is dim where colour is wanted: what counts stands above it."""
    stream = io.StringIO()
    print_waiting("waiting", stream=stream, colour=colour)
    assert stream.getvalue() == text
