"""The use case of `--dry-run`: what would be played, what it is likely to cost, and what at most.

Nothing is played. Where a key is set, or the simulator answers, a few prompts are counted, which is free: as
many as say most of the others, within a bounded time. What is not counted is estimated.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from claude_run.checks.conditions import ScriptRenderer
from claude_run.checks.judge_check import judges_of
from claude_run.conversation.lazy import LazySequence
from claude_run.errors import ClaudeRunError
from claude_run.plan.batch_checks import batch_problems
from claude_run.plan.estimate import bound_of, estimate, walk
from claude_run.plan.forecast import ASSUMED_REPLY, UNCOUNTED, Forecaster, questions, scales
from claude_run.plan.matrix import choices
from claude_run.plan.prices import price_table
from claude_run.plan.providers import provider
from claude_run.record.codec import money
from claude_run.session.expected import as_examples_play
from claude_run.session.foresee import foresee

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AsyncExitStack

    from claude_run.api.counting import TokenCounter
    from claude_run.conversation.script import Conversation
    from claude_run.plan.estimate import Bound, Estimate
    from claude_run.plan.forecast import Forecast, Prices, Question, Scales
    from claude_run.record.redact import Redactor
    from claude_run.scenario.json_values import JsonObject
    from claude_run.session.expected import Expected
    from claude_run.session.foresee import Foresight
    from claude_run.session.prepare import Prepared
    from claude_run.session.request import RunRequest
    from claude_run.session.world import World

SCHEMA_VERSION = 1
"""Of the JSON of a dry run."""

MOST_COUNTED = 24
"""The most prompts that are counted, whatever the size of the run."""

COUNT_S = 10.0
"""For how long prompts are counted, all together."""

_IN_FLIGHT = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What counting brought: `number` prompts, counted `by` the API or the simulator.

    Without any, `why` says what is missing for it, or is None where it was tried in vain.
    """

    scales: Scales
    number: int = 0
    by: str | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What would be played, its likely and its highest cost by `prices`, beside the answers of judges.

    `batched` is the same bound where all goes into batches; None unless that is asked for.
    `no_batch` says why there can be no batch; None where there can. `expected` is what it comes to if every
    reply is as its `example`; None where no conversation has tools, whose rounds lift the bound far above it.
    `foresight` is what a gate will see, and what confirming may cost on top; None without a baseline.
    """

    ids: Sequence[str]
    bound: Estimate
    batched: Estimate | None
    forecast: Forecast
    counts: Counts
    no_batch: str | None
    expected: Expected | None
    foresight: Foresight | None
    judge_answers: int
    prices: str

    def to_json(self) -> JsonObject:
        """Return all of it for programs: amounts in USD, null where a price is not known."""
        bound, batched, expected, forecast = self.bound, self.batched, self.expected, self.forecast
        return {
            "schema_version": SCHEMA_VERSION,
            "conversations": [*self.ids],
            "requests": bound.requests,
            "most_requests": bound.most_requests,
            "worst_cost_usd": money(bound.worst_cost_usd),
            "worst_batch_cost_usd": None if batched is None else money(batched.worst_cost_usd),
            "likely": self._prices_json(forecast.total),
            "models": [
                {
                    "model": row.model,
                    "conversations": row.conversations,
                    "requests": row.requests,
                    "most_requests": row.most_requests,
                    "worst_cost_usd": money(row.worst_cost_usd),
                    "likely": self._prices_json(forecast.models[row.model]),
                }
                for row in bound.models
            ],
            "unpriced": [*bound.unpriced],
            "prompts": {"counted": self.counts.number, "by": self.counts.by, "why_not": self.counts.why},
            "replies": {
                "as_examples": forecast.as_examples,
                "assumed": forecast.assumed,
                "assumed_tokens": ASSUMED_REPLY,
            },
            "no_batch": self.no_batch,
            "judge_answers": self.judge_answers,
            "as_examples_play": None
            if expected is None
            else {"requests": expected.requests, "cost_usd": money(expected.cost_usd)},
            "gate": None if self.foresight is None else _gate_json(self.foresight),
            "prices": self.prices,
        }

    def _prices_json(self, prices: Prices) -> JsonObject:
        batched = self.no_batch is None
        return {
            "plain_usd": money(prices.plain_usd),
            "cached_usd": money(prices.cached_usd),
            "batch_usd": money(prices.batch_usd) if batched else None,
            "batch_all_read_usd": money(prices.batch_read_usd) if batched else None,
            "batch_none_read_usd": money(prices.batch_unread_usd) if batched else None,
        }


def dry_run(prepared: Prepared, counts: Counts) -> DryRun:
    """Return what playing would come to; nothing is sent and nothing is written."""
    request, plan, baseline = prepared.request, prepared.plan, prepared.baseline
    grows = provider(request.provider).caches_by_itself
    forecaster = Forecaster(plan, counts.scales, grows=grows)
    bounds: dict[str, Bound] = {}
    in_batches: dict[str, Bound] = {}
    alike: dict[Bound, Bound] = {}
    for conversation in plan.one_of_each_case():
        name = conversation.identity.case_name
        renderer = ScriptRenderer(conversation.vars)
        sends = walk(conversation, renderer)
        # There are as many as cases: what is the same is the same object.
        bound = bound_of(conversation, renderer, sends)
        bounds[name] = alike.setdefault(bound, bound)
        if request.batch:
            in_batches[name] = bound_of(conversation, renderer, sends, batch=True)
        forecaster.add(conversation, renderer, sends)
    return DryRun(
        ids=LazySequence.over(plan.conversations, lambda each: each.id),
        bound=estimate(plan, bounds),
        batched=estimate(plan, in_batches) if request.batch else None,
        forecast=forecaster.forecast(),
        counts=counts,
        no_batch=_no_batch(prepared),
        expected=as_examples_play(plan),
        foresight=None
        if baseline is None or not prepared.gates
        else foresee(baseline, plan.conversations, prepared.gate_rules, bounds=bounds),
        judge_answers=sum(len(judges_of(conversation)) for conversation in plan.conversations),
        prices=price_table(),
    )


def nobody_counts(request: RunRequest) -> Counts | None:
    """Return that nothing is counted, and why; None where the API or the simulator can be asked."""
    served_by = provider(request.provider)
    why = None
    if request.replay is not None:
        why = "a replay asks nobody"
    elif request.simulate:
        pass
    elif not served_by.counts_tokens:
        why = f"{served_by.title} is not asked to count"
    elif not any(os.environ.get(name, "").strip() for name in served_by.keys):
        why = "no key is set"
    return None if why is None else Counts(scales=UNCOUNTED, why=why)


async def count_prompts(prepared: Prepared, world: World, warn: Callable[[str], None]) -> Counts:
    """Ask the API, or the simulator, for the tokens of a few prompts.

    Whatever goes wrong, what was counted until then is used; `warn` is told once what went wrong.
    """
    import asyncio  # noqa: PLC0415 - without a key nobody waits for anything
    from contextlib import AsyncExitStack  # noqa: PLC0415 - same

    request = prepared.request
    who = "the simulator" if request.simulate else "the API"
    asked = questions(prepared.plan, _renderer, most=MOST_COUNTED)
    answers: list[tuple[Question, int]] = []
    problem: str | None = None

    async def work(counter: TokenCounter, left: Sequence[Question]) -> None:
        for question in left:
            counted = await counter.count(question.request)
            answers.append((question, counted))

    async def work_all(counter: TokenCounter) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(_IN_FLIGHT):
                group.create_task(work(counter, asked[number::_IN_FLIGHT]))

    # What goes wrong with one goes wrong with all, as a rule: the first problem ends it.
    try:
        async with AsyncExitStack() as stack:
            counter = await _open_counter(request, stack, world.redactor)
            await world.clock.within(COUNT_S, work_all(counter))
    except* TimeoutError:
        problem = f"{COUNT_S:g} s were over"
    except* ClaudeRunError as failed:
        problem = str(failed.exceptions[0])
    if problem is not None:
        counted = f"{len(answers)} of {len(asked)}" if answers else "none"
        warn(f"warning: {who} has counted {counted} of the prompts, which are estimated: {problem}")
    return Counts(scales=scales(answers), number=len(answers), by=who if answers else None)


def _gate_json(foresight: Foresight) -> JsonObject:
    fresh, power = foresight.fresh, foresight.power
    return {
        "compared": foresight.compared,
        "others": foresight.others,
        "uncovered": foresight.uncovered,
        "fresh": {
            "conversations": fresh.conversations,
            "requests": fresh.requests,
            "worst_cost_usd": money(fresh.worst_cost_usd),
            "judge_answers": fresh.judge_answers,
        },
        "power": None if power is None else asdict(power),
        "repeats": foresight.repeats,
    }


def _renderer(conversation: Conversation) -> ScriptRenderer:
    return ScriptRenderer(conversation.vars)


async def _open_counter(request: RunRequest, stack: AsyncExitStack, redactor: Redactor) -> TokenCounter:
    from claude_run.api.client import open_client  # noqa: PLC0415 - the SDK costs seconds
    from claude_run.api.counting import TokenCounter  # noqa: PLC0415 - same

    url = None
    if request.simulate:
        from claude_run.simulator.examples import ExampleBook  # noqa: PLC0415 - only where it is wanted
        from claude_run.simulator.server import Simulator  # noqa: PLC0415 - same

        simulator = Simulator(replies=ExampleBook(), ledger_limit=0)
        url = (await stack.enter_async_context(simulator)).base_url
    served_by = provider(request.provider)
    opened = open_client(attempt_s=COUNT_S, simulator_url=url, provider=served_by, redactor=redactor)
    client = await stack.enter_async_context(opened)
    return TokenCounter(client, redactor, provider=served_by)


def _no_batch(prepared: Prepared) -> str | None:
    """Return why a run cannot go into batches; None where it can."""
    served_by = provider(prepared.request.provider)
    if not served_by.batches:
        return f"{served_by.title} has none"
    played = prepared.plan.pass_rates
    problems = (
        problem
        for scenario in prepared.scenarios
        if scenario.name in played
        for problem in batch_problems(scenario, choices(scenario, prepared.request.models))
    )
    first = next(problems, None)
    return None if first is None else first.message
