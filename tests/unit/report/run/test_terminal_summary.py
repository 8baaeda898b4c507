"""The closing block of a run."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.conversation.results import Outcome
from claude_run.errors import ExitCode
from claude_run.record.summary import Ending
from claude_run.report.run.facts import RunFacts
from claude_run.report.run.terminal_summary import SHOWN, print_summary
from tests.unit.report.builders import (
    HAIKU,
    Tty,
    check,
    exchange,
    failed,
    green_run,
    never_started,
    passed,
    play,
    record,
    rich_run,
    transcript,
    turn,
)

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from claude_run.conversation.transcript import Transcript
    from claude_run.record.derive import Played


def closing(played: Played, **options: Any) -> str:
    """Return what is printed."""
    stream = io.StringIO()
    folder = Path("outputs/2026-11-23T07-00-00Z-refund")
    print_summary(played, RunFacts.of(played), folder=folder, stream=stream, **options)
    return stream.getvalue()


def simple(number: int, message: str, *, line: int = 12) -> Transcript:
    """Build a conversation that failed for one reason."""
    bad = check("failed", message)
    bad = replace(bad, position=replace(bad.position, line=line))
    return transcript(
        turn(1, exchanges=(exchange(),), checks=(bad,)),
        conversation_id=f"refund/{number}",
        outcome=Outcome.FAILED,
    )


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
    told = closing(play([record(failed())]), quiet=True)
    assert "FAIL   turn 1, contains: the reply does not contain '30 days'\n" in told
    assert "tokens in" not in told


def test_one_cause_is_told_once() -> None:
    """An expectation that many replies do not meet is told with the first of them, and names the others."""
    rows = [
        record(simple(number, f"expected the reply to contain a word; it begins {number}"))
        for number in range(10)
    ]
    told = closing(play(rows)).split("\n")
    assert told[0] == "FAIL   turn 1, contains: expected the reply to contain a word; it begins 0"
    assert (
        told[2]
        == "         in 10 conversations: refund/0, refund/1, refund/2, refund/3, refund/4, refund/5, 4 more"
    )
    assert closing(play(rows)).count("expected the reply") == 1


def test_errors_that_differ_in_numbers_are_one_cause() -> None:
    """What could not be measured for the same reason is told once, whatever it counted on the way."""
    rows = [
        record(
            transcript(
                turn(1, "Hi."),
                conversation_id=f"refund/{number}",
                outcome=Outcome.ERRORED,
                error=f"no reply within {600 + number} s",
                error_turn=0,
            )
        )
        for number in range(3)
    ]
    told = closing(play(rows)).split("\n")
    assert told[0] == "ERROR  turn 1: no reply within 600 s"
    assert told[2] == "         in 3 conversations: refund/0, refund/1, refund/2"


def test_errors_that_name_their_conversation_are_one_cause() -> None:
    """A recording that lacks many conversations is one thing to mend."""
    rows = [
        record(
            transcript(
                conversation_id=f"refund/{name}",
                outcome=Outcome.ERRORED,
                error=f"not recorded: the recording has no conversation refund/{name}",
                error_turn=0,
            )
        )
        for name in ("sofa", "lamp", "bike")
    ]
    told = closing(play(rows))
    assert told.count("ERROR ") == 1
    assert "         in 3 conversations: refund/sofa, refund/lamp, refund/bike\n" in told


def test_what_stopped_a_run_stands_before_what_it_left_out() -> None:
    """The reason is told once, those that were not played are one line, and the last line counts them."""
    reason = "401 authentication_error: invalid x-api-key"
    ending = Ending(stop=ExitCode.NOT_MEASURED, reason=reason, at="x", duration_s=1.0)
    rows = [never_started(f"refund/{number}") for number in range(30)]
    told = closing(play(rows, ending=ending))
    first, second, third, *_, last, _ = told.split("\n")
    assert first == f"STOP   {reason}"
    assert second.startswith("SKIP   30 conversations: refund/0, refund/1, ")
    assert third == ""
    assert last == "NOT MEASURED (exit code 3): 30 of 30 conversations not played to the end"
    assert told.count(reason) == 1


def test_what_was_expected_is_not_said_twice() -> None:
    """Where the message holds it already, it is not repeated below; what the message cuts is."""
    bad = check("failed", "expected 'a', got a long reply", expected="a", actual="b " * 50)
    row = transcript(turn(1, exchanges=(exchange(),), checks=(bad,)), outcome=Outcome.FAILED)
    told = closing(play([record(row)]))
    assert "expected | " not in told
    assert "actual   | b b b" in told


def test_a_table_is_for_several_models() -> None:
    """Of one model it would repeat the lines below it."""
    other = passed(model_label="other", conversation_id="a")
    assert "model  " not in closing(play([record(passed())]))
    assert closing(play([record(passed()), record(other)])).startswith("model  ")


def test_the_reason_is_the_last_line() -> None:
    """Whatever else is printed, the last line says why the exit code is what it is."""
    for options in ({}, {"quiet": True}, {"verbose": 2}):
        last = closing(rich_run(), **options).split("\n")[-2]
        assert last == "NOT MEASURED (exit code 3): 2 conversations could not be measured"


def test_a_flood_of_failures_is_cut() -> None:
    """So many are printed, the rest is counted; -vv prints them all."""
    rows = [record(simple(number, "no", line=number)) for number in range(SHOWN + 2)]
    assert closing(play(rows)).count("FAIL   ") == SHOWN
    assert "2 more causes: see transcripts.md, or pass -vv\n\n" in closing(play(rows))
    assert closing(play(rows), verbose=1).count("FAIL   ") == SHOWN
    assert "2 more conversations: see transcripts.md, or pass -vv\n\n" in closing(play(rows), verbose=1)
    assert closing(play(rows), verbose=2).count("FAIL   ") == SHOWN + 2


def test_a_long_reply_is_cut_unless_asked_for() -> None:
    """One -v shows the beginning of a reply, two show all of it, none shows none."""
    long = turn(1, exchanges=(exchange("word " * 1000),), checks=(check("failed", "no"),))
    bad = transcript(long, outcome=Outcome.FAILED)
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


@pytest.mark.parametrize("width", [80, 60, 40])
def test_the_table_of_models_fits_a_terminal(
    width: int, snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns that are zero for all models go first, then tokens; a long name stands above its numbers."""
    monkeypatch.setenv("COLUMNS", str(width))
    models = [HAIKU, "claude-opus-5-5-with-a-long-context"]
    rows = [
        record(failed(conversation_id=f"refund/{model}", model=model, model_label=model)) for model in models
    ]
    stream = Tty()
    played = play([*rows, record(passed())])
    print_summary(played, RunFacts.of(played), folder=Path("outputs/run"), stream=stream)
    lines = stream.getvalue().split("\n")
    assert max(map(len, lines)) <= width
    table = next(number for number, line in enumerate(lines) if "passed  failed" in line)
    assert lines[table : lines.index("", table)] == snapshot
