"""What a gate found, written into a journal and read back, or refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_run.errors import ExitCode
from claude_run.record.gated import CostChange, Gate, GatedCase, GatedModel, Score

SCORES = st.integers(0, 10).flatmap(
    lambda measured: st.builds(Score, passed=st.integers(0, measured), measured=st.just(measured))
)
CASES = st.builds(
    GatedCase,
    name=st.text(max_size=9),
    scenario=st.text(max_size=9),
    model=st.text(max_size=9),
    standing=st.sampled_from(["broke", "same", "new"]),
    now=SCORES,
    accepted=st.none() | SCORES,
    fresh=st.none() | SCORES,
    needed=st.none() | st.integers(0, 10),
    before=st.lists(st.text(max_size=9), max_size=2).map(tuple),
)
COSTS = st.builds(CostChange, accepted_usd=st.floats(0, 9), now_usd=st.floats(0, 9), allowed=st.none())
GATE = Gate(
    code=ExitCode.FAILED,
    verdict="regressed",
    reason="1 of 1 case broke: a",
    models=(
        GatedModel(
            model="m",
            cases=1,
            p_value=0.1,
            p_adjusted=0.1,
            p_better=1.0,
            level=0.04,
            rejected=False,
            spread=False,
            failing=1,
        ),
    ),
    cases=(GatedCase(name="a", scenario="s", model="m", standing="broke", now=Score(passed=0, measured=3)),),
)


@given(st.lists(CASES, max_size=3).map(tuple), st.none() | COSTS)
def test_a_gate_reads_back_as_it_was_written(cases: tuple[GatedCase, ...], cost: CostChange | None) -> None:
    """Through JSON and back nothing is lost."""
    gate = replace(GATE, cases=cases, cost=cost, gone=("x",))
    assert Gate.from_json(json.loads(json.dumps(gate.to_json()))) == gate


def test_what_an_earlier_version_wrote_is_read() -> None:
    """It had the code, the verdict and the reason."""
    gate = Gate.from_json({"code": 1, "verdict": "regressed", "reason": "x"})
    assert (gate.code, gate.cases, gate.cost) == (ExitCode.FAILED, (), None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"code": 99},
        {"code": None},
        {"verdict": 5},
        {"alpha": "x"},
        {"models": [{}]},
        {"models": [5]},
        {"cases": [{"name": "a"}]},
        {"cases": 5},
        {"cost": {"now_usd": 1}},
        {"cost": 5},
    ],
)
def test_what_does_not_fit_is_refused(wrong: dict[str, Any]) -> None:
    """By an error that whoever reads the journal turns into one with its line."""
    with pytest.raises((KeyError, TypeError, ValueError)):
        Gate.from_json({**GATE.to_json(), **wrong})


@pytest.mark.parametrize("now", [None, {"passed": 4, "measured": 3}, {"passed": -1, "measured": 3}, [1, 2]])
def test_no_case_has_an_impossible_score(now: Any) -> None:
    """More passes than attempts, or none at all where there must be some."""
    case = {**GATE.cases[0].to_json(), "now": now}
    with pytest.raises((KeyError, TypeError, ValueError)):
        Gate.from_json({**GATE.to_json(), "cases": [case]})


@pytest.mark.parametrize(("allowed", "is_too_much"), [(None, False), (0.5, False), (0.2, True)])
def test_an_increase_is_too_much_only_above_what_is_allowed(allowed: float | None, is_too_much: bool) -> None:
    """Half as much again, against what may be; what was for nothing has no increase."""
    change = CostChange(accepted_usd=0.002, now_usd=0.003, allowed=allowed)
    assert change.increase == pytest.approx(0.5)
    assert change.is_too_much is is_too_much
    assert CostChange(accepted_usd=0.0, now_usd=0.003, allowed=0.1).increase == 0
