"""What is told instead of playing: which conversations, what they are likely to cost, and what at most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.cli.output import print_error, print_json, print_line, print_lines, print_next
from claude_run.report.forecast import Basis, price_lines
from claude_run.report.text.numbers import usd
from claude_run.session.next_command import play_command
from claude_run.session.prepare import prepare
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_run.cli.options import OutputOptions
    from claude_run.session.dry_run import DryRun
    from claude_run.session.foresee import Foresight
    from claude_run.session.prepare import Prepared
    from claude_run.session.request import RunRequest
    from claude_run.session.world import World


def list_conversations(request: RunRequest, output: OutputOptions, world: World) -> int:
    """Print the ids of the selected conversations, one a line."""
    for conversation in _prepared(request, output, world).plan.conversations:
        print_line(conversation.id)
    return 0


def dry_run(request: RunRequest, output: OutputOptions, world: World) -> int:
    """Print the conversations, their likely price, and the bound of their cost; play and write nothing."""
    from claude_run.session import dry_run as session  # noqa: PLC0415 - a list of ids needs no prices

    prepared = _prepared(request, output, world)
    counts = session.nobody_counts(request)
    if counts is None:
        import asyncio  # noqa: PLC0415 - without a key nobody waits for anything

        def warn(line: str) -> None:
            if not output.quiet:
                print_error(line)

        counts = asyncio.run(session.count_prompts(prepared, world, warn))
    found = session.dry_run(prepared, counts)
    basis = Basis(counted=counts.number, by=counts.by, why=counts.why, no_batch=found.no_batch)
    if output.json:
        print_json(found.to_json())
    else:
        print_lines(_lines(found, basis))
    if not output.quiet:
        print_next(play_command(request))
    return 0


def _lines(found: DryRun, basis: Basis) -> Iterator[str]:
    yield from found.ids
    bound = found.bound
    for row in bound.models:
        conversations = count(row.conversations, "conversation")
        requests = _requests(row.requests, most=row.most_requests)
        yield f"{row.model}: {conversations}, {requests}, at most {usd(row.worst_cost_usd)}"
    if found.batched is not None:
        yield f"as a batch: at most {usd(found.batched.worst_cost_usd)}"
    for model in bound.unpriced:
        yield f"{model} has no known price: its cost is not bounded"
    if found.judge_answers:
        answers = count(found.judge_answers, "answer")
        yield f"judges: {answers} on top, not in the prices and the bound below; --max-cost holds them too"
    if found.expected is not None:
        requests, likely = count(found.expected.requests, "request"), usd(found.expected.cost_usd)
        yield f"as the examples play, by the simulator: {requests}, {likely}"
    yield from price_lines(found.forecast, basis)
    if found.foresight is not None:
        yield from _foreseen(found.foresight)
    conversations = count(bound.conversations, "conversation")
    requests = _requests(bound.requests, most=bound.most_requests)
    worst = usd(bound.worst_cost_usd)
    sent = "nothing was sent" if basis.why is not None else "no message was sent"
    yield f"{conversations}, {requests}, at most {worst} ({found.prices}); {sent}"


def _requests(number: int, *, most: int) -> str:
    """Return how many requests there are: one a turn, and at most so many where tools are called."""
    requests = count(number, "request")
    return f"{requests} (at most {most:,} with rounds of tools)" if most > number else requests


def _foreseen(foresight: Foresight) -> Iterator[str]:
    """Yield what a gated run will see, and what confirming may cost on top of its own bound."""
    from claude_run.session.foresee import MOST_REPEATS, WORTH_SEEING  # noqa: PLC0415 - only a gate sees anything

    fresh, power = foresight.fresh, foresight.power
    if fresh.conversations:
        attempts, requests = count(fresh.conversations, "fresh attempt"), count(fresh.requests, "request")
        worst = usd(fresh.worst_cost_usd)
        judges = f" beside {count(fresh.judge_answers, 'answer')} of judges" if fresh.judge_answers else ""
        yield f"on top, where cases look broken: at most {attempts}, {requests}, at most {worst}{judges}"
    others = f"; {count(foresight.others, 'case')} not compared, new or edited" if foresight.others else ""
    yield f"against the baseline: {count(foresight.compared, 'case')} compared{others}"
    if foresight.uncovered:
        few = count(foresight.uncovered, "case")
        yield f"  {few} with fewer than 3 accepted attempts: nothing is promised; accept a run of -n 10"
    if power is None:
        return
    if power.one_breaks is not None:
        yield f"  a case that breaks is seen in {100 * power.one_breaks:.0f} % of runs"
    drop = "no drop over all cases" if power.visible_drop is None else _points(power.visible_drop)
    yield f"  {drop} is seen in four of five runs"
    yield (
        f"  where nothing has changed {100 * power.false_alarms:.1f} % of runs are red,"
        f" {100 * power.unclear:.1f} % unclear, with {power.extra_attempts:.1f} fresh attempts on average"
    )
    ten = _points(WORTH_SEEING)
    if foresight.repeats is None:
        yield (
            f"  {ten} would not be seen with any -n up to {MOST_REPEATS}: accept a run of more attempts, or"
            " write more cases"
        )
    else:
        more = f"{foresight.repeats * foresight.compared:,} conversations"
        yield f"  {ten} would be seen with -n {foresight.repeats}, {more}"


def _points(drop: float) -> str:
    return f"a drop of {100 * drop:.0f} points over all cases"


def _prepared(request: RunRequest, output: OutputOptions, world: World) -> Prepared:
    prepared = prepare(request, today=world.today)
    if not output.quiet:
        print_error(*prepared.warnings)
    return prepared
