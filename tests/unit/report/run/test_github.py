"""The summary of a step and the annotations: golden, within GitHub's limits, and inert."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.conversation.results import Outcome
from claude_run.errors import ExitCode, MeasureError
from claude_run.record.gated import Score
from claude_run.record.summary import Ending
from claude_run.report.run.facts import RunFacts
from claude_run.report.run.github import (
    COMMENT_LIMIT,
    LIMIT,
    error_annotations,
    failure_annotations,
    failure_comment,
    pull_request_comment,
    step_summary,
    warning_annotations,
)
from claude_run.report.run.markdown import summary_markdown
from claude_run.scenario.diagnostics import Diagnostic, InvalidScenarioError, Problems
from claude_run.scenario.model import Position
from tests.support.hostile_corpus import CORPUS
from tests.unit.report.builders import (
    HAIKU,
    as_text,
    check,
    errored,
    exchange,
    failed,
    gated,
    green_run,
    hostile,
    never_started,
    passed,
    play,
    record,
    repeats,
    rich_run,
    transcript,
    turn,
)
from tests.unit.report.safe_output import assert_safe, shape

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from claude_run.conversation.transcript import Transcript
    from claude_run.record.derive import Played


def many(passing: int, failing: int) -> Played:
    """Build a run of so many conversations of both kinds."""
    good = [record(passed(conversation_id=f"good/{number:05}/{'x' * 280}")) for number in range(passing)]
    bad = [
        record(failed(case=f"{number:05}", conversation_id=f"bad/{number:05}")) for number in range(failing)
    ]
    return play([*good, *bad])


def broken(line: int, status: str = "failed", **fields: Any) -> Transcript:
    """Build a conversation whose check on that line is not passed."""
    place = Position(path=fields.pop("path", "scenarios/a.yaml"), line=line, column=7)
    bad = replace(check(status, fields.pop("message", f"no {line}")), position=place)
    outcome = Outcome.FAILED if status == "failed" else Outcome.ERRORED
    return transcript(turn(1, exchanges=(exchange(),), checks=(bad,)), outcome=outcome, **fields)


def marked(played: Played) -> list[str]:
    """Return the annotations of a run."""
    return list(error_annotations(played, RunFacts.of(played)))


def lines(*rows: Transcript) -> list[str]:
    """Return the annotations of a run of these."""
    return marked(play(list(map(record, rows))))


def limited(played: Played, *, limit: int) -> str:
    """Return the summary in at most so many bytes."""
    return b"".join(step_summary(played, RunFacts.of(played), limit=limit)).decode()


def test_the_whole_summary(snapshot: SnapshotAssertion) -> None:
    """The verdict comes first, then numbers, what went wrong, its details, and what passed."""
    assert as_text(step_summary, rich_run()) == snapshot


def test_what_was_simulated_says_so_first() -> None:
    """Nobody takes a simulated run for a measured one."""
    shown = as_text(step_summary, green_run())
    assert shown.startswith("> **Simulated.** ")
    assert "# PASSED (exit code 0)" in shown
    assert "went wrong" not in shown


def test_what_the_gate_found_stands_before_the_numbers() -> None:
    """Which case broke, and what was asked and came, is told before anything else."""
    shown = as_text(step_summary, play([record(failed())], ending=Ending(gate=gated())))
    parts = ("# FAILED", "## REGRESSED: 1 of 1 case broke", "**asked**", "- **Outcomes**", "## What went")
    places = [shown.index(part) for part in parts]
    assert places == sorted(places)


def test_a_failure_takes_one_screen_at_most() -> None:
    """However long question, reply and the list of what failed are: the files of the run hold the rest."""
    long = "\n".join(f"line {number} {'word ' * 9}" for number in range(200))
    checks = tuple(check("failed", f"{number}: {long}", expected=long, actual=long) for number in range(9))
    rows = [turn(number, long, exchanges=(exchange(long),), checks=checks) for number in (1, 2, 3)]
    shown = as_text(step_summary, play([record(transcript(*rows, outcome=Outcome.FAILED))]))
    details = shown[shown.index("### ✗ FAILED") :]
    assert "- 24 more reasons: see `transcripts.md`\n" in details
    # Question and reply of each turn at which it went wrong, and a reason for each.
    assert details.count("> line 0 ") == 6
    assert [details.count(f"- **turn {number}, ") for number in (1, 2, 3)] == [1, 1, 1]
    assert screen(details) <= 50


def screen(details: str) -> int:
    """Return how many lines of 100 characters a text has, as a page shows them."""
    return sum(1 + len(line) // 100 for line in details.split("\n"))


@pytest.mark.parametrize(
    "reply",
    [
        json.dumps([1] * 400, separators=(",", ":")),
        "[" * 39 + ",".join(["1"] * 350) + "]" * 39,
        '{"a":' * 58 + "1" * 400 + "}" * 58,
        json.dumps([[[number]] for number in range(2_000)]),
        "x\n" * 3_000,
    ],
)
def test_what_is_laid_out_to_be_read_takes_one_screen_too(reply: str) -> None:
    """JSON has more lines than what was sent; those are counted."""
    rows = (turn(1, "Hi?", exchanges=(exchange(reply),), checks=(check("failed", "no"),)),)
    bad = transcript(*rows, case="sofa", conversation_id=f"refund/sofa/{HAIKU}", outcome=Outcome.FAILED)
    details = as_text(step_summary, play([record(bad)]))
    assert screen(details[details.index("### ✗ FAILED") :]) <= 50
    gate = gated(before=(reply,))
    shown = as_text(step_summary, play([record(bad)], ending=Ending(gate=gate)))
    case = shown[shown.index(f"### `refund/sofa/{HAIKU}`") : shown.index("<details>")]
    assert "**before**" in case
    assert screen(case) <= 50


def test_a_case_that_the_gate_shows_has_no_details_besides() -> None:
    """Nor has each of its fresh attempts; what could not be measured of it is other news."""
    attempts = [record(failed(conversation_id=f"refund/sofa/{HAIKU}/confirm-{n}")) for n in (1, 2)]
    lost = transcript(
        case="sofa", conversation_id=f"refund/sofa/{HAIKU}/2", outcome=Outcome.ERRORED, error="529", repeat=2
    )
    shown = as_text(
        step_summary, play([record(failed()), *attempts, record(lost)], ending=Ending(gate=gated()))
    )
    assert shown.count("\n| ✗ FAILED") == 3
    assert "\n### ✗ FAILED" not in shown
    assert shown.count("\n### ! ERRORED") == 1


def test_attempts_of_a_case_are_shown_by_the_first() -> None:
    """The others have their rows."""
    rows = [record(failed(conversation_id=f"refund/sofa/{HAIKU}/{n}", repeat=n)) for n in range(1, 8)]
    shown = as_text(step_summary, play(rows))
    assert shown.count("\n| ✗ FAILED") == 7
    assert shown.count("\n### ✗ FAILED") == 1


@pytest.mark.parametrize(
    ("turns", "shown", "more"), [(2, 2, ""), (3, 3, ""), (5, 3, "\n\n2 more turns: see")]
)
def test_each_turn_at_which_it_went_wrong_is_shown(turns: int, shown: int, more: str) -> None:
    """With its question and its reply, and a reason; where there are more it says how many."""
    rows = [
        turn(
            number,
            f"Question {number}?",
            exchanges=(exchange(f"Answer {number}."),),
            checks=(check("failed", "no"), check("failed", "neither")),
        )
        for number in range(1, turns + 1)
    ]
    played = play([record(transcript(*rows, outcome=Outcome.FAILED))])
    for text in (as_text(step_summary, played), as_text(summary_markdown, played)):
        for number in range(1, turns + 1):
            assert (f"> Question {number}?" in text) is (number <= shown)
            assert (f"> Answer {number}." in text) is (number <= shown)
            assert (f"- **turn {number}, contains**" in text) is (number <= shown)
        assert more in text
        assert ("more turn" in text) is bool(more)


def test_a_comment_of_many_failures_holds_replies_and_folds_them() -> None:
    """Rows without end would say nothing of what came."""
    comment = as_text(pull_request_comment, many(5, 3_000))
    assert comment.count("\n### ✗ FAILED") == 10
    assert comment.index("\n### ✗ FAILED") < comment.index("`bad/00050`")
    for title in ("What went wrong", "Details", "More that went wrong"):
        assert f"\n<details><summary>{title}</summary>\n\n" in comment
    assert comment.count("<details>") == comment.count("</details>") == 3
    assert len(comment.encode()) <= COMMENT_LIMIT
    assert_safe("folded", comment)


def test_what_stopped_a_run_is_marked_first() -> None:
    """A key that was refused has no line in a scenario, and is an annotation all the same."""
    ending = Ending(stop=ExitCode.NOT_MEASURED, reason="401: bad key", at="x", duration_s=1.0)
    assert marked(play([never_started("a/1")], ending=ending)) == [
        "::error title=NOT MEASURED (exit code 3)::401: bad key"
    ]


def test_problems_of_files_are_marked_where_they_are() -> None:
    """Those in the same words are one annotation, others have one each, up to nine and a last that counts."""
    found = Problems(
        Diagnostic(position=Position(path="a.yaml", line=line, column=3), message=message, hint="do: this")
        for line, message in [(4, "wrong"), (9, "wrong"), *((20 + n, f"other {n}x") for n in range(10))]
    )
    shown = list(failure_annotations(InvalidScenarioError(found)))
    assert len(shown) == 10
    assert shown[0] == "::error file=a.yaml,line=4,col=3,title=do%3A this::wrong (and at 1 more place)"
    assert shown[9] == "::error title=claude-run::2 more: see the log of the step"


def test_what_is_noticed_is_a_warning_and_files_are_named_from_the_root() -> None:
    """GitHub knows no other folder than that of the repository."""
    place = Position(path="../a.yaml", line=4, column=3)
    found = Problems([Diagnostic(position=place, message="odd", hint="do this")])
    assert list(warning_annotations(found, folder="suites/b")) == [
        "::warning file=suites/a.yaml,line=4,col=3,title=do this::odd"
    ]
    (mark,) = failure_annotations(InvalidScenarioError(found), folder="suites/b")
    assert mark.startswith("::error file=suites/a.yaml,line=4,")


def test_what_has_no_place_is_marked_without_one() -> None:
    """An option that does not exist, a key that is missing."""
    assert list(failure_annotations(MeasureError("no key\n::error::x"))) == [
        "::error title=claude-run::no key ::error::x"
    ]


def test_rows_that_passed_go_first() -> None:
    """A run too large for GitHub keeps what went wrong, with its details, and says what it left out."""
    shown = as_text(step_summary, many(3_000, 30))
    assert LIMIT - 1_500 < len(shown.encode()) <= LIMIT
    assert shown.count("\n| ✗ FAILED") == 30
    assert shown.count("\n### ✗ FAILED") == 30
    kept = shown.count("\n| ✓ PASSED")
    assert 0 < kept < 3_000
    assert f"**Left out** to fit what GitHub shows: {3_000 - kept:,} conversations that passed." in shown


def test_details_go_next() -> None:
    """Every failure keeps its row while there is room for rows."""
    shown = limited(many(5, 20), limit=10_000)
    assert len(shown.encode()) <= 10_000
    assert shown.count("\n| ✗ FAILED") == 20
    kept = shown.count("\n### ✗ FAILED")
    assert 0 < kept < 20
    assert f": {20 - kept} conversations in detail, 5 conversations that passed." in shown
    assert "What passed" not in shown


def test_rows_of_failures_go_last() -> None:
    """Where even those are too many, their number is told."""
    shown = limited(many(1, 40), limit=4_000)
    assert len(shown.encode()) <= 4_000
    kept = shown.count("\n| ✗ FAILED")
    assert 0 < kept < 40
    assert f": {40 - kept} conversations that went wrong, 40 conversations in detail, 1 conv" in shown


def test_nothing_is_said_to_be_missing_where_all_is_there() -> None:
    """A small run is whole."""
    assert "Left out" not in as_text(step_summary, rich_run())


@given(st.integers(3_000, 30_000))
@settings(max_examples=25, deadline=None)
def test_no_limit_is_passed(limit: int) -> None:
    """Whatever the limit, the summary stays below it and is whole Markdown."""
    shown = limited(many(20, 20), limit=limit)
    assert len(shown.encode()) <= limit
    assert_safe("document", shown)


def test_failures_within_the_pass_rate_are_no_failures() -> None:
    """They stand among what passed, and are not marked in the file."""
    played = play(repeats(), pass_rate=0.3)
    shown = as_text(step_summary, played)
    assert "What went wrong" not in shown
    assert shown.count("✗ FAILED, tolerated | `refund/desk") == 2
    assert marked(played) == []


def test_a_gate_that_holds_leaves_no_annotation() -> None:
    """Against a baseline, a failure that was there before is nobody's news."""
    gate = gated(ExitCode.PASSED, standing="same", accepted=Score(passed=0, measured=3))
    assert not marked(play([record(failed())], ending=Ending(gate=gate)))


@pytest.mark.parametrize("text", [text for text in CORPUS if text])
def test_no_text_changes_the_shape(text: str) -> None:
    """Headings, tables, lists, quotes and fences are the same whatever the texts in them say."""

    def shape_with(word: str) -> list[str]:
        played = play([record(hostile(word)), never_started(word)], name=word)
        return shape(as_text(step_summary, played))

    assert shape_with(text) == shape_with("plain")


def test_an_annotation_leads_to_the_expectation() -> None:
    """File, line and column are those of the expectation; a comma or colon cannot end a property."""
    assert lines(broken(12, path="a,b:c.yaml", message="50%: a, b\nc", conversation_id="refund/x")) == [
        "::error file=a%2Cb%3Ac.yaml,line=12,col=7,title=refund/x%3A turn 1%2C contains::50%25: a, b c"
    ]


def test_an_error_leads_to_its_file() -> None:
    """What has no expectation has no line."""
    (shown,) = lines(errored())
    place, _, message = shown.removeprefix("::").partition("::")
    assert place == "error file=scenarios/refund.yaml,title=refund/train/claude-haiku-5-5%3A turn 2"
    assert message == "529 overloaded_error: the API is overloaded after 5 attempts; try again later"


def test_one_expectation_is_marked_once() -> None:
    """Many conversations that fail at one line take one of the ten places."""
    shown = lines(*(broken(12, conversation_id=f"c{number}") for number in range(5)))
    assert len(shown) == 1
    assert shown[0].endswith("::no 12 (and in 4 more conversations)")


def test_the_worst_nine_and_how_many_more() -> None:
    """Errors come first, then what concerns most conversations; the tenth line counts the rest."""
    rows = [broken(line) for line in range(1, 21)]
    rows += [broken(15, conversation_id="again"), broken(99, "errored")]
    shown = lines(*rows)
    assert len(shown) == 10
    assert [line.split(",")[1] for line in shown[:3]] == ["line=99", "line=15", "line=1"]
    assert shown[-1] == (
        "::error title=claude-run::12 more: see the summary of the job, or transcripts.md of the run"
    )


def test_what_was_not_played_is_not_marked() -> None:
    """An interrupted run marks what it found, not what it did not come to."""
    cut = replace(passed(), outcome=Outcome.SKIPPED, error="the run ended before this conversation did")
    assert marked(play([record(cut), never_started("late")])) == []


def test_nothing_wrong_is_no_annotation() -> None:
    """A green run marks nothing."""
    assert marked(green_run()) == []


def test_a_comment_is_never_too_long() -> None:
    """However many cases broke and conversations failed, and however long what they said is."""
    long = "ä" * 3_000
    broken = [replace(gated(before=(long,)).cases[0], name=f"refund/case-{n}/{HAIKU}") for n in range(40)]
    rows = [record(failed(case=f"case-{n}", conversation_id=f"refund/case-{n}/{HAIKU}")) for n in range(40)]
    for gate in (None, replace(gated(), cases=tuple(broken))):
        comment = as_text(pull_request_comment, play(rows * 20, ending=Ending(gate=gate)))
        assert len(comment.encode()) <= COMMENT_LIMIT


def test_the_comment_of_what_came_to_nothing_is_short() -> None:
    """The verdict with its exit code, then what was wrong, cut."""
    assert failure_comment(ExitCode.USAGE, ["error: bad.yaml: ```", "  | 1"]) == (
        "# NOT STARTED (exit code 2)\n\n````text\nerror: bad.yaml: ```\n  | 1\n````\n"
    )
    long = failure_comment(ExitCode.NOT_MEASURED, ["\U0001f600" * 50_000, *["line"] * 50_000])
    assert "more characters)" in long
    assert len(long.encode()) <= COMMENT_LIMIT
    assert failure_comment(ExitCode.USAGE, ["line"] * 5_000).count("\n") <= 70


def test_fifty_thousand_failures_are_within_both_limits() -> None:
    """GitHub shows nothing at all of a summary that is a byte too long."""
    played = play([record(failed())] * 50_000)
    summary = as_text(step_summary, played)
    assert 0.9 * LIMIT < len(summary.encode()) <= LIMIT
    assert "conversations that went wrong" in summary
    assert len(as_text(pull_request_comment, played).encode()) <= COMMENT_LIMIT
