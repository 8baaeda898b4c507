"""The caps by the real command: what the server billed, the exit codes, and going on with more."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from tests.support.scripted_server import Answer, json_answer, message
from tests.system.faults.api import Api, TurnRequest, ok, scenario

if TYPE_CHECKING:
    from tests.system.harness.workspace import Workspace

CASES = [f"c{number}" for number in range(12)]
USAGE = {"input_tokens": 60, "output_tokens": 100}


def dear(asked: TurnRequest) -> Answer:
    """Answer with the longest reply that the request allows."""
    return json_answer(message(id=f"msg_{asked.case}_{asked.turn}", usage=USAGE))


def billed(workspace: Workspace, api: Api) -> Decimal:
    """Return what the server billed, at the price that the journal has for one reply."""
    prices = {Decimal(str(event["cost_usd"])) for event in workspace.events("reply")}
    assert len(prices) == 1
    return prices.pop() * sum(api.requests.values())


def test_a_capped_run_stays_below_its_cap_and_goes_on_with_a_higher_one(workspace: Workspace) -> None:
    """--max-cost ends with exit 4; --resume keeps the old cap until it is given more, then finishes."""
    workspace.write("s.yaml", scenario(*CASES))
    with Api(answer=dear) as api:
        result = workspace.run("s.yaml", "-o", "out", "-q", "--max-cost", "0.0009", url=api.url, speed=50)
        assert result.code == 4
        assert "stopped by --max-cost 0.0009" in result.stdout
        first = sum(api.requests.values())
        assert 0 < first < 24
        assert Decimal("0.0007") < billed(workspace, api) <= Decimal("0.0009")
        assert workspace.run("resume", "out", "-q", url=api.url, speed=50).code == 4
        assert billed(workspace, api) <= Decimal("0.0009")
        result = workspace.run("resume", "out", "-q", "--max-cost", "0.01", url=api.url, speed=50)
        assert result.code == 0, result.stderr
        assert api.requests == workspace.attempts() == {(case, turn): 1 for case in CASES for turn in (1, 2)}
        assert workspace.summary()["totals"]["cost_usd"] == float(billed(workspace, api))


def test_a_model_without_a_price_is_refused_under_a_cap(workspace: Workspace) -> None:
    """Nothing is sent and nothing is written: exit 2, with the way out."""
    workspace.write("s.yaml", scenario("c"))
    with Api(answer=dear) as api:
        result = workspace.run("s.yaml", "-m", "mystery-9", "-o", "out", "--max-cost", "1", url=api.url)
        assert api.ledger == []
    assert result.code == 2
    assert "mystery-9 has no known price" in result.stderr
    assert "--max-requests" in result.stderr
    assert not (workspace.folder / "out").exists()


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (("--max-requests", "3"), "stopped by --max-requests 3"),
        (("--max-time", "60s", "--grace", "60s"), "stopped by --max-time after 60 s"),
    ],
)
def test_a_run_that_hits_a_cap_ends_with_its_own_exit_code(
    workspace: Workspace, flags: tuple[str, ...], reason: str
) -> None:
    """What is under way when the cap is hit may finish: it is a stop, not an error."""
    workspace.write("s.yaml", scenario(*CASES[:4], turns=8))
    with Api(answer=lambda asked: ok(f"{asked.turn}", delay_s=0.4)) as api:
        result = workspace.run("s.yaml", "-o", "out", "-q", *flags, url=api.url, speed=50)
        assert result.code == 4, result.stderr
        assert reason in result.stdout
        assert 3 <= len(workspace.events("reply")) == sum(api.requests.values()) < 32
        assert workspace.events("failure") == []
        assert workspace.attempts() == api.requests
    outcomes = {transcript["outcome"] for transcript in workspace.transcripts().values()}
    assert outcomes == {"skipped"}


@pytest.mark.parametrize(
    ("limit", "cases", "expected", "code"),
    [
        (("--max-time", "30s", "--grace", "60s"), ("a", "b"), "ok", 0),
        (("--max-requests", "2"), ("a", "b"), "ok", 0),
        (("--max-failures", "2"), ("a", "b"), "no", 1),
        (("-x",), ("a",), "no", 1),
    ],
)
def test_a_limit_that_is_reached_with_the_last_reply_stops_nothing(
    workspace: Workspace, limit: tuple[str, ...], cases: tuple[str, ...], *, expected: str, code: int
) -> None:
    """All was measured: the outcomes decide, and nobody is told to go on."""
    workspace.write("s.yaml", scenario(*cases, turns=1) + f"    expect: [{{contains: {expected}}}]\n")
    with Api(answer=lambda asked: ok("ok", delay_s=0.4 if asked.case == "b" else 0.0)) as api:
        ended = workspace.run("s.yaml", "-o", "out", *limit, url=api.url, speed=100)
    assert ended.code == code, ended.stdout
    assert "not played to the end" not in ended.stdout
    assert "STOP" not in ended.stdout
