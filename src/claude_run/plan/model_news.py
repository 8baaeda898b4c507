"""In what the models of the Models API differ from the table `models.toml`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Literal, TypeAlias

from claude_run.plan.model_checks import EFFORTS
from claude_run.plan.model_rules import known_models, retirement, rules_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_run.plan.model_rules import ModelRules
    from claude_run.scenario.json_values import Json, JsonObject

Subject: TypeAlias = Literal[
    "new", "gone", "retired", "retires", "thinking", "effort", "context window", "max output"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that the API says of a model, `live`, and what the table says of it, `known`.

    `new`: the table does not know the model. `gone`: the API does not list it. `retired`: one of them says
    that it is, or will be, at an end. `thinking` and `effort` are lists of words, sizes are in tokens,
    `retires` are days; a `new` model has what the API says of its sizes and kinds in `live`.
    """

    model: str
    subject: Subject
    known: Json = None
    live: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelNews:
    """In what the `listed` models of the API differ from the table of the day `checked`."""

    checked: date
    listed: int
    differences: tuple[Difference, ...]


def differences(listed: Sequence[JsonObject]) -> tuple[Difference, ...]:
    """Hold the models that the API lists against the table: first new ones, last those that are gone.

    Each of `listed` has a text as its `id`. What it does not say of a model, or not in the form that the API
    documents, is no difference.
    """
    seen = {rules.id for info in listed if (rules := rules_for(str(info["id"]))) is not None}
    new = [_new(info) for info in listed if rules_for(str(info["id"])) is None]
    gone = [Difference(model=row.id, subject="gone") for row in known_models() if row.id not in seen]
    told = [(info, rules) for info in listed if (rules := rules_for(str(info["id"]))) is not None]
    changed = [found for info, rules in told for found in _changed(info, rules)]
    # A model may be listed under two names.
    found: list[Difference] = []
    for each in (*new, *changed, *gone):
        if each not in found:
            found.append(each)
    return tuple(found)


def _new(info: JsonObject) -> Difference:
    model = str(info["id"])
    if (day := retirement(model)) is not None:
        return Difference(
            model=model, subject="retired", known=day.isoformat(), live=_text(info, "lifecycle")
        )
    live: JsonObject = {
        "context window": _size(info, "max_input_tokens"),
        "max output": _size(info, "max_tokens"),
        "thinking": _supported(_capability(info, "thinking", "types")),
        "effort": _supported(_capability(info, "effort")),
        "retires": _day(info),
    }
    return Difference(model=model, subject="new", live={name: part for name, part in live.items() if part})


def _changed(info: JsonObject, rules: ModelRules) -> Iterator[Difference]:
    """Yield in what a known model differs, what ends it first."""
    retires = None if rules.retires is None else rules.retires.isoformat()
    lifecycle, day = _text(info, "lifecycle"), _day(info)
    # A day says more than the word for it.
    if day is not None and day != retires:
        yield Difference(model=rules.id, subject="retires", known=retires, live=day)
    elif lifecycle is not None and (lifecycle == "active") != (retires is None):
        yield Difference(model=rules.id, subject="retired", known=retires, live=lifecycle)

    # What it takes: each kind is read on its own, and one that the API does not name is not known.
    kinds: Sequence[tuple[Subject, JsonObject, Sequence[str]]] = (
        ("thinking", _capability(info, "thinking", "types"), rules.thinking),
        ("effort", _capability(info, "effort"), EFFORTS if rules.effort else ()),
    )
    for subject, capability, known in kinds:
        here = [name for name in known if isinstance(capability.get(name), Mapping)]
        live = _supported(capability)
        if {*here} != {*live}:
            yield Difference(model=rules.id, subject=subject, known=here, live=live)

    # How much.
    window, output = _size(info, "max_input_tokens"), _size(info, "max_tokens")
    if window not in {None, rules.context_window}:
        yield Difference(model=rules.id, subject="context window", known=rules.context_window, live=window)
    if output not in {None, rules.max_output_tokens}:
        yield Difference(model=rules.id, subject="max output", known=rules.max_output_tokens, live=output)


def _capability(info: JsonObject, *names: str) -> JsonObject:
    found: Json = info.get("capabilities")
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _supported(capability: JsonObject) -> list[str]:
    """Return the kinds that a capability names as supported, in its order."""
    return [
        name
        for name, part in capability.items()
        if isinstance(part, Mapping) and part.get("supported") is True
    ]


def _size(info: JsonObject, name: str) -> int | None:
    value = info.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _text(info: JsonObject, name: str) -> str | None:
    value = info.get(name)
    return value if isinstance(value, str) else None


def _day(info: JsonObject) -> str | None:
    """Return the date of a time such as 2026-11-30T00:00:00Z; None for anything else."""
    try:
        return date.fromisoformat((_text(info, "retires_at") or "")[:10]).isoformat()
    except ValueError:
        return None
