"""One conversation in a terminal: golden, wrapped at its width, and inert."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.conversation.results import Outcome
from claude_run.report.run.show import print_conversation
from tests.unit.report.builders import (
    Tty,
    check,
    errored,
    exchange,
    failed,
    hostile,
    never_started,
    passed,
    record,
    refused,
    transcript,
    turn,
    unpriced,
)

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from claude_run.conversation.transcript import Transcript
    from claude_run.record.records import Record


def shown(found: Record, *, stream: io.StringIO | None = None, **how: Any) -> str:
    """Return what is printed of a conversation."""
    stream = stream or io.StringIO()
    print_conversation(found, stream=stream, exit_reason="the run was interrupted", **how)
    return stream.getvalue()


@pytest.mark.parametrize("made", [passed, failed, errored, refused, unpriced, hostile])
def test_a_talk(made: Any, snapshot: SnapshotAssertion) -> None:
    """It reads as it was when a person last looked at it."""
    assert shown(record(made())) == snapshot


def test_one_that_never_started_says_why() -> None:
    """There is no talk to show."""
    assert shown(never_started("refund/late")) == (
        "SKIP   refund/late\n       never started: the run was interrupted\n"
    )


def test_quiet_leaves_out_what_was_said() -> None:
    """What became of it, why, and the numbers remain."""
    text = shown(record(failed()), quiet=True)
    assert text.startswith("FAIL   refund/sofa")
    assert "turn 1, contains: the reply does not contain '30 days'" in text
    assert "I want my money back" not in text
    assert text.endswith("scenario scenarios/refund.yaml\n")


def test_a_terminal_breaks_lines_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """No row is longer than the terminal is wide, no word is cut that fits, and a pipe gets whole lines."""
    monkeypatch.setenv("COLUMNS", "60")
    words = " ".join(f"word{number}" for number in range(60))
    checks = (check("failed", words, expected=words, actual="x" * 200),)
    made = transcript(turn(1, words, exchanges=(exchange(words),), checks=checks), outcome=Outcome.FAILED)
    rows = shown(record(made), stream=Tty()).split("\n")
    talk = [row for row in rows if "word" in row or "xxx" in row]
    assert max(map(len, talk)) <= 60
    assert {word.rstrip("|") for row in talk for word in row.split() if word.startswith("word")} == {
        f"word{number}" for number in range(60)
    }
    assert f"reply     | {words}\n" in shown(record(made))


def test_what_came_is_told_from_what_the_numbers_say() -> None:
    """Each reply has its stop reason, tokens with what the cache gave, cost, time and request id."""
    text = shown(record(simulated()))
    assert "       simulated: the replies were made up, nothing was paid\n" in text
    assert (
        "            end_turn  1,216 in (1,000 from the cache) / 31 out  $0.0008  0.8 s  3 attempts  req_1\n"
        in text
    )


def simulated() -> Transcript:
    """Build a conversation that the simulator answered at the third attempt."""
    return transcript(turn(1, exchanges=(exchange(simulated=True, attempts=3),)))
