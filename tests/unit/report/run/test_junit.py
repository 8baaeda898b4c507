"""JUnit XML: golden, and read back by two readers whatever the texts in it say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped

from claude_run.conversation.results import Outcome
from claude_run.errors import ExitCode
from claude_run.record.summary import Ending
from claude_run.report.run.junit import junit_xml
from tests.support.hostile_corpus import CORPUS
from tests.unit.report.builders import (
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

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from claude_run.conversation.transcript import Transcript
    from claude_run.record.derive import Played


def parsed(played: Played) -> Any:
    """Read the XML back by ElementTree."""
    return ET.fromstring(as_text(junit_xml, played).encode())  # noqa: S314 - our own file, read back


def results(played: Played) -> list[tuple[str, list[Any]]]:
    """Read the XML back by junitparser: the name of each test, and its results."""
    return [
        (case.name, list(case.result))
        for suite in JUnitXml.fromstring(as_text(junit_xml, played).encode())
        for case in suite
    ]


def properties(played: Played) -> dict[str, str]:
    """Return the properties of the first suite."""
    return {one.get("name"): one.get("value") for one in parsed(played).find("testsuite/properties")}


def broken(message: str, *, line: int, status: str = "failed") -> Transcript:
    """Build a conversation with a passed check, and one at that line that is not."""
    bad = check(status, message)
    bad = replace(bad, position=replace(bad.position, line=line))
    return transcript(turn(1, exchanges=(exchange(),), checks=(check(), bad)), outcome=failed().outcome)


def test_the_whole_file(snapshot: SnapshotAssertion) -> None:
    """Suites are files, tests are conversations, and what went wrong stands in the text of its element."""
    assert as_text(junit_xml, rich_run()) == snapshot


def test_outcomes_are_told_apart() -> None:
    """A failed check is a failure, what was not measured an error, what was not played skipped."""
    played = play([*map(record, (passed(), failed(), errored())), never_started("refund/late")])
    kinds = [[type(one) for one in found] for _, found in results(played)]
    assert kinds == [[], [Failure], [Error], [Skipped]]
    suite = JUnitXml.fromstring(as_text(junit_xml, played).encode())
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (4, 1, 1, 1)
    root = parsed(played)
    for element in (root, root.find("testsuite")):
        counts = [element.get(name) for name in ("tests", "failures", "errors", "skipped")]
        assert counts == ["4", "1", "1", "1"]


def test_a_conversation_that_was_cut_off_is_skipped() -> None:
    """The run ended in the middle of it: that is neither a failure nor an error."""
    cut = replace(passed(), outcome=Outcome.SKIPPED, error="the run ended before this conversation did")
    ((_, (result,)),) = results(play([record(cut)]))
    assert isinstance(result, Skipped)
    assert result.message == "the run ended before this conversation did"


def test_names_are_unique_over_case_variant_model_and_repeat() -> None:
    """GitLab drops the second test of a name: each part that tells conversations apart is in it."""
    parts: list[dict[str, Any]] = [
        {},
        {"case": "sofa"},
        {"variant": "v2"},
        {"model_label": "small"},
        {"repeat": 1},
        {"repeat": 2},
    ]
    names = [name for name, _ in results(play([record(passed(**part)) for part in parts]))]
    assert names == [
        "refund/phone [claude-haiku-5-5]",
        "refund/sofa [claude-haiku-5-5]",
        "refund/phone/v2 [claude-haiku-5-5]",
        "refund/phone [small]",
        "refund/phone [claude-haiku-5-5] #1",
        "refund/phone [claude-haiku-5-5] #2",
    ]


def test_names_stay_unique_when_they_are_made_safe() -> None:
    """What XML cannot hold is spelt out, and may then be what another name says already."""
    names = [
        name for name, _ in results(play([record(passed(case=case)) for case in ("\x1b", "#x1B", "\x1b")]))
    ]
    assert names == [f"refund/#x1B [claude-haiku-5-5]{end}" for end in ("", " (2)", " (3)")]


def test_the_line_is_that_of_the_first_failed_expectation() -> None:
    """A click in CI leads to the expectation that decided, to the first one, or to the file."""
    rows = [broken("no", line=31), broken("unknown", line=40, status="errored"), passed(), errored()]
    cases = parsed(play(list(map(record, rows)))).iter("testcase")
    assert [(case.get("file"), case.get("line")) for case in cases] == [
        ("scenarios/refund.yaml", "31"),
        ("scenarios/refund.yaml", "40"),
        ("scenarios/refund.yaml", "12"),
        ("scenarios/refund.yaml", None),
    ]


def test_each_file_is_a_suite() -> None:
    """Conversations of two files stand in two suites, each with its own counts."""
    played = play([record(passed()), record(failed(path="scenarios/other.yml"))])
    suites = parsed(played).findall("testsuite")
    assert [(one.get("name"), one.get("tests"), one.get("failures")) for one in suites] == [
        ("scenarios/refund.yaml", "1", "0"),
        ("scenarios/other.yml", "1", "1"),
    ]
    assert [one.get("classname") for one in parsed(played).iter("testcase")] == [
        "scenarios/refund",
        "scenarios/other",
    ]


def test_what_was_simulated_says_so() -> None:
    """In a property, and at the top, where a person looks."""
    assert properties(green_run())["simulated"] == "true"
    assert properties(rich_run())["simulated"] == "false"
    assert "made up by the local simulator" in parsed(green_run()).get("name")


def test_usage_and_cost_are_properties_of_the_suite() -> None:
    """The counts have the API's names; an unknown price is unpriced, and what judges cost stands apart."""
    found = properties(play([record(passed()), record(failed())]))
    assert (found["input_tokens"], found["cache_read_input_tokens"], found["output_tokens"]) == (
        "612",
        "3000",
        "93",
    )
    assert found["cost_usd"] == "0.00252"
    assert properties(rich_run())["cost_usd"] == "unpriced"
    assert "judge_cost_usd" not in found
    assert (
        properties(play([record(replace(passed(), judge_exchanges=(exchange(),)))]))["judge_cost_usd"]
        == "0.00084"
    )


def test_failures_within_the_pass_rate_are_skipped() -> None:
    """One of three is enough here: the report must not be red where the exit code is 0."""
    played = play(repeats(), pass_rate=0.3)
    assert played.summary.exit_code is ExitCode.PASSED
    found = [one for _, result in results(played) for one in result]
    assert [type(one) for one in found] == [Skipped, Skipped]
    assert found[0].message == "failed, and is tolerated: 1 of 3 measured passed, 30% required"
    assert "the reply does not contain '30 days'" in found[0].text


@pytest.mark.parametrize(("standing", "kind"), [("worse", Skipped), ("broke", Failure)])
def test_a_gate_decides_in_place_of_the_checks(standing: str, kind: type) -> None:
    """Held against a baseline, a failure counts only where its case is one of those that failed the run."""
    played = play([record(failed())], ending=Ending(gate=gated(standing=standing)))
    ((_, (result,)),) = results(played)
    assert isinstance(result, kind)


def test_nobody_can_pose_as_ours() -> None:
    """A reply of several lines is marked on each of them."""
    forged = "No.\nturn 1, contains: all is well"
    bad = check("failed", "no", actual=forged)
    row = transcript(turn(1, exchanges=(exchange(forged),), checks=(bad,)), outcome=failed().outcome)
    text = parsed(play([record(row)])).find(".//failure").text
    assert text.split("\n") == [
        "turn 1, contains: no",
        "  at scenarios/refund.yaml:12",
        "  actual | No.",
        "         | turn 1, contains: all is well",
        "reply 1 | No.",
        "        | turn 1, contains: all is well",
    ]


def test_long_texts_are_cut() -> None:
    """GitLab refuses files of 30 MB: a thousand failures of any length stay below."""
    row = failed()
    long = replace(row.turns[0], exchanges=(exchange("x" * 1_000_000),))
    assert len(as_text(junit_xml, play([record(replace(row, turns=(long,)))]))) < 10_000


@pytest.mark.parametrize("text", CORPUS, ids=range(len(CORPUS)))
def test_hostile_texts_are_read_back_by_both_readers(text: str) -> None:
    """Whatever the text, the file parses, and the tests are there with their results."""
    played = play([record(hostile(text)), record(errored()), never_started(text)], name=text)
    assert [[type(one) for one in found] for _, found in results(played)] == [[Failure], [Error], [Skipped]]
    assert len(list(parsed(played).iter("testcase"))) == 3


def test_a_run_of_nothing() -> None:
    """A run without conversations is a file without suites."""
    assert list(parsed(play([]))) == []
