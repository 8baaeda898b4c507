"""The caps by the real command: what the server billed, the exit codes, and going on with more."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from tests.support.scripted_server import Answer, json_answer, message
from tests.system.faults.api import Api, Asked, ok, scenario

if TYPE_CHECKING:
    from tests.system.harness.workspace import Booth

CASES = [f"c{number}" for number in range(12)]
USAGE = {"input_tokens": 60, "output_tokens": 100}


def dear(asked: Asked) -> Answer:
    """Answer with the longest reply that the request allows."""
    return json_answer(message(id=f"msg_{asked.case}_{asked.turn}", usage=USAGE))


def billed(booth: Booth, api: Api) -> Decimal:
    """Return what the server billed, at the price that the journal has for one reply."""
    prices = {Decimal(str(event["cost_usd"])) for event in booth.events("reply")}
    assert len(prices) == 1
    return prices.pop() * sum(api.requests.values())


def test_a_capped_run_stays_below_its_cap_and_goes_on_with_a_higher_one(booth: Booth) -> None:
    """--max-cost ends with exit 4; --resume keeps the old cap until it is given more, then finishes."""
    booth.write("s.yaml", scenario(*CASES))
    with Api(answer=dear) as api:
        said = booth.run("s.yaml", "-o", "out", "-q", "--max-cost", "0.0009", url=api.url, speed=50)
        assert said.code == 4
        assert "stopped by --max-cost 0.0009" in said.stderr
        first = sum(api.requests.values())
        assert 0 < first < 24
        assert Decimal("0.0007") < billed(booth, api) <= Decimal("0.0009")
        assert booth.run("--resume", "out", "-q", url=api.url, speed=50).code == 4
        assert billed(booth, api) <= Decimal("0.0009")
        said = booth.run("--resume", "out", "-q", "--max-cost", "0.01", url=api.url, speed=50)
        assert said.code == 0, said.stderr
        assert api.requests == booth.attempts() == {(case, turn): 1 for case in CASES for turn in (1, 2)}
        assert booth.summary()["totals"]["cost_usd"] == float(billed(booth, api))


def test_a_model_without_a_price_is_refused_under_a_cap(booth: Booth) -> None:
    """Nothing is sent and nothing is written: exit 2, with the way out."""
    booth.write("s.yaml", scenario("c"))
    with Api(answer=dear) as api:
        said = booth.run("s.yaml", "-m", "mystery-9", "-o", "out", "--max-cost", "1", url=api.url)
        assert api.ledger == []
    assert said.code == 2
    assert "mystery-9 has no known price" in said.stderr
    assert "--max-requests" in said.stderr
    assert not (booth.folder / "out").exists()


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (("--max-requests", "3"), "stopped by --max-requests 3"),
        (("--max-time", "60s", "--grace", "60s"), "stopped by --max-time after 60 s"),
    ],
)
def test_a_run_that_hits_a_cap_ends_with_its_own_exit_code(
    booth: Booth, flags: tuple[str, ...], reason: str
) -> None:
    """What is under way when the cap is hit may finish: it is a stop, not an error."""
    booth.write("s.yaml", scenario(*CASES[:4], turns=8))
    with Api(answer=lambda asked: ok(f"{asked.turn}", delay_s=0.4)) as api:
        said = booth.run("s.yaml", "-o", "out", "-q", *flags, url=api.url, speed=50)
        assert said.code == 4, said.stderr
        assert reason in said.stderr
        assert 3 <= len(booth.events("reply")) == sum(api.requests.values()) < 32
        assert booth.events("failure") == []
        assert booth.attempts() == api.requests
    outcomes = {transcript["outcome"] for transcript in booth.transcripts().values()}
    assert outcomes == {"skipped"}
