"""From a request to all that playing needs: scenarios, plan, checks, and what to gate against."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from claude_run.checks.judge_check import asks_for_accepted, judges_of
from claude_run.conversation.exchange import Request
from claude_run.conversation.served import ServedNames
from claude_run.errors import InputError
from claude_run.plan.estimate import worst_cost
from claude_run.plan.matrix import Plan, Selection, expand
from claude_run.plan.model_rules import known_names
from claude_run.plan.prices import price_table
from claude_run.plan.providers import provider
from claude_run.plan.shards import parse_shard
from claude_run.record.folder import standing
from claude_run.record.recording import Recording, may_confirm
from claude_run.scenario.model import Graders
from claude_run.session.compare import arm_of_accepted, arm_of_baseline
from claude_run.session.last_failed import last_failed
from claude_run.session.load import load_scenarios
from claude_run.verdict.gate import GateRules

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from claude_run.checks.registry import Registry
    from claude_run.record.history import History
    from claude_run.scenario.model import Scenario
    from claude_run.session.load import Loaded
    from claude_run.session.request import RunRequest
    from claude_run.verdict.comparison import Arm


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """All that playing needs: the plan, the checks, and the baseline to gate against.

    `accepted` are the replies that judges compare new ones with; None where no judge is asked to. `labels` is
    the file of labelled replies where a judge is held against people. `gate_rules` are those of the gate.
    """

    request: RunRequest
    scenarios: tuple[Scenario, ...]
    plan: Plan
    registry: Registry
    baseline: Arm | None = None
    accepted: Arm | None = None
    warnings: tuple[str, ...] = ()
    labels: str | None = None
    gate_rules: GateRules = field(default_factory=GateRules)

    @property
    def gates(self) -> bool:
        """Whether the run is held against its baseline: a shard is not, for the verdict is on all of them."""
        return self.baseline is not None and self.request.shard is None


def prepare(request: RunRequest, *, today: date, ids: frozenset[str] | None = None) -> Prepared:
    """Read, check and plan what the request selects; `today` decides which models are retired.

    With `ids` exactly those conversations are planned, whatever the request selects.
    """
    request = with_standing_runs(request)
    return plan_loaded(request, load_scenarios(request, today=today), ids=ids)


def with_standing_runs(request: RunRequest) -> RunRequest:
    """Return the request with the runs that it names called by what they will be called later, too."""
    replay, reuse, baseline = (
        None if path is None else standing(path) for path in (request.replay, request.reuse, request.baseline)
    )
    return replace(request, replay=replay, reuse=reuse, baseline=baseline)


def recorded(request: RunRequest, told: Callable[[str], None]) -> Sequence[History]:
    """Return the histories that a request takes replies from, the newest last; `told` hears which they are.

    What is reused brings with it what it took over itself. InputError where there is no recording.
    """
    if request.reuse is not None:
        return Recording.line_of(request.reuse, told)
    if request.replay is None:
        return ()
    history = Recording.history_of(request.replay)
    told(f"taking replies from {request.replay}")
    return (history,)


def plan_loaded(request: RunRequest, loaded: Loaded, *, ids: frozenset[str] | None = None) -> Prepared:
    """Plan scenarios that were read already, and find what they are gated against or judged beside.

    With `ids` exactly those conversations are planned.
    """
    notes: list[str] = []
    plan = make_plan(request, loaded.scenarios, ids=ids, told=notes.append)
    refuse_unpriced(request, plan)
    baseline = accepted = None
    if request.baseline is not None:
        # Of a shard too it is that of the whole, so that all shards are known to have had the same one.
        baseline = accepted = arm_of_baseline(request.baseline, (plan.whole or plan).identities)
    elif any(map(asks_for_accepted, plan.conversations)):
        accepted = arm_of_accepted(plan.identities)
    return Prepared(
        request=request,
        scenarios=loaded.scenarios,
        plan=plan,
        registry=loaded.registry,
        baseline=baseline,
        accepted=accepted,
        warnings=(*loaded.warnings, *notes),
        gate_rules=gate_rules(request),
    )


def gate_rules(request: RunRequest) -> GateRules:
    """Return the rules of the gate that a request asks for; InputError for a number out of its range."""
    # Where nothing is sent there are no fresh attempts but those of the recorded run.
    if request.baseline is not None and request.replay is not None and not may_confirm(request.replay):
        return request.gate.rules(most_fresh=0)
    return request.gate.rules()


def make_plan(
    request: RunRequest,
    scenarios: Sequence[Scenario],
    *,
    ids: frozenset[str] | None = None,
    told: Callable[[str], None] = lambda _line: None,
) -> Plan:
    """Expand the scenarios into the conversations that the request selects, or into exactly those of `ids`.

    `told` gets a line that says of which runs the selection was made, if of any.
    """
    selection = Selection(
        models=request.models,
        repeat=request.repeat,
        tags=request.tags,
        expression=request.expression,
        last_failed=partial(last_failed, simulated=request.simulate, told=told)
        if request.last_failed
        else None,
        shard=parse_shard(request.shard) if request.shard is not None else None,
    )
    if ids is not None:
        selection = Selection(models=request.models, repeat=request.repeat, ids=ids)
    if request.judge_models:
        judges = Graders(models=request.judge_models)
        scenarios = [replace(scenario, judge=judges) for scenario in scenarios]
    if request.no_cache:
        scenarios = [replace(scenario, cache="off") for scenario in scenarios]
    served = ServedNames(ids=known_names(), allowed=request.allowed_models)
    plan = expand(scenarios, selection, request.overrides, served=served)
    _refuse_for_provider(request, plan)
    return plan


def _refuse_for_provider(request: RunRequest, plan: Plan) -> None:
    """Raise InputError for what a scenario asks of a provider that does not have it."""
    served_by = provider(request.provider)
    if served_by.caches_by_itself:
        return
    asks = next((each for each in plan.conversations if "cache_control" in each.params), None)
    if asks is not None:
        raise InputError(
            f"{asks.identity.path}: {served_by.title} takes no `cache_control` at the top of a request:"
            " set it on blocks, or leave it out"
        )


def refuse_unpriced(request: RunRequest, plan: Plan) -> None:
    """Raise InputError where a cap on the cost could not be held, because a model has no known price."""
    if request.max_cost is None:
        return
    models = dict.fromkeys(model for each in plan.conversations for model in (each.model, *judges_of(each)))
    probes = {model: Request(body={"model": model, "max_tokens": 1, "messages": []}) for model in models}
    unpriced = [model for model, probe in probes.items() if worst_cost(probe) is None]
    if unpriced:
        raise InputError(
            f"--max-cost cannot be held: {', '.join(unpriced)} has no known price in {price_table()};"
            " leave the model out, or bound the run with --max-requests"
        )
