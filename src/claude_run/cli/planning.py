"""From paths and options to a plan, with everything said that can be said before anything is sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from claude_run.checks.registry import default_registry
from claude_run.cli.talk import complain
from claude_run.conversation.exchange import Request
from claude_run.conversation.results import Outcome
from claude_run.errors import InputError, SelectionError
from claude_run.plan.estimate import worst_cost
from claude_run.plan.filters import parse_shard
from claude_run.plan.matrix import Selection, choices, expand
from claude_run.plan.model_checks import problems
from claude_run.plan.prices import price_table
from claude_run.record.derive import read_played
from claude_run.record.folder import RunFolder, latest
from claude_run.scenario.diagnostics import InvalidScenarioError, render
from claude_run.scenario.loader import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.cli.options import RunOptions
    from claude_run.plan.matrix import Plan
    from claude_run.scenario.model import Scenario


def load_scenarios(options: RunOptions) -> tuple[Scenario, ...]:
    """Read the scenarios and hold them against the rules of their models; warnings go to stderr.

    InvalidScenarioError lists every problem of every file.
    """
    scenarios = load(
        options.paths,
        vocabulary=default_registry(),
        overrides=options.overrides,
        file_root=options.file_root,
    )
    today = datetime.now(UTC).date()
    found = [problems(scenario, choices(scenario, options.models), today=today) for scenario in scenarios]
    errors = [error for each in found for error in each.errors]
    if errors:
        raise InvalidScenarioError(errors)
    warnings = [warning for each in found for warning in each.warnings]
    if warnings and not options.quiet:
        complain(*render(warnings, severity="warning").split("\n"))
    return scenarios


def make_plan(
    options: RunOptions, scenarios: Sequence[Scenario], *, ids: frozenset[str] | None = None
) -> Plan:
    """Expand the scenarios into the conversations that the options select, or into exactly those of `ids`."""
    if ids is not None:
        return expand(
            scenarios, Selection(models=options.models, repeat=options.repeat, ids=ids), options.overrides
        )
    selection = Selection(
        models=options.models,
        repeat=options.repeat,
        tags=options.tags,
        expression=options.expression,
        shard=parse_shard(options.shard) if options.shard else None,
    )
    plan = expand(scenarios, selection, options.overrides)
    return _last_failed(plan) if options.last_failed else plan


def refuse_unpriced(options: RunOptions, plan: Plan) -> None:
    """Raise InputError where a cap on the cost could not be held, because a model has no known price."""
    if options.max_cost is None:
        return
    models = dict.fromkeys(conversation.model for conversation in plan.conversations)
    probes = {model: Request(body={"model": model, "max_tokens": 1, "messages": []}) for model in models}
    unpriced = [model for model, probe in probes.items() if worst_cost(probe) is None]
    if unpriced:
        raise InputError(
            f"--max-cost cannot be held: {', '.join(unpriced)} has no known price in {price_table()};"
            " leave the model out, or bound the run with --max-requests"
        )


def _last_failed(plan: Plan) -> Plan:
    """Keep the conversations that failed, erred or were not finished in the latest run."""
    played = read_played(RunFolder.open(latest()))
    wanted = {record.planned.id for record in played.records if record.outcome is not Outcome.PASSED}
    kept = tuple(conversation for conversation in plan.conversations if conversation.id in wanted)
    if not kept:
        raise SelectionError("--last-failed: nothing of this selection failed in the latest run")
    scenarios = {conversation.scenario for conversation in kept}
    paths = {conversation.path for conversation in kept}
    return replace(
        plan,
        conversations=kept,
        pass_rates={name: rate for name, rate in plan.pass_rates.items() if name in scenarios},
        files={path: digest for path, digest in plan.files.items() if path in paths},
    )
