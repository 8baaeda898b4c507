"""The facts of a run: what all of its reports say, computed once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from claude_run.record.gated import Score
from claude_run.record.summary import Ending
from claude_run.report.run.facts import RunFacts
from tests.unit.report.builders import (
    errored,
    exchange,
    failed,
    gated,
    green_run,
    never_started,
    play,
    record,
    repeats,
    rich_run,
    transcript,
    turn,
)


def test_where_replies_came_from_is_counted_by_conversation() -> None:
    """One simulated reply in a conversation counts it, and only a run of nothing else is simulated."""
    mixed = transcript(turn(1, exchanges=(exchange(simulated=True), exchange())))
    facts = RunFacts.of(play([record(mixed), record(transcript(turn(1, exchanges=(exchange(),))))]))
    assert (facts.only_simulated, facts.with_simulated, facts.with_replayed) == (False, 1, 0)
    assert RunFacts.of(green_run()).only_simulated


def test_a_run_without_replies_is_never_a_replay() -> None:
    """What was not sent was not replayed; a simulated run stays one."""
    for simulated in (True, False):
        facts = RunFacts.of(play([never_started("a")], simulated=simulated))
        assert (facts.only_simulated, facts.only_replayed) == (simulated, False)


def test_what_judges_answered_counts_as_made_up() -> None:
    """A simulated judge makes its conversation one that holds simulated replies, not the whole run."""
    judged = replace(
        transcript(turn(1, exchanges=(exchange(),))), judge_exchanges=(exchange(simulated=True),)
    )
    facts = RunFacts.of(play([record(judged)]))
    assert (facts.only_simulated, facts.with_simulated) == (False, 1)
    assert facts.cost.endswith(", of which simulated and replayed replies were not paid")


def test_known_cost_leaves_out_what_has_no_price() -> None:
    """The least that a run cost is the sum of the prices that are known."""
    facts = RunFacts.of(rich_run())
    assert facts.summary.totals.cost_usd is None
    assert facts.known_usd > Decimal(0)
    assert facts.cost.startswith("at least $0.00")


def test_tolerance_follows_the_pass_rates() -> None:
    """The failed repeats of a case that reached its rate are tolerated, each with the reason."""
    facts = RunFacts.of(play(repeats(), pass_rate=0.3))
    words = "1 of 3 measured passed, 30% required"
    assert facts.tolerance == {f"refund/desk/claude-haiku-5-5/{number}": words for number in (2, 3)}
    assert RunFacts.of(play(repeats())).tolerance == {}


def test_tolerance_follows_the_gate_where_there_is_one() -> None:
    """What the gate does not blame is tolerated, with its history; what was not measured never is."""
    rows = [record(failed()), record(errored())]
    words = "passed 3 of 3, now 0 of 1 and 1 of 2 fresh: flaky"
    for standing, tolerated in (("flaky", {"refund/sofa/claude-haiku-5-5": words}), ("broke", {})):
        gate = gated(standing=standing, fresh=Score(passed=1, measured=2))
        assert RunFacts.of(play(rows, ending=Ending(gate=gate))).tolerance == tolerated
