"""From the options of `chat` to the one conversation that it goes on with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from claude_run.checks.registry import default_registry
from claude_run.errors import InputError
from claude_run.plan.matrix import choices
from claude_run.plan.model_checks import problems
from claude_run.scenario.diagnostics import InvalidScenarioError
from claude_run.scenario.model import Case, ModelChoice, Position, Scenario, Text, UserTurn, Variant
from claude_run.scenario.template_language import literal
from claude_run.session.chat import refuse_file
from claude_run.session.load import load_scenarios
from claude_run.session.prepare import make_plan, refuse_unpriced
from claude_run.session.rehearsal import refused_requests
from claude_run.session.request import RunRequest, refuse_contradictions
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from pathlib import Path

    from claude_run.checks.registry import Registry
    from claude_run.conversation.script import Conversation
    from claude_run.scenario.json_values import Json
    from claude_run.session.request import ChatRequest

DEFAULT_MODEL = "claude-haiku-5-5"
"""Whom a chat without a scenario talks to, where `-m` says nothing."""

_HERE = Position(path="chat", line=1, column=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedChat:
    """The conversation that a chat goes on with, and how it is played.

    `others` are the ids of the conversations that could have been meant as well. `save` is where it is kept.
    """

    request: RunRequest
    conversation: Conversation
    registry: Registry
    others: tuple[str, ...] = ()
    save: Path | None = None
    warnings: tuple[str, ...] = ()


def prepare_chat(request: RunRequest, asked: ChatRequest, *, today: date) -> PreparedChat:
    """Read and check what a chat begins with; `request` holds what it takes of a run.

    InputError for options that make no sense, InvalidScenarioError for a scenario that is wrong,
    SelectionError where `-k` leaves nothing.
    """
    _refuse_unusable(request, asked)
    refuse_contradictions(request)
    if asked.save is not None:
        refuse_file(asked.save)
    request = replace(request, patience_s=asked.patience_s, repeat=1)

    # The scenario, or one that says nothing yet, with what the options put in its place.
    warnings: tuple[str, ...] = ()
    registry = default_registry()
    if asked.paths:
        loaded = load_scenarios(request, today=today)
        if len(loaded.scenarios) > 1:
            names = count(len(loaded.scenarios), "scenario")
            raise InputError(f"{asked.paths[0]} holds {names}, and a chat goes on with one: name its file")
        scenario, registry, warnings = loaded.scenarios[0], loaded.registry, loaded.warnings
    else:
        request = replace(request, models=request.models or (DEFAULT_MODEL,))
        scenario = Scenario(name="chat", path="chat", sha256="", position=_HERE, turns=())
    overridden = _overridden(scenario, asked)
    if overridden is not scenario or not asked.paths:
        warnings += _refusals(overridden, request, today=today)

    # Of several conversations the first one is taken, and whoever takes it says so.
    plan = make_plan(request, [overridden])
    chosen, *others = plan.conversations
    refuse_unpriced(request, replace(plan, conversations=(_unjudged(chosen),)))
    return PreparedChat(
        request=request,
        conversation=chosen,
        registry=registry,
        others=tuple(each.id for each in others),
        save=asked.save,
        warnings=warnings,
    )


def problem_of_saved(path: Path, *, today: date) -> str | None:
    """Return the first thing that keeps a scenario that was written from being played; None for nothing."""
    try:
        load_scenarios(RunRequest(paths=(str(path),)), today=today)
    except InvalidScenarioError as error:
        return next((each.message for each in error.problems.shown), str(error))
    return None


def _refuse_unusable(request: RunRequest, asked: ChatRequest) -> None:
    if len(asked.paths) > 1:
        raise InputError(
            f"chat takes one scenario, and was given {len(asked.paths)}: name the one that is meant"
        )
    if len(request.models) > 1:
        raise InputError(f"chat talks to one model, and -m was given {len(request.models)}: name one of them")
    if not asked.paths:
        for flag, given in (("-k", request.expression), ("--set", request.overrides)):
            if given:
                raise InputError(
                    f"{flag} is for a scenario: name one, as in `claude-run chat FILE {flag} ...`"
                )


def _overridden(scenario: Scenario, asked: ChatRequest) -> Scenario:
    """Return the scenario with the prompt and the limit that the options say, whatever it says itself."""
    if asked.system is not None:
        text = (
            Text(source=literal(asked.system), position=scenario.position) if asked.system.strip() else None
        )
        plain = tuple(replace(each, system=None, overrides_system=False) for each in scenario.variants)
        scenario = replace(scenario, system=text, variants=plain)
    if asked.max_tokens is not None:
        limit: Mapping[str, Json] = {"max_tokens": asked.max_tokens}
        scenario = replace(
            scenario,
            params={**scenario.params, **limit},
            variants=tuple(replace(each, params=_without_limit(each)) for each in scenario.variants),
            models=tuple(replace(each, params=_without_limit(each)) for each in scenario.models),
        )
    return scenario


def _without_limit(layer: Variant | ModelChoice) -> Mapping[str, Json]:
    return {name: value for name, value in layer.params.items() if name != "max_tokens"}


def _refusals(scenario: Scenario, request: RunRequest, *, today: date) -> tuple[str, ...]:
    """Return warnings on what nobody has checked yet; InputError for what the model is known to refuse."""
    models = choices(scenario, request.models)
    found = problems(scenario, models, today=today, by_force=request.no_model_rules)
    if found.errors:
        first = found.errors[0]
        raise InputError(first.message + (f"; {first.hint}" if first.hint else ""))
    said = UserTurn(content=Text(source="a message", position=_HERE), position=_HERE)
    asked = replace(scenario, turns=scenario.turns or (said,), cases=scenario.cases or (Case(),))
    noticed = (*found.forced, *found.warnings, *(() if found.forced else refused_requests(asked, models)))
    return tuple(f"warning: {each.message}" for each in noticed)


def _unjudged(conversation: Conversation) -> Conversation:
    """Return the conversation without what is expected of it: nobody is asked to judge a chat."""
    turns = (replace(each, expect=()) if isinstance(each, UserTurn) else each for each in conversation.turns)
    return replace(conversation, expect=(), turns=tuple(turns))
