"""The live display of a run, as a terminal of a given size shows it."""

from __future__ import annotations

import io
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from claude_run.report.run.live import LiveProgress, can_be_drawn_on
from tests.unit.play.fakes import conversation
from tests.unit.report.builders import HAIKU, Spent, errored, failed, hostile, passed, unpriced

if TYPE_CHECKING:
    from claude_run.play.ports import Progress

LONG = "a-scenario-with-a-long-name/日本語のとても長いケース名/cafe\u0301-\N{WAVING HAND SIGN}/" + "x" * 200
MINUTE_S = 60


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def rows(progress: LiveProgress, *, width: int = 80, height: int = 24) -> list[str]:
    """Return the lines that the display has."""
    return progress.display(width=width, height=height).plain.split("\n")


def at_work(clock: Hands, models: int = 3) -> LiveProgress:
    """Return the display of a run in which all happens at once, under names that are long."""
    progress = LiveProgress(Screen(), clock=clock)
    progress.begin({f"{n}-{LONG}": 10**6 for n in range(models)}, Spent(cap_usd=Decimal(10**6)))
    for number in range(20):
        progress.asking(conversation(f"{number}-{LONG}"), 1)
        progress.waiting(f"{number}-{LONG}", 5000.0, f"429 {LONG}")
        progress.finished(hostile(f"{number}-{LONG}"))
    progress.outage(f"0-{LONG}", 7000.0, f"529 {LONG}")
    progress.in_flight(20)
    clock.now += 4000.0
    return progress


def test_how_far_it_is_and_what_it_has_spent() -> None:
    """Two lines on the run as a whole: of one model there is nothing more to say."""
    clock = Hands()
    progress = LiveProgress(Screen(), clock=clock)
    progress.begin({HAIKU: 4}, Spent(paid_usd=Decimal("0.0017")))
    progress.in_flight(3)
    progress.finished(passed())
    progress.finished(replace(unpriced(), started=passed().started))
    clock.now += 4.0
    shown = rows(progress)
    progress.end()
    assert shown == [
        "━━━━━━━━━━──────────  2/4 done  2 passed  0 failed  0 errored",
        "3 in flight  4,864 in / 124 out  $0.0017 + unpriced  4 s",
    ]


def test_the_cost_against_its_cap() -> None:
    """What counts against the cap is shown: of earlier processes too, and what nobody knows at its worst."""
    progress = LiveProgress(Screen(), clock=Hands())
    cost = Spent(cap_usd=Decimal(5), paid_usd=Decimal("0.01"), spent_usd=Decimal("0.25"))
    progress.begin({HAIKU: 4}, cost)
    assert rows(progress)[-1] == "0 in flight  0 in / 0 out  $0.2500 of $5.00  0 s"
    progress.end()


def test_each_model_has_a_line_where_there_are_several() -> None:
    """Those that are done stand last, and all counts below each other."""
    progress = LiveProgress(Screen(), clock=Hands())
    progress.begin({HAIKU: 1, "opus": 2}, Spent())
    progress.finished(failed())
    assert rows(progress)[-4:-2] == [
        "opus              ────────────────────  0/2",
        "claude-haiku-5-5  ━━━━━━━━━━━━━━━━━━━━  1/1  1 failed",
    ]
    progress.end()


def test_what_is_under_way_for_longest_is_named() -> None:
    """With the turn that it is at; what has begun a moment ago, and what is over, is no news."""
    clock = Hands()
    progress = LiveProgress(Screen(), clock=clock)
    progress.begin({HAIKU: 9}, Spent())
    for name in ("over", "slow", "judged"):
        progress.asking(conversation(name), 0)
        clock.now += 30.0
    progress.asking(conversation("slow"), 1)
    progress.asking(conversation("judged"), None)
    progress.left("over/claude-haiku-5-5")
    progress.asking(conversation("new"), 0)
    clock.now += 2.0
    assert rows(progress)[:-2] == [
        "longest  slow/claude-haiku-5-5  turn 2 of 2  1 min 2 s",
        "         judged/claude-haiku-5-5  judged  32 s",
    ]
    progress.end()


def test_waits_and_outages_are_explained() -> None:
    """Who is waited for, how long and why; and what is done while a model answers nobody."""
    clock = Hands()
    progress = LiveProgress(Screen(), clock=clock)
    progress.begin({HAIKU: 1}, Spent())
    progress.waiting("haiku", 10.0, "429 \x1b[31m[/]")
    clock.now += 4.0
    waiting = rows(progress)[:-2]
    clock.now += 6.0
    over = rows(progress)[:-2]
    progress.outage("haiku", 5.0, "529 overloaded_error: Overloaded")
    tried = rows(progress)[:-2]
    progress.waiting("haiku", 20.0, "529")
    clock.now += 4.0
    down = rows(progress)[:-2]
    progress.resumed("haiku")
    back = rows(progress)[:-2]
    progress.end()
    assert waiting == ["waiting  haiku  6 s  429 ^[[31m[/]"]
    assert (over, back) == ([], [])
    assert [line.strip() for line in tried] == [
        "outage   haiku  no reply for 5 s: 529 overloaded_error: Overloaded",
        "one request at a time is tried",
    ]
    assert down == [
        "outage   haiku  no reply for 9 s: 529 overloaded_error: Overloaded",
        "         one request at a time is tried, the next in 16 s",
    ]


def test_the_last_failures_are_shown_with_their_reasons() -> None:
    """On one line where it has room for both, the newest at the end; so a run can be stopped early."""
    progress = LiveProgress(Screen(), clock=Hands())
    progress.begin({HAIKU: 9}, Spent())
    for transcript in (errored(), failed(), failed(conversation_id="[/]\u202e"), passed()):
        progress.finished(transcript)
    wide, narrow = (rows(progress, width=width)[:-2] for width in (200, 80))
    least = rows(progress, height=8)[:-2]
    progress.end()
    assert wide[0].startswith("ERROR    refund/train/claude-haiku-5-5  turn 2: 529 overloaded_error: ")
    assert [line for line in narrow if not line.startswith(" ")][:2] == [
        "ERROR    refund/train/claude-haiku-5-5",
        "FAIL     refund/sofa/claude-haiku-5-5",
    ]
    assert narrow[3] == "         turn 1, contains: the reply does not contain '30 days' …"
    assert "<U+202E>" in wide[2]
    assert least == narrow[4:6]


def test_failures_beyond_the_last_few_are_left_to_the_end() -> None:
    """However many there are, the display does not grow."""
    progress = LiveProgress(Screen(), clock=Hands())
    progress.begin({HAIKU: 1000}, Spent())
    for number in range(500):
        progress.finished(failed(conversation_id=f"c{number}"))
    shown = rows(progress)
    progress.end()
    assert [line.split()[1] for line in shown[:-2:2]] == ["c497", "c498", "c499"]


@pytest.mark.parametrize("width", [20, 40, 80, 140, 300])
@pytest.mark.parametrize("height", [2, 5, 10, 24, 40])
def test_it_fits_every_terminal(width: int, height: int) -> None:
    """No line may wrap, or the display could not be erased; nor may one be pushed out of the screen."""
    progress = at_work(Hands(), models=50)
    shown = rows(progress, width=width, height=height)
    progress.end()
    assert 1 <= len(shown) < height
    assert max(map(cell_len, shown)) < width
    # Whoever presses Ctrl-C, perhaps twice, sees it behind the last line, not in a row of its own.
    assert cell_len(shown[-1]) + len("^C^C") < width


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 40)])
def test_everything_at_once_finds_its_room(width: int, height: int) -> None:
    """Each kind of line is there, and what there is no room for is counted."""
    progress = at_work(Hands(), models=50)
    shown = rows(progress, width=width, height=height)
    progress.end()
    words = [line.split()[0] for line in shown]
    assert {"FAIL", "outage", "waiting", "longest"} <= set(words)
    assert [line.split()[-1] for line in shown if line.startswith("and ")] == ["waits", "models"]
    assert len(shown) == height - 1


def test_no_time_is_told_that_nobody_knows() -> None:
    """What is left is estimated by the slowest model, once enough of it is over and nothing is waited for."""
    clock = Hands()
    progress = LiveProgress(Screen(), clock=clock)
    progress.begin({HAIKU: 40, "mystery-9": 20}, Spent())

    def told() -> str:
        return rows(progress, width=140)[-1].rpartition("  ")[2]

    for _ in range(10):
        progress.finished(passed())
        progress.finished(passed(model_label="mystery-9"))
    clock.now += 9.0
    assert told() == "9 s"
    clock.now += 1.0
    assert told() == "about 30 s left"
    progress.waiting("haiku", 5.0, "429")
    assert told() == "10 s"
    progress.resumed("haiku")
    clock.now += 20 * MINUTE_S - 10.0
    assert told() == "about 1.0 h left"
    for _ in range(10):
        progress.finished(passed())
        progress.finished(passed(model_label="mystery-9"))
    assert told() == "about 20 min left"
    progress.begin({HAIKU: 1}, Spent())
    assert told() == "20 min 0 s"
    progress.end()


def test_no_time_is_told_for_a_model_that_has_hardly_begun() -> None:
    """However far the others are."""
    clock = Hands()
    progress = LiveProgress(Screen(), clock=clock)
    progress.begin({HAIKU: 40, "mystery-9": 20}, Spent())
    for _ in range(39):
        progress.finished(passed())
    clock.now += 50.0
    assert "left" not in rows(progress)[-1]
    progress.end()


def test_what_is_played_to_confirm_comes_on_top() -> None:
    """Fresh attempts are counted with those that were planned: never are more done than there are."""
    progress = LiveProgress(Screen(), clock=Hands())
    progress.begin({HAIKU: 1}, Spent())
    progress.finished(failed())
    progress.end()
    progress.begin({HAIKU: 1}, Spent())
    assert rows(progress)[-2].endswith("1/2 done  0 passed  1 failed  0 errored")
    progress.end()


def test_nothing_of_it_is_left() -> None:
    """The lines of conversations, where they are asked for, stay on the terminal; all else is erased."""
    screen = Screen()
    progress: Progress = LiveProgress(screen, each=True, clock=Hands())
    progress.begin({HAIKU: 2}, Spent())
    progress.finished(passed())
    progress.finished(errored())
    progress.end()
    text = screen.getvalue()
    assert "ERROR  refund/train/claude-haiku-5-5  " in text
    assert "\x1b[31m" not in text
    assert text.endswith("\x1b[?25h\r\x1b[1A\x1b[2K" + "\x1b[1A\x1b[2K" * 3)


def test_ending_what_never_began() -> None:
    """A run that fails before its first conversation can still be ended."""
    LiveProgress(io.StringIO()).end()


def test_a_letter_that_terminals_disagree_on_never_fills_a_line() -> None:
    """Some show a hand and the colour of its skin as one sign, some as two: a line fits all of them."""
    hands = "\N{WAVING HAND SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-4}" * 60
    progress = LiveProgress(Screen())
    progress.begin({HAIKU: 9, hands: 9}, Spent())
    progress.finished(failed(conversation_id=hands))
    progress.waiting(hands, 60.0, hands)
    for line in rows(progress):
        assert sum(map(cell_len, line)) < 80, line


def test_what_is_zero_goes_before_a_word_is_cut() -> None:
    """A number without its word says nothing."""
    progress = LiveProgress(Screen())
    progress.begin({HAIKU: 60}, Spent())
    for _ in range(8):
        progress.finished(failed())
    assert rows(progress, width=40)[-2].strip("━─ ") == "8/60 done  8 failed"


@pytest.mark.parametrize(("encoding", "drawn"), [("utf-8", True), ("latin-1", False), ("ascii", False)])
def test_only_what_can_be_said_is_drawn(encoding: str, *, drawn: bool) -> None:
    """What an encoding cannot say is escaped, and takes more columns than were counted."""
    assert can_be_drawn_on(io.TextIOWrapper(io.BytesIO(), encoding=encoding)) is drawn
