"""Progress while a run is played."""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from claude_run.report.run.progress import LineProgress
from tests.unit.report.builders import HAIKU, Spent, failed, passed, rich_run

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from claude_run.play.ports import Progress


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def noon() -> datetime:
    """Return the time of day at which all stands still."""
    return datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def test_one_line_per_conversation(snapshot: SnapshotAssertion) -> None:
    """A log has a plain line per finished conversation where it is asked for."""
    stream = io.StringIO()
    progress: Progress = LineProgress(stream, each=True, clock=Hands(), now=noon)
    played = rich_run()
    progress.begin({"haiku": len(played.records)}, Spent())
    progress.in_flight(2)
    progress.waiting("claude-haiku-5-5", 4.0, "429 rate_limit_error: too many requests")
    for record in played.records:
        if record.transcript:
            progress.finished(record.transcript)
    progress.end()
    assert stream.getvalue() == snapshot
    assert "\x1b" not in stream.getvalue()


def test_a_log_line_is_never_broken() -> None:
    """However long a line is, it stays one line, for whoever greps it."""
    stream = io.StringIO()
    LineProgress(stream, each=True).finished(passed(conversation_id="x" * 3000))
    assert stream.getvalue().startswith("PASS   " + "x" * 3000 + "  2 replies")
    assert stream.getvalue().count("\n") == 1


def test_colour_is_for_the_first_word() -> None:
    """Forced colour paints the outcome, and nothing that others wrote."""
    stream = io.StringIO()
    LineProgress(stream, each=True, colour=True).finished(failed())
    assert stream.getvalue().startswith("\x1b[31mFAIL   \x1b[0mrefund/sofa")
    assert stream.getvalue().count("\x1b") == 2


def test_rich_markup_of_others_is_text() -> None:
    """Square brackets in a name are neither markup nor an error."""
    stream = io.StringIO()
    LineProgress(stream, each=True).finished(passed(conversation_id="[/] [bold]x[/bold] :smile:"))
    assert "[/] [bold]x[/bold] :smile:" in stream.getvalue()


def test_a_sign_of_life_every_thirty_seconds() -> None:
    """A log says every 30 seconds how far the run is, also when nothing finishes."""
    stream, clock = io.StringIO(), Hands()
    progress = LineProgress(stream, clock=clock)
    progress.begin({HAIKU: 3}, Spent(paid_usd=Decimal("0.0017")))
    progress.finished(passed())
    progress.in_flight(2)
    for clock.now in (1029.9, 1030.0, 1045.0, 1060.0):
        progress.tick()
    progress.end()
    beats = [line for line in stream.getvalue().split("\n") if line.startswith("...")]
    assert beats == [
        f"...    1/3 done  1 passed  0 failed  0 errored  2 in flight  2,432 in / 62 out  $0.0017  {elapsed}"
        for elapsed in ("30.0 s", "1 min 0 s")
    ]


def test_the_sign_of_life_comes_by_itself() -> None:
    """Nobody has to call for it, and it stops with the run."""
    stream = io.StringIO()
    progress = LineProgress(stream, heartbeat_s=0.01)
    progress.begin({HAIKU: 1}, Spent())
    deadline = time.monotonic() + 5
    while "..." not in stream.getvalue() and time.monotonic() < deadline:
        time.sleep(0.005)
    progress.end()
    told = stream.getvalue()
    assert "...    0/1 done" in told
    time.sleep(0.05)
    assert stream.getvalue() == told


def test_ending_what_never_began() -> None:
    """A run that fails before its first conversation can still be ended."""
    LineProgress(io.StringIO()).end()


def test_waits_that_fall_into_another_are_not_repeated() -> None:
    """Fifty conversations that wait for the same model are one line, until the wait is over."""
    stream, clock = io.StringIO(), Hands()
    progress = LineProgress(stream, clock=clock, now=noon)
    for _ in range(50):
        progress.waiting("haiku", 4.0, "429")
    progress.waiting("opus", 1.0, "529")
    clock.now += 4.0
    progress.waiting("haiku", 8.0, "429")
    assert stream.getvalue() == (
        "WAIT   haiku  4.0 s, until 12:00:04 UTC  429\n"
        "WAIT   opus  1.0 s, until 12:00:01 UTC  529\n"
        "WAIT   haiku  8.0 s, until 12:00:08 UTC  429\n"
    )


def test_a_wait_of_days_has_no_time_of_day() -> None:
    """Nor may one that no calendar holds be an error."""
    stream = io.StringIO()
    LineProgress(stream, now=noon).waiting("haiku", 1e12, "429")
    assert stream.getvalue() == "WAIT   haiku  277777777 h 46 min  429\n"


def test_an_outage_is_a_line_at_its_begin_and_at_its_end() -> None:
    """Between them each wait for the next try has its line; the name and the reason are made harmless."""
    stream, clock = io.StringIO(), Hands()
    progress = LineProgress(stream, clock=clock, now=noon)
    progress.outage("haiku", 3.0, "529 \x1b[31m")
    progress.waiting("haiku", 2.0, "529")
    clock.now += 2.0
    progress.outage("haiku", 5.0, "529")
    progress.waiting("haiku", 30.0, "529")
    clock.now += 10.0
    progress.resumed("haiku")
    progress.waiting("haiku", 1.0, "429")
    progress.resumed("haiku")
    assert stream.getvalue() == (
        "OUTAGE haiku  no reply for 3.0 s, one request at a time is tried: 529 ^[[31m\n"
        "WAIT   haiku  2.0 s, until 12:00:02 UTC  529\n"
        "WAIT   haiku  30.0 s, until 12:00:30 UTC  529\n"
        "BACK   haiku  replies again, after 15.0 s\n"
        "WAIT   haiku  1.0 s, until 12:00:01 UTC  429\n"
    )


def test_failures_are_left_to_the_end() -> None:
    """Neither a log nor a terminal is told twice why a conversation did not pass."""
    stream = io.StringIO()
    LineProgress(stream).finished(failed())
    assert stream.getvalue() == ""
