"""Money over many deaths of one run: all that was sent counts, and the cap is the run's."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.system.crash.promises import key_of
from tests.system.crash.workspace import TALK
from tests.system.harness.fork_server import KILLED

if TYPE_CHECKING:
    from tests.system.crash.workspace import CrashWorkspace

DEATHS = 20
CAP = Decimal("0.0012")


def test_twenty_deaths_count_against_one_cap(workspace: CrashWorkspace) -> None:
    """Every attempt counts: those that were answered at their price, the others at their worst case."""
    assert workspace.play("-j", "1", "--max-cost", str(CAP), crash_at=8).code == KILLED
    for _ in range(DEATHS - 1):
        assert workspace.resume("-j", "1", crash_at=5).code in {KILLED, 4}
    spent = _spent(workspace)
    assert spent <= CAP
    worst = Decimal(str(max(event["worst_cost_usd"] for event in workspace.events("attempt"))))
    sent = len(workspace.api.ledger)
    ended = workspace.resume("-j", "1")
    assert ended.code == 4
    assert f"stopped by --max-cost {CAP}" in ended.stdout
    assert CAP - worst < _spent(workspace) <= CAP, "the cap stops neither too early nor too late"
    assert len(workspace.api.ledger) >= sent
    assert workspace.resume("--max-cost", "1").code == 0
    assert workspace.resume().code == 0


def test_requests_of_all_processes_count_against_one_cap(workspace: CrashWorkspace) -> None:
    """Those of processes that died, and those to a scenario that has changed since, too; both caps go on."""
    cap = ("-j", "1", "--max-requests", "7", "--max-cost", "1")
    assert workspace.play(*cap, crash_at=7).code == KILLED
    assert workspace.resume(crash_at=6).code == KILLED
    workspace.write(TALK.replace("Goodbye", "Farewell").replace("Give me", "Tell me"))
    ended = workspace.resume("--changed")
    assert ended.code == 4
    assert len(list(workspace.events("attempt"))) == 7
    assert re.search(r"STOP   stopped by --max-requests 7, [1-6] of them before it went on\n", ended.stdout)
    spent, sent = _spent(workspace), len(workspace.api.ledger)
    assert workspace.resume().code == 4
    assert len(workspace.api.ledger) == sent
    assert workspace.resume("--max-requests", "100", "--max-cost", str(spent)).code == 4
    assert (_spent(workspace), len(workspace.api.ledger)) == (spent, sent)
    assert workspace.resume("--max-requests", "100", "--max-cost", "1").code == 0


def test_what_was_spent_is_the_sum_over_all_processes(workspace: CrashWorkspace) -> None:
    """A run that died twenty times reports the price of each reply once, and all that is uncertain."""
    ended = workspace.play("-j", "1", crash_at=8)
    for number in range(DEATHS - 1):
        assert ended.code == KILLED
        ended = workspace.resume("-j", "1", crash_at=5 + (number % 3 == 0))
    assert workspace.resume().code == 0
    totals = workspace.summary()["totals"]
    paid = sum(Decimal(str(event["cost_usd"])) for event in workspace.events("reply"))
    assert Decimal(str(totals["cost_usd"])) == paid
    assert Decimal(str(totals["uncertain_cost_usd"])) == _spent(workspace) - paid > 0
    assert len({key_of(body) for body in workspace.api.ledger}) == totals["replies"] == 9


def _spent(workspace: CrashWorkspace) -> Decimal:
    """Add the journal up without the product: replies at their price, other attempts at their worst."""
    worst = {
        (event["key"], event["n"]): Decimal(str(event["worst_cost_usd"]))
        for event in workspace.events("attempt")
    }
    paid = {
        (event["key"], event["n"]): Decimal(str(event["cost_usd"])) for event in workspace.events("reply")
    }
    return sum({**worst, **paid}.values(), Decimal(0))
