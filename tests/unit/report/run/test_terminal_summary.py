"""The closing block of a run."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claude_run.report.run.facts import RunFacts
from claude_run.report.run.terminal_summary import SHOWN, print_summary
from tests.unit.report.builders import (
    HAIKU,
    check,
    exchange,
    failed,
    green_run,
    passed,
    play,
    record,
    rich_run,
    transcript,
    turn,
)

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from claude_run.record.derive import Played


def closing(played: Played, **options: Any) -> str:
    """Return what is printed."""
    stream = io.StringIO()
    folder = Path("outputs/2026-11-23T07-00-00Z-refund")
    print_summary(played, RunFacts.of(played), folder=folder, stream=stream, **options)
    return stream.getvalue()


def test_the_closing_block_of_a_rich_run(snapshot: SnapshotAssertion) -> None:
    """The block is as it was when a person last looked at it."""
    assert closing(rich_run()) == snapshot


def test_the_verbose_closing_block(snapshot: SnapshotAssertion) -> None:
    """With -v the replies that failed and the warnings are shown."""
    assert closing(play([record(failed())]), verbose=1) == snapshot


def test_the_closing_block_of_a_green_run(snapshot: SnapshotAssertion) -> None:
    """Nothing went wrong: numbers, where the files are, and that nothing was paid."""
    assert closing(green_run()) == snapshot


def test_quiet_leaves_what_went_wrong_and_the_reason() -> None:
    """With -q a green run is one line."""
    assert closing(green_run(), quiet=True) == "PASSED (exit code 0): all conversations passed\n"
    assert closing(play([record(failed())]), quiet=True).startswith("FAIL   refund/sofa")


def test_the_reason_is_the_last_line() -> None:
    """Whatever else is printed, the last line says why the exit code is what it is."""
    for options in ({}, {"quiet": True}, {"verbose": 2}):
        last = closing(rich_run(), **options).split("\n")[-2]
        assert last == "NOT MEASURED (exit code 3): 2 conversations could not be measured"


def test_a_flood_of_failures_is_cut() -> None:
    """So many are printed, the rest is counted; -vv prints them all."""
    rows = [record(failed(conversation_id=f"refund/{number}/{HAIKU}")) for number in range(SHOWN + 2)]
    assert closing(play(rows)).count("FAIL   ") == SHOWN
    assert "2 more conversations with failures: see transcripts.md, or pass -vv\n\n" in closing(play(rows))
    assert closing(play(rows), verbose=2).count("FAIL   ") == SHOWN + 2


def test_a_long_reply_is_cut_unless_asked_for() -> None:
    """One -v shows the beginning of a reply, two show all of it, none shows none."""
    bad = transcript(turn(1, exchanges=(exchange("word " * 1000),), checks=(check("failed", "no"),)))
    played = play([record(bad)])
    assert "reply 1" not in closing(played)
    assert "(3,000 more characters)" in closing(played, verbose=1)
    assert "more characters" not in closing(played, verbose=2)


def test_warnings_of_what_passed_are_shown_when_asked_for() -> None:
    """A warning on a passed conversation is counted, and printed with -v."""
    played = play([record(passed(warnings=("turn 3 was cut off at max_tokens",)))])
    assert "1 warning, in transcripts.md beside the conversation\n" in closing(played)
    assert "PASS   " not in closing(played)
    assert "warning: turn 3 was cut off at max_tokens\n" in closing(played, verbose=1)


def test_columns_line_up_for_wide_letters() -> None:
    """Labels in wide scripts take two columns a letter, and the numbers still stand below each other."""
    from rich.cells import cell_len  # noqa: PLC0415 - the measure of this test alone

    wide = passed(model_label="模型", conversation_id="a")
    lines = closing(play([record(wide), record(passed())])).split("\n")
    header = next(number for number, line in enumerate(lines) if line.startswith("model "))
    assert len({cell_len(line) for line in lines[header : header + 3]}) == 1


def test_colour_marks_the_outcome_and_the_verdict() -> None:
    """Forced colour reaches the words that matter, and plain output has none."""
    assert "\x1b[31mFAIL   \x1b[0m" in closing(play([record(failed())]), colour=True)
    assert "\x1b[1;32mPASSED (exit code 0)\x1b[0m" in closing(green_run(), colour=True)
    assert "\x1b" not in closing(rich_run(), verbose=2)
