"""The verdict of a gate, read from the top: each kind as a terminal of 80 columns and as Markdown show it."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.conversation.results import Outcome
from claude_run.errors import ExitCode
from claude_run.record.gated import CostChange, Score
from claude_run.record.summary import Ending
from claude_run.report.run.facts import RunFacts
from claude_run.report.run.gate import gate_report, history
from claude_run.report.run.markdown import gate_part
from claude_run.report.run.terminal_summary import print_summary
from tests.unit.report.builders import (
    HAIKU,
    check,
    exchange,
    failed,
    gated,
    passed,
    play,
    record,
    transcript,
    turn,
)

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from claude_run.record.derive import Played
    from claude_run.record.gated import Gate

NAMES = [f"refund/case-{number:02}/claude-haiku-5-5" for number in range(1, 9)]


class _Screen(io.StringIO):
    """A terminal of 80 columns."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")


def several(gate: Gate, *standings: str, **fields: Any) -> Gate:
    """Return a gate of several cases of these standings, in order; `fields` are those of all."""
    cases = (
        replace(gate.cases[0], name=name, standing=standing, **fields)
        for name, standing in zip(NAMES, standings, strict=False)
    )
    return replace(gate, cases=tuple(cases))


def one_of_three(standing: str = "broke", **fields: Any) -> Gate:
    """Return a gate in which one case has this standing, and two others are as they were."""
    gate = gated(standing=standing, **fields)
    steady: dict[str, Any] = {
        "standing": "same",
        "now": Score(passed=3, measured=3),
        "fresh": None,
        "before": (),
    }
    others = tuple(replace(gate.cases[0], name=name, **steady) for name in NAMES[:2])
    reason = gate.reason.replace("1 of 1 case", "1 of 3 cases")
    return replace(gate, cases=(*gate.cases, *others), reason=reason)


RULE = transcript(
    turn(1, exchanges=(exchange("My password is 1234."),), checks=(check("failed", "no", must=True),)),
    outcome=failed().outcome,
)
RULE_NAME = record(RULE).planned.case_name
KINDS: dict[str, Played] = {
    "one broken": play([record(failed())], ending=Ending(gate=one_of_three())),
    "several broken": play(
        [record(failed(case=name.split("/")[1])) for name in NAMES],
        ending=Ending(
            gate=replace(
                several(gated(), *["broke"] * 8),
                reason=f"8 of 8 cases broke: {', '.join(NAMES[:3])}, ...",
            )
        ),
    ),
    "unclear": play(
        [record(failed())],
        ending=Ending(gate=replace(one_of_three("unclear", fresh=None), most_fresh=0)),
    ),
    "reworded only": play(
        [record(passed())],
        ending=Ending(
            gate=gated(
                ExitCode.PASSED, standing="same", now=Score(passed=3, measured=3), fresh=None, reworded=12
            )
        ),
    ),
    "improved": play(
        [record(passed())],
        ending=Ending(
            gate=replace(
                gated(
                    ExitCode.PASSED,
                    standing="better",
                    accepted=Score(passed=0, measured=5),
                    now=Score(passed=5, measured=5),
                    fresh=None,
                ),
                verdict="improved",
                reason="improved",
                cost=CostChange(accepted_usd=0.002, now_usd=0.001),
            )
        ),
    ),
    "must failed": play(
        [record(RULE)],
        ending=Ending(gate=gated(ExitCode.PASSED, name=RULE_NAME, standing="worse", fresh=None)),
    ),
    "edited expectations": play(
        [record(failed())],
        ending=Ending(gate=gated(standing="edited", edited="expectations", met=False, fresh=None)),
    ),
    "costs too much": play(
        [record(passed())],
        ending=Ending(
            gate=replace(
                gated(standing="same", now=Score(passed=3, measured=3), fresh=None),
                reason="it costs 50.0 % more, and 20 % are allowed",
                cost=CostChange(accepted_usd=0.002, now_usd=0.003, allowed=0.2),
            )
        ),
    ),
    "not covered": play(
        [record(failed())], ending=Ending(gate=gated(accepted=Score(passed=1, measured=1), covered=False))
    ),
}


def shown(played: Played, *, verbose: int = 0) -> str:
    """Return what a terminal of 80 columns shows at the end of a run."""
    stream = _Screen()
    print_summary(played, RunFacts.of(played), folder=Path("outputs/run"), stream=stream, verbose=verbose)
    return stream.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_terminal_shows(kind: str, snapshot: SnapshotAssertion) -> None:
    """The case, what was asked, and what to do stand in the first six lines; numbers only with -v."""
    text = shown(KINDS[kind])
    assert text == snapshot
    assert "p = " not in text


@pytest.mark.parametrize("kind", KINDS)
def test_what_markdown_shows(kind: str, snapshot: SnapshotAssertion) -> None:
    """The same words, and the numbers folded below."""
    text = gate_part(KINDS[kind]).text
    assert text == snapshot
    report = gate_report(KINDS[kind])
    assert report is not None
    assert text.split("\n")[0].replace("\\", "").startswith(f"## {report.word}: ")


@pytest.mark.parametrize("kind", KINDS)
def test_the_headline_and_the_exit_code_agree(kind: str) -> None:
    """No green word stands over a red run, and no red one over a green one."""
    played = KINDS[kind]
    report = gate_report(played)
    assert report is not None
    green = report.word in {"NO REGRESSION FOUND", "IMPROVED"}
    assert green is (played.summary.exit_code is ExitCode.PASSED)
    assert bool(report.cases) is (not green and kind != "costs too much")


def test_a_run_without_a_gate_has_no_such_report() -> None:
    """Where nothing was held against a baseline there is nothing to say of one."""
    assert gate_report(play([record(failed())])) is None
    assert gate_part(play([record(failed())])).text == ""


def test_a_case_says_where_else_it_went_wrong() -> None:
    """What is shown is of one turn; whoever mends that one should know of the others."""
    rows = [
        turn(number, exchanges=(exchange("No."),), checks=(check("failed", "no"),)) for number in (1, 2, 3)
    ]
    bad = transcript(*rows, case="sofa", outcome=Outcome.FAILED, conversation_id=f"refund/sofa/{HAIKU}")
    report = gate_report(play([record(bad)], ending=Ending(gate=gated())))
    assert report is not None
    facts = {fact.title: fact.text for fact in report.cases[0].facts}
    assert facts["besides"] == "2 more turns were not as expected: see transcripts.md"


def test_the_history_of_a_case_is_one_sentence() -> None:
    """How it was, how it is, and what fresh attempts said."""
    case = gated().cases[0]
    assert history(case) == "passed 3 of 3, now 0 of 1 and 0 of 5 fresh"
    assert history(replace(case, fresh=None)) == "passed 3 of 3, now 0 of 1"
    assert history(replace(case, accepted=None)) == "not in the baseline, passed 0 of 1"
