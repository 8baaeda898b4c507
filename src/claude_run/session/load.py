"""Reading scenarios and finding all that can be found wrong with them before anything is sent."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache, partial
from itertools import chain
from typing import TYPE_CHECKING

from claude_run.checks.judge_check import named_judges, unjudged
from claude_run.checks.registry import Registry, default_registry
from claude_run.plan.batch_checks import batch_problems
from claude_run.plan.matrix import choices
from claude_run.plan.model_checks import problems, unknown_judges
from claude_run.record.redact import Redactor
from claude_run.scenario.diagnostics import Diagnostic, Problems, render
from claude_run.scenario.loader import is_meant, load
from claude_run.scenario.model import Graders, Text
from claude_run.session.rehearsal import as_scenario, refused_requests
from claude_run.session.trial import try_examples, vacuous
from claude_run.text.strict_json import plain_json
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date
    from pathlib import Path

    from claude_run.checks.kind import Check
    from claude_run.plan.model_checks import ModelProblems
    from claude_run.scenario.loader import Noticed
    from claude_run.scenario.model import Expectation, Position, Scenario
    from claude_run.session.request import RunRequest
    from claude_run.session.trial import Trial


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


def load_scenarios(request: RunRequest, *, today: date, examples: list[Trial] | None = None) -> Loaded:
    """Read the scenarios and check them against the rules of their models.

    Where there is a list for it, expectations are tried on examples, and what came of it is added for each
    scenario. InvalidScenarioError lists every problem of every file.
    """
    registry = registry_of(request.own_checks)
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
        errors = list(chain.from_iterable(each.errors for each in found))
        if request.batch and request.replay is None:
            errors += batch_problems(scenario, models)
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


def registry_of(files: Sequence[Path]) -> Registry:
    """Return all checks. Without files, those of installed packages are looked for when one is asked for."""

    def own() -> Sequence[Check]:
        from claude_run.session.own_check_files import OwnCheckFiles  # noqa: PLC0415 - most projects have none

        return [described.check() for described in OwnCheckFiles.of(files).describe()]

    return default_registry(own()) if files else default_registry(further=own)


def _has_refusals(found: ModelProblems) -> bool:
    """Return whether it is told already what a model refuses: a rehearsal would only say it again."""
    return bool(found.errors or found.forced)


def is_meant_as_scenario(path: Path, *, top: Path) -> bool:
    """Return whether `check` of a folder would take a file in it for a scenario, sound or not.

    `top` is the folder up to which scenarios may lie that have the file as their data.
    """
    return is_meant(str(path), vocabulary=default_registry(), top=top)


def numbered_cases(scenarios: Iterable[Scenario]) -> Iterator[str]:
    """Yield a line of advice for each scenario whose cases have no ids of their own."""
    for scenario in scenarios:
        numbered = [case for case in scenario.cases if case.numbered]
        if numbered:
            yield (
                f"note: {scenario.path}: {count(len(numbered), 'case')} without an id; baselines and"
                " comparisons pair them by their variables, so give each an `id` if those may change"
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
    elif isinstance(value, Mapping) and not _is_json(value):
        # What a scenario says by names, such as the results of tools, or by the variables that choose a file.
        yield from _texts(tuple(value.items()), position)
    elif isinstance(value, Mapping | Sequence):
        yield plain_json(value if isinstance(value, dict | list) else dict(value)), position


def _is_json(value: Mapping[object, object]) -> bool:
    """Return whether an object is one of JSON, and none of the model's own."""
    return all(isinstance(name, str) and not isinstance(part, tuple | Text) for name, part in value.items())


@cache
def _telling_fields(cls: type) -> tuple[str, ...]:
    names = (each.name for each in fields(cls))
    return tuple(name for name in names if name not in {"position", "param_positions"})
