"""From paths and options to a plan, with everything said that can be said before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from claude_run.checks.custom import installed, load_file
from claude_run.checks.judge_check import asks_for_accepted, judges_of
from claude_run.checks.registry import Registry, default_registry
from claude_run.cli.sides import scenarios_of, side_of_accepted, side_of_baseline
from claude_run.cli.talk import complain
from claude_run.conversation.exchange import Request
from claude_run.conversation.results import Outcome
from claude_run.errors import InputError, SelectionError
from claude_run.plan.estimate import worst_cost
from claude_run.plan.filters import parse_shard
from claude_run.plan.matrix import Plan, Selection, choices, expand
from claude_run.plan.model_checks import problems
from claude_run.plan.prices import price_table
from claude_run.record.derive import read_played
from claude_run.record.folder import RunFolder, latest
from claude_run.scenario.diagnostics import render
from claude_run.scenario.loader import load
from claude_run.scenario.model import Graders

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from claude_run.cli.options import RunOptions
    from claude_run.scenario.diagnostics import Diagnostic
    from claude_run.scenario.model import Scenario
    from claude_run.verdict.contest import Side

LOOKS = 4
"""How often `--until-sure` looks at the results, and so how many times the repeats may be played."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """All that playing needs, found sound: the plan, the checks, and the baseline to gate against.

    `accepted` are the replies that judges hold new ones against; None where no judge is asked to.
    """

    options: RunOptions
    scenarios: tuple[Scenario, ...]
    plan: Plan
    registry: Registry
    baseline: Side | None
    accepted: Side | None = None


def prepare(options: RunOptions) -> Prepared:
    """Read, check and plan what the options select."""
    registry = registry_of(options)
    return prepared(options, load_scenarios(options, registry), registry)


def prepared(options: RunOptions, scenarios: tuple[Scenario, ...], registry: Registry) -> Prepared:
    """Plan scenarios that were read already."""
    plan = make_plan(options, scenarios)
    refuse_unpriced(options, plan)
    baseline = accepted = None
    if options.baseline is not None:
        options.gate.rules()
        baseline = accepted = side_of_baseline(options.baseline, scenarios_of(plan.conversations))
    elif any(map(asks_for_accepted, plan.conversations)):
        accepted = side_of_accepted(scenarios_of(plan.conversations))
    return Prepared(
        options=options,
        scenarios=scenarios,
        plan=plan,
        registry=registry,
        baseline=baseline,
        accepted=accepted,
    )


def registry_of(options: RunOptions) -> Registry:
    """Return the built-in checks, those of installed packages, and those of `--checks`."""
    own = (check for path in options.own_checks for check in load_file(path))
    return default_registry([*installed(), *own])


def load_scenarios(options: RunOptions, registry: Registry) -> tuple[Scenario, ...]:
    """Read the scenarios and hold them against the rules of their models; warnings go to stderr.

    InvalidScenarioError lists every problem of every file.
    """
    today = datetime.now(UTC).date()
    warnings: list[Diagnostic] = []

    def inspect(scenario: Scenario) -> Iterable[Diagnostic]:
        found = problems(scenario, choices(scenario, options.models), today=today)
        warnings.extend(found.warnings)
        return found.errors

    scenarios = load(
        options.paths,
        vocabulary=registry,
        overrides=options.overrides,
        file_root=options.file_root,
        inspect=inspect,
    )
    if warnings and not options.quiet:
        complain(*render(warnings, severity="warning").split("\n"))
    return scenarios


def make_plan(
    options: RunOptions, scenarios: Sequence[Scenario], *, ids: frozenset[str] | None = None
) -> Plan:
    """Expand the scenarios into the conversations that the options select, or into exactly those of `ids`.

    With `--until-sure` the plan holds the repeats of every look that there may be.
    """
    selection = Selection(
        models=options.models,
        repeat=options.repeat,
        tags=options.tags,
        expression=options.expression,
        shard=parse_shard(options.shard) if options.shard else None,
    )
    if ids is not None:
        selection = Selection(models=options.models, repeat=options.repeat, ids=ids)
    if options.until_sure:
        scenarios = [
            replace(scenario, repeat=repeats_of(options, scenario) * LOOKS) for scenario in scenarios
        ]
        selection = replace(selection, repeat=None)
    plan = expand(scenarios, selection, options.overrides)
    if options.judge_models:
        judges = Graders(models=options.judge_models)
        conversations = (replace(conversation, judge=judges) for conversation in plan.conversations)
        plan = replace(plan, conversations=tuple(conversations))
    return _last_failed(plan) if options.last_failed else plan


def repeats_of(options: RunOptions, scenario: Scenario) -> int:
    """Return how often each conversation of a scenario is played, for one look."""
    return options.repeat or scenario.repeat


def refuse_unpriced(options: RunOptions, plan: Plan) -> None:
    """Raise InputError where a cap on the cost could not be held, because a model has no known price."""
    if options.max_cost is None:
        return
    models = dict.fromkeys(model for each in plan.conversations for model in (each.model, *judges_of(each)))
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
    scenarios = {conversation.identity.scenario for conversation in kept}
    paths = {conversation.identity.path for conversation in kept}
    return replace(
        plan,
        conversations=kept,
        pass_rates={name: rate for name, rate in plan.pass_rates.items() if name in scenarios},
        files={path: digest for path, digest in plan.files.items() if path in paths},
    )
