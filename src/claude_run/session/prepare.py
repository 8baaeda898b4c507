"""From a request to all that playing needs: scenarios, plan, checks, and what to gate against."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache, partial
from itertools import chain
from typing import TYPE_CHECKING

from claude_run.checks.judge_check import asks_for_accepted, judges_of, named_judges, unjudged
from claude_run.checks.registry import Registry, default_registry
from claude_run.conversation.exchange import Request
from claude_run.conversation.served import ServedNames
from claude_run.errors import InputError
from claude_run.plan.estimate import worst_cost
from claude_run.plan.filters import parse_shard
from claude_run.plan.matrix import Plan, Selection, choices, expand
from claude_run.plan.model_checks import problems, unknown_judges
from claude_run.plan.model_rules import known_names
from claude_run.plan.prices import price_table
from claude_run.plan.providers import provider
from claude_run.record.folder import standing
from claude_run.record.recording import may_confirm
from claude_run.record.redact import Redactor
from claude_run.scenario.diagnostics import Diagnostic, Problems, render
from claude_run.scenario.loader import load
from claude_run.scenario.model import Graders, Text
from claude_run.session.compare import arm_of_accepted, arm_of_baseline
from claude_run.session.last_failed import last_failed
from claude_run.session.own_checks import OwnCheckFiles
from claude_run.session.rehearsal import as_scenario, refused_requests
from claude_run.session.trial import try_examples, vacuous
from claude_run.text.strict_json import plain_json
from claude_run.text.visible import count
from claude_run.verdict.gate import GateRules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import date

    from claude_run.plan.model_checks import ModelProblems
    from claude_run.scenario.loader import Noticed
    from claude_run.scenario.model import Expectation, Position, Scenario
    from claude_run.session.request import RunRequest
    from claude_run.session.trial import Trial
    from claude_run.verdict.comparison import Arm


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The scenarios that were read, the checks that they may ask for, and what was `noticed` in them."""

    scenarios: tuple[Scenario, ...]
    registry: Registry
    noticed: Problems = field(default_factory=Problems)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was noticed, as lines to show."""
        return tuple(render(self.noticed, severity="warning").split("\n")) if self.noticed else ()


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


def prepare(request: RunRequest, *, today: date) -> Prepared:
    """Read, check and plan what the request selects; `today` decides which models are retired."""
    request = with_standing_runs(request)
    return plan_loaded(request, load_scenarios(request, today=today))


def with_standing_runs(request: RunRequest) -> RunRequest:
    """Return the request with the runs that it names called by what they will be called later, too."""
    replay, reuse, baseline = (
        None if path is None else standing(path) for path in (request.replay, request.reuse, request.baseline)
    )
    return replace(request, replay=replay, reuse=reuse, baseline=baseline)


def load_scenarios(request: RunRequest, *, today: date, examples: list[Trial] | None = None) -> Loaded:
    """Read the scenarios and check them against the rules of their models.

    Where there is a list for it, expectations are tried on examples, and what came of it is added for each
    scenario. InvalidScenarioError lists every problem of every file.
    """
    own = OwnCheckFiles.of(request.own_checks).describe()
    registry = default_registry([described.check() for described in own])
    redactor = Redactor.from_environment(os.environ)
    check_models = partial(problems, today=today, by_force=request.no_model_rules)
    warnings = Problems()

    def inspect(scenario: Scenario, noticed: Noticed) -> Iterable[Diagnostic]:
        models = choices(scenario, request.models)
        found = [check_models(scenario, models)]
        judge = replace(scenario.judge or Graders(models=()), models=())
        judges = request.judge_models or (scenario.judge.models if scenario.judge else ())
        asked = replace(judge, models=tuple(dict.fromkeys([*judges, *named_judges(scenario)])))
        noticed.warn(unknown_judges(scenario, asked.models))
        refused = [] if _has_refusals(found[-1]) else list(refused_requests(scenario, models))
        # What a judge is asked has rules of its model, too.
        if asked.models:
            judging = as_scenario(scenario, asked)
            found.append(check_models(judging))
            refused += [] if _has_refusals(found[-1]) else refused_requests(judging, judging.models)
        noticed.warn([*chain.from_iterable((*each.forced, *each.warnings) for each in found), *refused])
        # Whether what is expected can fail, and with `examples` whether it holds of a good reply.
        tried: Sequence[Diagnostic] = ()
        if examples is None:
            noticed.warn(vacuous(scenario, registry, request.overrides))
        else:
            examples.append(try_examples(scenario, registry, request.overrides))
            tried = examples[-1].problems
        warnings.merge(noticed.problems)
        errors = chain.from_iterable(each.errors for each in found)
        unasked = () if judges else unjudged(scenario)
        return [*errors, *map(_no_judge, unasked), *tried, *_credential_problems(scenario, redactor)]

    scenarios = load(
        request.paths,
        vocabulary=registry,
        overrides=request.overrides,
        file_root=request.file_root,
        inspect=inspect,
    )
    return Loaded(scenarios=scenarios, registry=registry, noticed=warnings)


def _has_refusals(found: ModelProblems) -> bool:
    """Return whether it is told already what a model refuses: a rehearsal would only say it again."""
    return bool(found.errors or found.forced)


def numbered_cases(scenarios: Iterable[Scenario]) -> Iterator[str]:
    """Yield a line of advice for each scenario whose cases have no ids of their own."""
    for scenario in scenarios:
        numbered = [case for case in scenario.cases if case.numbered]
        if numbered:
            yield (
                f"note: {scenario.path}: {count(len(numbered), 'case')} without an id; baselines and"
                " comparisons pair them by their variables, so give each an `id` if those may change"
            )


def plan_loaded(request: RunRequest, loaded: Loaded) -> Prepared:
    """Plan scenarios that were read already, and find what they are gated against or judged beside."""
    notes: list[str] = []
    plan = make_plan(request, loaded.scenarios, told=notes.append)
    refuse_unpriced(request, plan)
    baseline = accepted = None
    rules = request.gate.rules()
    if request.baseline is not None:
        baseline = accepted = arm_of_baseline(request.baseline, plan.conversations)
        # Where nothing is sent there are no fresh attempts but those of the recorded run.
        if request.replay is not None and not may_confirm(request.replay):
            rules = request.gate.rules(most_fresh=0)
    elif any(map(asks_for_accepted, plan.conversations)):
        accepted = arm_of_accepted(plan.conversations)
    return Prepared(
        request=request,
        scenarios=loaded.scenarios,
        plan=plan,
        registry=loaded.registry,
        baseline=baseline,
        accepted=accepted,
        warnings=(*loaded.warnings, *notes),
        gate_rules=rules,
    )


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
    plan = expand(scenarios, selection, request.overrides)
    _refuse_for_provider(request, plan)
    if request.judge_models:
        judges = Graders(models=request.judge_models)
        conversations = (replace(conversation, judge=judges) for conversation in plan.conversations)
        plan = replace(plan, conversations=tuple(conversations))
    served = ServedNames(ids=known_names(), allowed=request.allowed_models)
    return replace(plan, conversations=tuple(replace(each, served=served) for each in plan.conversations))


def _refuse_for_provider(request: RunRequest, plan: Plan) -> None:
    """Raise InputError for what a scenario asks of a provider that does not have it."""
    served_by = provider(request.provider)
    asks = next((each for each in plan.conversations if "cache_control" in each.params), None)
    if asks is not None and not served_by.caches_by_itself:
        raise InputError(
            f"{asks.identity.path}: {served_by.title} takes no `cache_control` at the top of a request:"
            " set it on blocks, or leave it out"
        )


def _no_judge(expectation: Expectation) -> Diagnostic:
    hint = "write `judge: {model: claude-opus-5-5}` in the scenario, or pass --judge-model"
    return Diagnostic(position=expectation.position, message="`judge` has no model to ask", hint=hint)


def _credential_problems(scenario: Scenario, redactor: Redactor) -> Iterator[Diagnostic]:
    """Yield the places where the credential in use stands: it would be sent as text, and written down."""
    texts = _texts(scenario, scenario.position) if redactor else ()
    places = {position for text, position in texts if redactor.finds(text)}
    for position in places:
        message = "the credential in use stands here: it would be sent to the model, and be written down"
        yield Diagnostic(position=position, message=message, hint="take it out of the scenario")


def _texts(value: object, position: Position) -> Iterator[tuple[str, Position]]:
    """Yield every text of a scenario, or JSON with several, and the nearest place that is known of it."""
    if isinstance(value, str):
        yield value, position
    elif isinstance(value, tuple):
        for part in value:
            yield from _texts(part, position)
    elif is_dataclass(value) and not isinstance(value, type):
        position = getattr(value, "position", None) or position
        for name in _telling_fields(type(value)):
            yield from _texts(getattr(value, name), position)
    elif isinstance(value, Mapping) and any(isinstance(part, tuple | Text) for part in value.values()):
        # What a scenario says by names, such as the results of tools, and no JSON.
        yield from _texts(tuple(value.items()), position)
    elif isinstance(value, Mapping | Sequence):
        yield plain_json(value if isinstance(value, dict | list) else dict(value)), position


@cache
def _telling_fields(cls: type) -> tuple[str, ...]:
    names = (each.name for each in fields(cls))
    return tuple(name for name in names if name not in {"position", "param_positions"})


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
