"""The Markdown files of a run."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from claude_run.conversation.results import Outcome
from claude_run.errors import ExitCode
from claude_run.record.summary import Ending
from claude_run.report.run.facts import RunFacts
from claude_run.report.run.markdown import (
    IN_FULL,
    INDEXED,
    SHOWN,
    gate_part,
    said,
    said_in_short,
    summary_markdown,
    transcripts_markdown,
)
from claude_run.report.text.safe import Escaped, require_escaped
from tests.unit.report.builders import (
    HAIKU,
    as_text,
    check,
    errored,
    exchange,
    failed,
    gated,
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

    from claude_run.record.derive import Played
    from claude_run.record.records import Record


def transcripts(played: Played) -> str:
    """Return the whole of `transcripts.md`."""
    return as_text(transcripts_markdown, played)


def summary(played: Played) -> str:
    """Return the whole of `summary.md`."""
    return as_text(summary_markdown, played)


def test_transcripts_of_a_rich_run(snapshot: SnapshotAssertion) -> None:
    """The file is as it was when a person last looked at it."""
    assert transcripts(rich_run()) == snapshot


def test_summary_of_a_rich_run(snapshot: SnapshotAssertion) -> None:
    """The file is as it was when a person last looked at it."""
    assert summary(rich_run()) == snapshot


def test_summary_of_a_green_run(snapshot: SnapshotAssertion) -> None:
    """A run without failures is a few lines, and says first that it was simulated."""
    assert summary(green_run()) == snapshot


def test_simulated_is_the_first_thing_said() -> None:
    """Nobody can take made up replies for real ones."""
    notice = (
        "> **Simulated.** These replies were made up by the local simulator of claude-run; "
        "nothing was sent to Anthropic and nothing was paid.\n"
    )
    assert transcripts(green_run()).startswith(notice)
    assert summary(green_run()).startswith(notice)


def test_a_simulated_run_without_replies_says_so_too() -> None:
    """A simulated run that brought no reply is not taken for a real one."""
    played = play([never_started("refund/late")], simulated=True)
    assert summary(played).startswith("> **Simulated.** These replies were made up")


def test_partly_simulated_and_partly_replayed() -> None:
    """Where only some replies were made up or replayed, their number is said, and each section says so."""
    made_up = transcript(turn(1, exchanges=(exchange(simulated=True),)), conversation_id="a")
    again = transcript(turn(1, exchanges=(exchange(replayed=True),)), conversation_id="b")
    played = play([record(made_up), record(again), record(passed())])
    text = transcripts(played)
    assert "> **Simulated.** 1 of 3 conversations hold replies that were made up" in text
    assert "> **Replayed.** 1 of 3 conversations hold replies taken from a recording." in text
    assert "of which simulated and replayed replies were not paid" in text
    assert text.count("*Simulated: the replies were made up, nothing was paid.*") == 1
    assert text.count("*Replayed: replies were taken from a recording, with their cost of then.*") == 1


def test_a_wholly_replayed_run() -> None:
    """A replay says that nothing was sent and nothing was paid again."""
    again = transcript(turn(1, exchanges=(exchange(replayed=True),)))
    text = summary(play([record(again)]))
    assert text.startswith("> **Replayed.** These replies were taken from a recording; nothing was sent")
    assert "$0.0008, replayed: nothing was paid again" in text


def test_a_real_run_has_no_notice() -> None:
    """Real replies are not called simulated or replayed."""
    text = transcripts(rich_run())
    assert text.startswith("# Transcripts of")
    assert "Simulated" not in text
    assert "Replayed" not in text


def test_long_lists_of_the_summary_are_cut() -> None:
    """The summary shows a few conversations with what was asked and got, names more, and counts the rest."""
    rows = [record(failed(conversation_id=f"refund/{number}/{HAIKU}")) for number in range(SHOWN + 3)]
    text = summary(play(rows))
    assert text.count("✗ FAILED") == SHOWN
    assert text.count("\nAsked at turn 1:\n") == IN_FULL
    assert "- 3 more conversations: see `transcripts.md`" in text


def test_a_failure_is_shown_with_what_was_asked_expected_and_got() -> None:
    """Nobody needs another file to see why a conversation failed; a long text is cut to part of a screen."""
    long = "\n".join(f"line {number}" for number in range(100))
    bad = check("failed", "the reply does not contain '30 days'", expected="30 days", actual=long)
    row = transcript(turn(1, long, exchanges=(exchange(long),), checks=(bad,)), outcome=Outcome.FAILED)
    text = summary(play([record(passed()), record(row)]))
    told = text[text.index("## What went wrong") : text.index("## Numbers")]
    assert "(transcripts.md#c2)" in told
    assert "  - expected `30 days`" in told
    asked, got = told.split("\nGot:\n")
    assert "> line 5… (" in asked
    assert "line 6" not in asked.split("Asked at turn 1:")[1]
    assert "> line 11… (" in got
    assert "line 12" not in got


@pytest.mark.parametrize("text", ['{"a":' * 58 + "1" + "}" * 58, "[" * 900 + "]" * 900, "[[1,2],[3]]"])
def test_what_is_laid_out_is_little_longer_than_what_was_said(text: str) -> None:
    """What is nested deep would be mostly indentation: it stays as it was written."""
    assert len(said(text)) < 6 * len(text) + 100


def test_what_is_shown_in_short_is_laid_out_where_it_fits() -> None:
    """Else as much as possible of it is shown as it was written, and what is cut is counted in that."""
    assert said_in_short('{"a": 1}', characters=800, lines=12) == '> ```json\n> {\n>   "a": 1\n> }\n> ```'
    many = str(list(range(200)))
    assert said_in_short(many, characters=800, lines=12).count("\n") == 0
    assert said_in_short(many, characters=800, lines=12).endswith(f"({len(many) - 800} more characters)")
    assert "197, 198, 199" in said_in_short(many, characters=len(many), lines=12)


def test_a_case_that_broke_leads_to_its_conversation() -> None:
    """In `summary.md` of a gated run; the summary of a step lies elsewhere, and has no such links."""
    played = play([record(passed()), record(failed())], ending=Ending(gate=gated()))
    assert f"### [`refund/sofa/{HAIKU}`](transcripts.md#c2)\n" in summary(played)
    assert f"### `refund/sofa/{HAIKU}`\n" in gate_part(played).text


def test_every_link_of_the_index_leads_to_its_conversation() -> None:
    """Those that went wrong come first, and each number is that of the section with the same name."""
    text = transcripts(rich_run())
    links = re.findall(r"^- . [A-Z]+ \[(`.*`)\]\(#(c\d+)\)", text, re.MULTILINE)
    sections = re.findall(r'<a id="(c\d+)"></a>\n\n## . [A-Z]+ (`.*`)\n', text)
    assert sorted(links) == sorted((name, anchor) for anchor, name in sections)
    assert [anchor for anchor, _ in sections] == [f"c{number}" for number in range(1, 11)]
    marks = re.findall(r"^- . ([A-Z]+) \[", text, re.MULTILINE)
    assert marks == ["ERRORED"] * 2 + ["FAILED"] * 4 + ["SKIPPED"] + ["PASSED"] * 3


def test_a_long_index_names_the_first_and_counts_the_rest() -> None:
    """An index of ten thousand conversations is a screen or a few, and what failed is in it."""
    rows = [record(passed())] * INDEXED + [record(failed())]
    text = transcripts(play(rows))
    index = text[: text.index("<details>")]
    assert index.count("](#c") == INDEXED
    assert f"](#c{INDEXED + 1}): turn 1, contains" in index
    assert "- 1 more conversation below, not listed here\n" in index


def test_what_passed_is_folded_and_what_failed_is_open() -> None:
    """A reader meets what went wrong, and opens what did not."""
    text = transcripts(play([record(failed())]))
    assert "Read it" not in text
    text = transcripts(play([record(passed())]))
    assert text.index("<summary>Read it (4 turns)") < text.index("**Turn 1")
    assert text.count("<details>") == text.count("</details>")


@pytest.mark.parametrize(
    ("reply", "shown"),
    [
        ('{"a": [1, "\\u00fc"]}', '> ```json\n> {\n>   "a": [\n>     1,\n>     "ü"\n>   ]\n> }\n> ```'),
        ('{\n "a": 1.50}', '> {  \n> \u00a0"a": 1.50}'),
        ('{"a": 1, "a": 2}', '> {"a": 1, "a": 2}'),
        ("[not JSON]", "> \\[not JSON]"),
        ("[\n  1\n]", "> ```json\n> [\n>   1\n> ]\n> ```"),
        ('{"a": "%s"}' % ("z" * 9_000), '> ```json\n> {"a": "zzz'),
    ],
)
def test_json_is_laid_out_where_nothing_of_it_is_lost(reply: str, shown: str) -> None:
    """One line of JSON becomes many; a key that is there twice, or a number as it was written, stays."""
    assert said(reply).startswith(shown)


def test_missed_cases_are_cut_too() -> None:
    """Many cases below their pass rate are listed up to the same number."""
    rows = [
        record(failed(conversation_id=f"refund/{case}/{repeat}", case=str(case), repeat=repeat))
        for case in range(SHOWN + 1)
        for repeat in (1, 2)
    ]
    assert "- 1 more case: see `summary.json`" in summary(play(rows))


def test_errors_come_before_failures() -> None:
    """What could not be measured is listed first: it hides the rest."""
    text = summary(play([record(failed()), record(errored())]))
    assert text.index("! ERRORED") < text.index("✗ FAILED")


def test_a_tolerated_failure_is_named() -> None:
    """A failed repeat within the pass rate does not look like a contradiction to the verdict."""
    rows = [record(passed(repeat=1)), record(failed(repeat=2, case="phone", outcome=Outcome.FAILED))]
    text = summary(play(rows, pass_rate=0.5))
    assert text.startswith("# PASSED (exit code 0)")
    assert "- **Tolerated**: 1 failed conversation within the pass rate of the case" in text


@pytest.mark.parametrize("code", ExitCode)
def test_every_exit_code_has_words(code: ExitCode) -> None:
    """Whatever ended the run, the summary says it in words with its code."""
    text = summary(play([record(passed())], ending=Ending(stop=code, reason="because")))
    assert text.startswith("# ")
    assert f"(exit code {int(code)})\n" in text


def test_known_cost_is_shown_beside_unknown() -> None:
    """One model without a price does not hide what the others cost; all unpriced is unpriced, never zero."""
    unknown = transcript(turn(1, exchanges=(exchange(cost_usd=None),)))
    assert "at least $0.0017, some replies are unpriced" in summary(play([record(unknown), record(passed())]))
    assert "**Cost**: unpriced" in summary(play([record(unknown)]))


def test_uncertain_cost_is_shown() -> None:
    """Attempts that may have been billed are counted at their worst case."""
    lost = replace(errored(), uncertain_usd=Decimal("0.5"))
    text = transcripts(play([record(lost)]))
    assert text.count("up to $0.5000 more may have been billed") == 2


def test_a_value_that_went_through_no_filter_is_refused() -> None:
    """A template that forgets its filter fails at once, instead of printing untrusted text."""
    with pytest.raises(TypeError, match="a str that went through no escaping filter"):
        require_escaped("raw")
    assert require_escaped(Escaped("safe")) == "safe"


def test_thousands_of_conversations_stream() -> None:
    """A large run is written piece by piece, at a cost that grows as the run does."""
    rows: list[Record] = [record(transcript(turn(1, exchanges=(exchange(),))))] * 1_500
    played = play(rows[:1])
    played = replace(played, records=tuple(rows))
    begin = time.process_time()
    sizes = [len(piece) for piece in transcripts_markdown(played, RunFacts.of(played))]
    assert max(sizes) < 100_000
    assert sum(sizes) > 1_000_000
    assert time.process_time() - begin < 60
