"""What the API would refuse of a scenario on the models it is played on, said before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, TypeAlias

from claude_run.plan.matrix import DEFAULT_MAX_TOKENS, MAX_CONVERSATIONS
from claude_run.plan.media_checks import media_problems
from claude_run.plan.model_rules import (
    SAMPLING,
    ModelRules,
    known_names,
    newer_model,
    retirement,
    rules_for,
)
from claude_run.scenario.diagnostics import Diagnostic, did_you_mean
from claude_run.scenario.model import AssistantTurn, SystemTurn, UserTurn
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from claude_run.scenario.json_values import Json
    from claude_run.scenario.model import ModelChoice, Position, Scenario, Variant

SOON_DAYS = 60
"""So many days before a model retires a warning says so."""

EFFORTS = ("low", "medium", "high", "xhigh", "max")

_MIN_BUDGET = 1024
_DEFAULTS: Mapping[str, float] = {"temperature": 1, "top_p": 0.99}
_FORCED = ("any", "tool")
_NEAR = 0.85
_OVERRULED = "it is sent all the same, by --no-model-rules"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelProblems:
    """`errors`: the API would answer with 400 or 404. `warnings`: it still answers, but not for long.

    `forced` are errors that the user has overruled: each says that it is sent all the same.
    """

    errors: tuple[Diagnostic, ...] = ()
    forced: tuple[Diagnostic, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()


def problems(
    scenario: Scenario, models: Sequence[ModelChoice] | None = None, *, today: date, by_force: bool = False
) -> ModelProblems:
    """Check every variant of a scenario on `models` (default: its own) against the table of models.

    Each problem stands at the parameter, model or variant that brings it in. A model that the table does not
    know passes. What no model takes counts too: too large an image, a schema that asks for too much.
    `by_force` what is known to be refused is no error: it is to be sent.
    """
    chosen = scenario.models if models is None else models
    if not chosen:
        return ModelProblems(errors=(_no_model(scenario),))
    if len(chosen) * len(scenario.variants) > MAX_CONVERSATIONS:
        return ModelProblems(errors=(_too_large(scenario, len(chosen)),))
    subjects = [
        _Subject(scenario=scenario, variant=variant, choice=choice, rules=rules)
        for choice in chosen
        if (rules := rules_for(choice.id))
        for variant in scenario.variants
    ]
    # By what is written, and by the announced end of the model.
    retired = [_retirement(scenario, choice, today=today) for choice in chosen]
    known = {subject.choice.id: subject for subject in subjects}
    errors = [
        *_found(subjects, _ERRORS),
        *_found(known.values(), [_turns]),
        *(problem for problem, over in retired if problem and over),
        *media_problems(scenario, chosen),
        *scenario.refusals,
    ]
    warnings = [
        *_found(subjects, _WARNINGS),
        *(problem for problem, over in retired if problem and not over),
        *_unknown(scenario, [(choice.id, choice.position, "model") for choice in chosen]),
    ]
    if by_force:
        overruled = (replace(each, message=f"{each.message}; {_OVERRULED}") for each in errors)
        return ModelProblems(forced=_once(overruled), warnings=_once(warnings))
    return ModelProblems(errors=_once(errors), warnings=_once(warnings))


def unknown_judges(scenario: Scenario, models: Iterable[str]) -> tuple[Diagnostic, ...]:
    """Return a warning for each of these judges whose id is nearly that of a known model."""
    return _once(_unknown(scenario, [(model, None, "judge") for model in models]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """One variant of a scenario on one model: the parameters in effect, and where each was written."""

    scenario: Scenario
    variant: Variant
    choice: ModelChoice
    rules: ModelRules

    def get(self, name: str) -> Json:
        """Return a parameter as it will be sent; None where it is not."""
        for layer in (self.choice.params, self.variant.params, self.scenario.params):
            if name in layer:
                return layer[name]
        return None

    def part(self, name: str, key: str) -> Json:
        """Return a member of a parameter that is an object; None where there is none."""
        value = self.get(name)
        return value.get(key) if isinstance(value, Mapping) else None

    def problem(self, name: str, message: str, hint: str) -> Diagnostic:
        """Return a problem of this model at the place where the parameter was written."""
        position = self.scenario.param_positions.get(name, self.scenario.position)
        for layer in (self.variant, self.choice):
            if name in layer.params:
                position = layer.param_positions.get(name) or layer.position or position
        return Diagnostic(position=position, message=f"`{self.choice.id}` {message}", hint=hint)


_Check: TypeAlias = Callable[[_Subject], Iterator[Diagnostic]]


def _sampling(subject: _Subject) -> Iterator[Diagnostic]:
    given = [name for name in SAMPLING if subject.get(name) is not None]
    rule = subject.rules.sampling
    for name in given:
        hint = "remove it, or play a model of the 4.6 line or older"
        if subject.get(name) == 0:
            hint = "remove it: replies vary on every model; see how often with `repeat` and `pass_rate`"
        if rule == "refused":
            yield subject.problem(name, f"takes no `{name}`", hint)
        elif rule == "defaults" and subject.get(name) != _DEFAULTS.get(name):
            yield subject.problem(name, f"takes no `{name}` but temperature 1 or top_p 0.99", hint)
    if rule in {"defaults", "one"} and {"temperature", "top_p"} <= set(given):
        yield subject.problem("top_p", "takes `temperature` or `top_p`, not both", "remove one of them")


def _thinking(subject: _Subject) -> Iterator[Diagnostic]:
    kind = subject.part("thinking", "type")
    rules = subject.rules
    if not isinstance(kind, str):
        return
    if kind not in rules.thinking:
        hint = f"it takes {_listed(rules.thinking)}; without `thinking` it does what is its default"
        yield subject.problem("thinking", f"takes no thinking of type `{kind}`", hint)
    elif kind == "enabled":
        budget, limit = subject.part("thinking", "budget_tokens"), _max_tokens(subject)
        if not isinstance(budget, int) or not _MIN_BUDGET <= budget < limit:
            message = f"needs a `budget_tokens` of at least {_MIN_BUDGET:,} and below max_tokens ({limit:,})"
            yield subject.problem("thinking", message, "raise max_tokens, or lower the budget")
    ceiling, effort = rules.effort_ceiling.get(kind), subject.part("output_config", "effort")
    if ceiling and effort in EFFORTS and EFFORTS.index(str(effort)) > EFFORTS.index(ceiling):
        message = f"takes thinking of type `{kind}` only up to effort `{ceiling}`, not `{effort}`"
        yield subject.problem(
            "output_config", message, f"lower the effort to `{ceiling}`, or change `thinking`"
        )


def _effort(subject: _Subject) -> Iterator[Diagnostic]:
    effort = subject.part("output_config", "effort")
    if effort is None:
        return
    if not subject.rules.effort:
        yield subject.problem("output_config", "takes no `effort`", "remove it for this model")
    elif effort not in EFFORTS:
        close = did_you_mean(str(effort), EFFORTS)
        hint = f"did you mean `{close}`?" if close else f"it is one of {_listed(EFFORTS)}"
        yield subject.problem("output_config", f"knows no effort `{effort}`", hint)


def _tool_choice(subject: _Subject) -> Iterator[Diagnostic]:
    kind = subject.part("tool_choice", "type")
    if kind in _FORCED and not subject.rules.forced_tool_choice:
        hint = "use `{type: auto}` and say in the prompt which tool to call"
        yield subject.problem("tool_choice", f"cannot be forced to call a tool (`{kind}`)", hint)


def _output(subject: _Subject) -> Iterator[Diagnostic]:
    largest = subject.rules.max_output_tokens
    if (limit := _max_tokens(subject)) > largest:
        hint = f"lower it to {largest}"
        yield subject.problem("max_tokens", f"writes at most {largest:,} tokens, not {limit:,}", hint)


def _geography(subject: _Subject) -> Iterator[Diagnostic]:
    if subject.get("inference_geo") is not None and not subject.rules.inference_geo:
        yield subject.problem("inference_geo", "takes no `inference_geo`", "remove it for this model")


def _turns(subject: _Subject) -> Iterator[Diagnostic]:
    """Look at the scripts, which are the same for every variant."""
    scenario = subject.scenario
    name = f"`{subject.choice.id}`"
    for turn in scenario.turns_of_all:
        if isinstance(turn, SystemTurn) and not subject.rules.system_turns:
            message = f"{name} takes no system turn in mid-conversation"
            hint = "say it in `system` or in a user turn, or play claude-opus-4-8 or a newer model"
            yield Diagnostic(position=turn.position, message=message, hint=hint)
    for script in (scenario.turns, *(case.turns or () for case in scenario.cases)):
        spoken = [turn for turn in script if isinstance(turn, UserTurn | AssistantTurn)]
        if spoken and isinstance(spoken[-1], AssistantTurn) and not subject.rules.prefill:
            message = f"{name} takes no prefill: the script must not end with an assistant turn"
            hint = "add a user turn after it, or remove it"
            yield Diagnostic(position=spoken[-1].position, message=message, hint=hint)


def _old_thinking(subject: _Subject) -> Iterator[Diagnostic]:
    kind = subject.part("thinking", "type")
    if kind in subject.rules.deprecated_thinking:
        hint = "use `thinking: {type: adaptive}`"
        yield subject.problem("thinking", f"deprecates thinking of type `{kind}`", hint)


_ERRORS: Sequence[_Check] = (_sampling, _thinking, _effort, _tool_choice, _output, _geography)
_WARNINGS: Sequence[_Check] = (_old_thinking,)


def _no_model(scenario: Scenario) -> Diagnostic:
    message = f"scenario `{scenario.name}` names no model"
    hint = 'add "model: claude-haiku-5-5" or pass -m'
    return Diagnostic(position=scenario.position, message=message, hint=hint)


def _unknown(scenario: Scenario, named: Iterable[tuple[str, Position | None, str]]) -> Iterator[Diagnostic]:
    """Yield a warning for each id that is nearly a known one: a new model, or a slip of the pen."""
    known = known_names()
    for model, position, key in named:
        if rules_for(model) is not None or retirement(model) is not None:
            continue
        # A gateway puts a prefix before the id, or something behind it: that is no slip.
        close = None if _is_prefixed(model, known) else did_you_mean(model, known)
        if close is not None and SequenceMatcher(None, model, close).ratio() >= _NEAR:
            place = position or scenario.param_positions.get(key, scenario.position)
            message = f"`{model}` is not a model that this version knows"
            yield Diagnostic(position=place, message=message, hint=f"did you mean `{close}`?")


def _is_prefixed(model: str, known: Iterable[str]) -> bool:
    return any(re.search(rf"[./@:]{re.escape(name)}\b|^{re.escape(name)}[@:]", model) for name in known)


def _too_large(scenario: Scenario, models: int) -> Diagnostic:
    sizes = f"{models:,} models x {len(scenario.variants):,} variants"
    message = f"{sizes} are more than the {MAX_CONVERSATIONS:,} conversations that a run may have"
    return Diagnostic(position=scenario.position, message=message, hint="split the scenario")


def _retirement(scenario: Scenario, choice: ModelChoice, *, today: date) -> tuple[Diagnostic | None, bool]:
    """Return what to say of the model's end, if it is near, and whether it has come."""
    day = retirement(choice.id)
    if day is None or (left := (day - today).days) > SOON_DAYS:
        return None, False
    position = choice.position or scenario.param_positions.get("model", scenario.position)
    over = left <= 0
    told = f"was retired on {day}" if over else f"is deprecated and retires on {day}, in {count(left, 'day')}"
    newer = newer_model(choice.id)
    hint = f"play a newer model, such as `{newer}`" if newer else "play a newer model"
    return Diagnostic(position=position, message=f"`{choice.id}` {told}", hint=hint), over


def _max_tokens(subject: _Subject) -> int:
    limit = subject.get("max_tokens")
    return limit if isinstance(limit, int) else DEFAULT_MAX_TOKENS


def _found(subjects: Iterable[_Subject], checks: Iterable[_Check]) -> Iterator[Diagnostic]:
    return (problem for subject in subjects for check in checks for problem in check(subject))


def _once(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    return tuple(sorted(dict.fromkeys(found), key=lambda each: (each.position, each.message)))


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
