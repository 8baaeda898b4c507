"""A comparison for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.report.compare.json import comparison_json
from claude_run.text.strict_json import json_pieces
from claude_run.verdict.basics import ComparisonRules
from claude_run.verdict.comparison import Comparison, compare
from tests.unit.report import comparisons

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion


def read_back(comparison: Comparison) -> Any:
    """Return the JSON as a program reads it."""
    return json.loads("".join(json_pieces(comparison_json(comparison))))


def test_the_document(snapshot: SnapshotAssertion) -> None:
    """Every key and value is as it was when a person last looked at it."""
    assert json.dumps(read_back(comparisons.inconclusive()), indent=2) == snapshot


@pytest.mark.parametrize(
    ("name", "verdicts"),
    [
        ("regressed", ["regressed"]),
        ("improved", ["improved"]),
        ("unchanged", ["not worse"]),
        ("nothing", ["inconclusive"]),
        ("many", ["improved", "regressed", "inconclusive"]),
    ],
)
def test_each_candidate_has_its_verdict(name: str, verdicts: list[str]) -> None:
    """Candidates stand in the order in which they were given, and the whole has the gravest verdict."""
    document = read_back(getattr(comparisons, name)())
    assert document["schema_version"] == 2
    assert [candidate["verdict"] for candidate in document["candidates"]] == verdicts
    assert document["verdict"] == ("regressed" if "regressed" in verdicts else verdicts[0])


def test_every_paired_case_stands_there_with_its_rates() -> None:
    """Rates are numbers, and changed cases have p-values."""
    document = read_back(comparisons.regressed())
    cases = document["candidates"][0]["cases"]
    assert len(cases) == 20
    changed = next(case for case in cases if case["case"].startswith("refund/case-11"))
    assert changed["baseline"] == {"passed": 1, "total": 1, "rate": 1.0}
    assert changed["candidate"] == {"passed": 0, "total": 1, "rate": 0.0}
    assert changed["difference"] == -1.0
    assert changed["p_worse"] == 0.5
    assert cases[0]["p_worse"] is None
    assert len(document["candidates"][0]["changed"]) == 9


def test_what_differs_besides_is_listed() -> None:
    """Each with its two values as JSON, and with the number of cases."""
    (found,) = read_back(comparisons.unlike())["candidates"]
    assert found["under_test"] == "model"
    assert found["differs"] == [
        {"name": "max_tokens", "baseline": "512", "candidate": "2048", "cases": 3},
        {"name": "temperature", "baseline": "not set", "candidate": "0.2", "cases": 1},
    ]


def test_nothing_compared_is_null() -> None:
    """Without a common case there is no effect; without a candidate there is no verdict."""
    assert read_back(comparisons.nothing())["candidates"][0]["effect"] is None
    nobody = read_back(compare(comparisons.arm("main", {"a": "1"}), [], ComparisonRules()))
    assert (nobody["verdict"], nobody["candidates"]) == (None, [])
