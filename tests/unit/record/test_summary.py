"""What a run comes to: counts, totals, rates, and which exit code wins."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.conversation.results import Outcome
from claude_run.conversation.usage import total
from claude_run.errors import PRECEDENCE, ExitCode
from claude_run.record.records import Record
from claude_run.record.summary import Ending, RunSummary, summarize, worst
from claude_run.text.strict_json import json_pieces, read_json
from tests.unit.conversation.builders import COST, body
from tests.unit.record.fakes import conversation, record, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from syrupy.assertion import SnapshotAssertion

P, F, E, S = Outcome.PASSED, Outcome.FAILED, Outcome.ERRORED, Outcome.SKIPPED


def _records(outcomes: Sequence[Outcome], **fields: Any) -> list[Record]:
    """Give one case whose repeats had these outcomes; the skipped ones were never started."""
    plays = [conversation(repeat=number, **fields) for number in range(1, len(outcomes) + 1)]
    return [
        Record.of(play.identity, None) if outcome is S else record(play, outcome=outcome)
        for play, outcome in zip(plays, outcomes, strict=True)
    ]


def _summary(
    records: Sequence[Record], ending: Ending | None = None, *, pass_rate: float = 1.0
) -> RunSummary:
    return summarize(run(pass_rates={"greet": pass_rate}), records, ending or Ending())


@pytest.mark.parametrize(
    ("outcomes", "stop", "code", "reason"),
    [
        ([P, P], None, ExitCode.PASSED, "all conversations passed"),
        ([P, F], None, ExitCode.FAILED, "1 conversation failed, 1 case below the pass rate"),
        ([P, E], None, ExitCode.NOT_MEASURED, "1 conversation could not be measured"),
        ([F, E, E], None, ExitCode.NOT_MEASURED, "2 conversations could not be measured"),
        ([P, S], None, ExitCode.NOT_MEASURED, "1 conversation not played"),
        ([P, S], ExitCode.CAPPED, ExitCode.CAPPED, "why"),
        ([F, S], ExitCode.CAPPED, ExitCode.CAPPED, "why"),
        ([E, S], ExitCode.CAPPED, ExitCode.NOT_MEASURED, "1 conversation could not be measured"),
        ([F, S], ExitCode.FAILED, ExitCode.FAILED, "why"),
        ([E, S], ExitCode.FAILED, ExitCode.NOT_MEASURED, "1 conversation could not be measured"),
        ([P, S], ExitCode.INTERRUPTED, ExitCode.INTERRUPTED, "why"),
        ([E, F, S], ExitCode.TERMINATED, ExitCode.TERMINATED, "why"),
        ([S, S], ExitCode.NOT_MEASURED, ExitCode.NOT_MEASURED, "why"),
    ],
)
def test_the_gravest_reason_is_the_exit_code(
    outcomes: list[Outcome], stop: ExitCode | None, code: ExitCode, reason: str
) -> None:
    """Not measured outweighs the cap, the cap outweighs a failure; a signal outweighs them all."""
    ending = Ending(stop=stop, reason=None if stop is None else "why")
    summary = _summary(_records(outcomes), ending)
    assert (summary.exit_code, summary.exit_reason) == (code, reason)


def test_a_stop_without_a_word_still_has_a_reason() -> None:
    """`summary.json` never leaves the reason empty."""
    assert _summary(_records([P]), Ending(stop=ExitCode.CAPPED)).exit_reason == "the run was stopped"


def test_the_order_of_the_exit_codes_is_the_documented_one() -> None:
    """130/143/129 > 70 > 2 > 3 > 4 > 1 > 5 > 0."""
    assert [int(code) for code in PRECEDENCE] == [130, 143, 129, 70, 2, 3, 4, 1, 5, 0]
    for graver, lighter in pairwise(PRECEDENCE):
        assert worst([lighter, graver]) is graver


@pytest.mark.parametrize(
    ("outcomes", "pass_rate", "code"),
    [
        ([P, P, F], 0.66, ExitCode.PASSED),
        ([P, F, F], 0.66, ExitCode.FAILED),
        ([P, P, F], 1.0, ExitCode.FAILED),
        ([F, F], 0.0, ExitCode.PASSED),
        ([P] * 11 + [F] * 9, 0.55, ExitCode.PASSED),
        ([P] * 7 + [F] * 93, 0.07, ExitCode.PASSED),
        ([P] * 28 + [F] * 72, 0.29, ExitCode.FAILED),
        ([P, P, E], 0.66, ExitCode.NOT_MEASURED),
    ],
)
def test_a_case_passes_by_the_share_of_its_repeats(
    outcomes: list[Outcome], pass_rate: float, code: ExitCode
) -> None:
    """The share is exact in decimals: 11 of 20 is 0.55."""
    assert _summary(_records(outcomes), pass_rate=pass_rate).exit_code is code


def test_a_run_with_failures_within_the_pass_rate_does_not_claim_that_all_passed() -> None:
    """The reason is true to the counts beside it."""
    summary = _summary(_records([P, P, F]), pass_rate=0.66)
    assert summary.exit_reason == "every case reached its pass rate, though 1 conversation failed"


def test_large_numbers_are_written_as_everywhere() -> None:
    """A reason stands beside the counts of a report, in the same form."""
    assert _summary(_records([F] * 3_000)).exit_reason.startswith("3,000 conversations failed")


def test_repeats_are_counted_by_case_variant_and_model() -> None:
    """Each group has a rate of its own, named without the repeat; one that was not measured is not met."""
    records = [
        *_records([P, F], case="phone"),
        *_records([P, E], case="sofa", variant="v1"),
        *_records([S, S], model_label="big"),
    ]
    rates = _summary(records, pass_rate=0.5).rates
    assert [(rate.name, rate.passed, rate.measured, rate.repeats, rate.met) for rate in rates] == [
        ("greet/phone/claude-haiku-5-5", 1, 2, 2, True),
        ("greet/sofa/v1/claude-haiku-5-5", 1, 1, 2, True),
        ("greet/big", 0, 0, 2, False),
    ]


def test_totals_are_kept_for_the_run_and_for_each_model() -> None:
    """A conversation that was never started counts as skipped, and used nothing."""
    records = [*_records([P, F]), *_records([P, S, E], model_label="big")]
    summary = _summary(records)
    assert summary.totals.outcomes == {P: 2, F: 1, E: 1, S: 1}
    assert summary.totals.conversations == 5
    assert (summary.totals.replies, summary.totals.cost_usd) == (4, 4 * COST)
    assert list(summary.by_model) == ["claude-haiku-5-5", "big"]
    assert summary.by_model["big"].outcomes == {P: 1, F: 0, E: 1, S: 1}
    assert sum(totals.replies for totals in summary.by_model.values()) == summary.totals.replies


def _unpriced(entry: Record, model: str) -> Record:
    assert entry.transcript is not None
    (turn,) = entry.transcript.turns
    reply = replace(turn.exchanges[0].reply, body=body(model=model))
    turn = replace(turn, exchanges=(replace(turn.exchanges[0], cost_usd=None, reply=reply),))
    return Record.of(entry.planned, replace(entry.transcript, turns=(turn,)))


def test_models_without_a_price_are_named_and_make_the_total_unknown() -> None:
    """The total is null, never too low; the model that answered is named, each once, in order."""
    priced, *others = _records([P, P, P, P])
    records = [priced, *(_unpriced(entry, name) for entry, name in zip(others, ["z", "a", "z"], strict=True))]
    summary = _summary(records)
    assert summary.unpriced == ("a", "z")
    assert summary.totals.cost_usd is None
    assert '"cost_usd": null' in json.dumps(summary.to_json()["totals"])


def test_simulated_and_replayed_runs_say_so() -> None:
    """One such reply is enough."""
    plain, other = _records([P, P])
    assert (_summary([plain]).simulated, _summary([plain]).replayed) == (False, False)
    assert other.transcript is not None
    (turn,) = other.transcript.turns
    (exchange,) = turn.exchanges
    for marked in (replace(exchange, simulated=True), replace(exchange, replayed=True)):
        transcript = replace(other.transcript, turns=(replace(turn, exchanges=(marked,)),))
        summary = _summary([plain, Record.of(other.planned, transcript)])
        assert (summary.simulated, summary.replayed) == (marked.simulated, marked.replayed)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(Outcome), st.decimals(0, 9, places=4)), min_size=1, max_size=6))
def test_totals_equal_the_sums_of_the_conversations(plays: list[tuple[Outcome, Decimal]]) -> None:
    """Whatever the outcomes, no token, cent or conversation is lost."""
    records = [
        record(conversation(repeat=number), outcome=outcome, uncertain_usd=uncertain)
        for number, (outcome, uncertain) in enumerate(plays, start=1)
    ]
    totals = _summary(records).totals
    transcripts = [entry.transcript for entry in records if entry.transcript]
    assert totals.usage == total(transcript.usage for transcript in transcripts)
    assert totals.uncertain_usd == sum(uncertain for _, uncertain in plays)
    assert totals.conversations == len(plays)


def test_summary_json_is_what_programs_read(snapshot: SnapshotAssertion) -> None:
    """Numbers are numbers, every count is present, and codes are their numbers."""
    ending = Ending(stop=None, at="2026-11-23T07:01:00.000Z", duration_s=60.5)
    records = [*_records([P, F]), *_records([S], model_label="big")]
    written = "".join(json_pieces(_summary(records, ending, pass_rate=0.5).to_json()))
    assert read_json(written) == snapshot
