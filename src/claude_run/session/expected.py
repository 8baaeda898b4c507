"""What a run with tools is likely to cost: its conversations played against their own examples, in memory."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.checks.conditions import ScriptRenderer
from claude_run.conversation.exchange import HEADER_PARAMS, Exchange, Reply
from claude_run.conversation.steps import Send, Steps
from claude_run.conversation.transcript import total_cost
from claude_run.errors import ClaudeRunError
from claude_run.plan.model_rules import extra_headers
from claude_run.plan.prices import cost
from claude_run.scenario.model import UserTurn
from claude_run.simulator.engine import Engine
from claude_run.simulator.examples import ExampleBook
from claude_run.simulator.problems import ApiError
from claude_run.simulator.validation import VERSIONS

if TYPE_CHECKING:
    from decimal import Decimal

    from claude_run.conversation.script import Conversation
    from claude_run.plan.matrix import Plan

_MOST = 100  # different conversations that are played


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The requests and the cost of a run whose replies are as their examples; None without a price."""

    requests: int
    cost_usd: Decimal | None


def as_examples_play(plan: Plan) -> Expected | None:
    """Play each conversation against its examples; None where there is nothing to learn from it.

    That is where no conversation has results of tools, where a turn has no example, where there are too many
    different conversations, and where one cannot be played. Each has a cache of its own.
    """
    if not any(each.tool_results.by_tool for each in plan.conversations):
        return None
    by_case = {each.identity.case_name: each for each in plan.conversations}
    if len(by_case) > _MOST or not all(map(_has_examples, by_case.values())):
        return None
    found: dict[str, Expected] = {}
    with suppress(ClaudeRunError, ApiError):
        found = {name: _played(each) for name, each in by_case.items()}
    if not found:
        return None
    played = [found[each.identity.case_name] for each in plan.conversations]
    return Expected(
        requests=sum(each.requests for each in played), cost_usd=total_cost(each.cost_usd for each in played)
    )


def _has_examples(conversation: Conversation) -> bool:
    return all(turn.example is not None for turn in conversation.turns if isinstance(turn, UserTurn))


def _played(conversation: Conversation) -> Expected:
    renderer = ScriptRenderer(conversation.vars)
    book = ExampleBook.from_conversations([conversation], lambda _: renderer)
    engine = Engine(book, lambda: 0.0)
    steps = Steps(conversation, renderer)
    exchanges: list[Exchange] = []
    costs: list[Decimal | None] = []
    while isinstance(step := steps.next(exchanges), Send):
        params = step.request.body
        body = {key: value for key, value in params.items() if key not in HEADER_PARAMS}
        betas = {"anthropic-beta": "as given"} if "betas" in params else {}
        version = {"anthropic-version": VERSIONS[-1], **extra_headers(conversation.model, params)}
        prepared = engine.prepare(body, {**version, **betas})
        engine.begin(prepared)
        costs.append(cost(prepared.message))
        reply = Reply.from_body(prepared.message)
        exchanges.append(Exchange(turn=step.turn, key="", sent=step.sent, reply=reply))
    return Expected(requests=len(costs), cost_usd=total_cost(costs))
