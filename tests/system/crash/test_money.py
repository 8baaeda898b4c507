"""Money over many deaths of one run: all that was sent counts, and the cap is the run's."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from tests.system.crash.promises import key_of
from tests.system.harness.fork_server import KILLED

if TYPE_CHECKING:
    from tests.system.crash.workspace import Scene

DEATHS = 20
CAP = Decimal("0.0012")


def test_twenty_deaths_count_against_one_cap(scene: Scene) -> None:
    """Every attempt counts: those that were answered at their price, the others at their worst case."""
    assert scene.play("-j", "1", "--max-cost", str(CAP), crash_at=8).code == KILLED
    for _ in range(DEATHS - 1):
        assert scene.resume("-j", "1", crash_at=4).code in {KILLED, 4}
    spent = _spent(scene)
    assert spent <= CAP
    worst = Decimal(str(max(event["worst_cost_usd"] for event in scene.events("attempt"))))
    sent = len(scene.api.ledger)
    ended = scene.resume("-j", "1")
    assert ended.code == 4
    assert f"stopped by --max-cost {CAP}" in ended.stderr
    assert CAP - worst < _spent(scene) <= CAP, "the cap stops neither too early nor too late"
    assert len(scene.api.ledger) >= sent
    assert scene.resume("--max-cost", "1").code == 0
    assert scene.resume().code == 0


def test_what_was_spent_is_the_sum_over_all_processes(scene: Scene) -> None:
    """A run that died twenty times reports the price of each reply once, and all that is uncertain."""
    ended = scene.play("-j", "1", crash_at=8)
    for number in range(DEATHS - 1):
        assert ended.code == KILLED
        ended = scene.resume("-j", "1", crash_at=4 + (number % 3 == 0))
    assert scene.resume().code == 0
    totals = scene.summary()["totals"]
    paid = sum(Decimal(str(event["cost_usd"])) for event in scene.events("reply"))
    assert Decimal(str(totals["cost_usd"])) == paid
    assert Decimal(str(totals["uncertain_cost_usd"])) == _spent(scene) - paid > 0
    assert len({key_of(body) for body in scene.api.ledger}) == totals["replies"] == 9


def _spent(scene: Scene) -> Decimal:
    """Add the journal up without the product: replies at their price, other attempts at their worst."""
    worst = {
        (event["key"], event["n"]): Decimal(str(event["worst_cost_usd"])) for event in scene.events("attempt")
    }
    paid = {(event["key"], event["n"]): Decimal(str(event["cost_usd"])) for event in scene.events("reply")}
    return sum({**worst, **paid}.values(), Decimal(0))
