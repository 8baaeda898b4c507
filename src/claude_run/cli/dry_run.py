"""`run --dry-run`: what would be played, how many requests that is, and what it may cost at most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.checks.judge_check import judges_of
from claude_run.cli.planning import prepare
from claude_run.cli.playing import renderer_of
from claude_run.cli.talk import complain, say
from claude_run.plan.estimate import estimate
from claude_run.plan.prices import price_table
from claude_run.report.text.numbers import usd
from claude_run.text.visible import count

if TYPE_CHECKING:
    from claude_run.cli.options import RunOptions


def dry_run(options: RunOptions) -> int:
    """Print the conversations on stdout and the bound on stderr; send and write nothing."""
    plan = prepare(options).plan
    bound = estimate(plan, renderer_of)
    for conversation in plan.conversations:
        say(conversation.id)
    for row in bound.models:
        conversations, requests = count(row.conversations, "conversation"), count(row.requests, "request")
        complain(f"{row.model}: {conversations}, {requests}, at most {usd(row.worst_cost_usd)}")
    for model in bound.unpriced:
        complain(f"{model} has no known price: its cost is not bounded")
    answers = sum(len(judges_of(conversation)) for conversation in plan.conversations)
    if answers:
        complain(
            f"judges: {count(answers, 'answer')} on top, not in the bound below; --max-cost holds them too"
        )
    conversations, requests = count(bound.conversations, "conversation"), count(bound.requests, "request")
    worst = usd(bound.worst_cost_usd)
    complain(f"{conversations}, {requests}, at most {worst} ({price_table()}); nothing was sent")
    return 0
