"""What each model takes and refuses: the table `models.toml`, read once and lazily."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from claude_run.conversation.served import plain_name, undated
from claude_run.scenario.json_values import EMPTY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from claude_run.scenario.json_values import JsonObject

SAMPLING = ("temperature", "top_p", "top_k")
"""The parameters that API version 2026-10-21 removed; models that still take them need an older version."""

SamplingRule = Literal["refused", "defaults", "one", "free"]

_OLD_VERSION = {"anthropic-version": "2023-06-01"}
_USUAL_CACHE_MINIMUM = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRules:
    """One row of the table.

    `sampling`: `refused`; `defaults` (nothing but temperature 1 or top_p 0.99); `one` (not temperature and
    top_p together); `free`. `thinking` are the accepted values of `thinking.type`, `effort_ceiling` is the
    highest effort that goes with a kind of thinking. `effort`, `prefill`, `inference_geo`, `system_turns` and
    `forced_tool_choice` say whether the model takes them. Sizes are in tokens; `retires` is announced.
    `cache_read_share` is the price of a token that is read from the cache, by that of a plain one.
    """

    id: str
    aliases: tuple[str, ...] = ()
    context_window: int
    max_output_tokens: int
    min_cache_tokens: int
    cache_read_share: float = 0.1
    sampling: SamplingRule
    thinking: tuple[str, ...]
    deprecated_thinking: tuple[str, ...] = ()
    effort: bool
    effort_ceiling: Mapping[str, str]
    forced_tool_choice: bool
    prefill: bool
    system_turns: bool
    inference_geo: bool
    retires: date | None = None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetiredModels:
    """Models for which the API stopped answering on one day; their old ids and aliases are all in `ids`."""

    on: date
    ids: tuple[str, ...]
    source: str


def rules_for(model: str) -> ModelRules | None:
    """Return the rules of a model by its id, an alias, a dated snapshot id, or a provider's name for it.

    None for an unknown model.
    """
    known, plain = _table().models, plain_name(model)
    return known.get(model) or known.get(plain) or known.get(undated(plain))


def known_models() -> tuple[ModelRules, ...]:
    """Return the rules of all models that the API answers for, the newest first."""
    return tuple({row.id: row for row in _table().models.values()}.values())


def retired_models() -> tuple[RetiredModels, ...]:
    """Return the models that the API no longer answers for, the latest retirement first."""
    return _table().groups


def last_look() -> date:
    """Return the day on which the table was last held against its sources."""
    return _table().checked


def known_names() -> Mapping[str, str]:
    """Return the ids of the known models by each of their names."""
    return {name: row.id for name, row in _table().models.items()}


def retirement(model: str) -> date | None:
    """Return the day on which the API stops or stopped answering for this model, where one is announced.

    A provider has days of its own: for a model by the name of one none is known.
    """
    if plain_name(model) != model:
        return None
    rules = rules_for(model)
    return rules.retires if rules else _table().retired.get(model)


def newer_model(model: str) -> str | None:
    """Return the newest model of the same line, such as opus; None where it is that one, or has no line."""
    words = set(model.split("-"))
    line = (row.id for row in known_models() if row.id.split("-")[1] in words)
    newest = next(line, None)
    return None if newest == undated(model) else newest


def min_cache_tokens(model: str) -> int:
    """Return the shortest prefix that the model caches; unknown models are taken as the latest ones: 512."""
    rules = rules_for(model)
    return rules.min_cache_tokens if rules else _USUAL_CACHE_MINIMUM


def extra_headers(model: str, params: JsonObject, *, by_force: bool = False) -> Mapping[str, str]:
    """Return the headers that a request with these parameters needs beside the SDK's own.

    Sampling parameters exist only in API version 2023-06-01. The models that refuse them in any version get
    no header; unknown models get it, so that the API itself decides, and so do all of them `by_force`.
    """
    rules = rules_for(model)
    refuses = not by_force and rules is not None and rules.sampling == "refused"
    return _OLD_VERSION if not refuses and any(name in params for name in SAMPLING) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    checked: date
    models: Mapping[str, ModelRules]
    groups: tuple[RetiredModels, ...]
    retired: Mapping[str, date]


@cache
def _table() -> _Table:
    import tomllib  # noqa: PLC0415 - only for the commands that look a model up
    from importlib.resources import files  # noqa: PLC0415 - same

    data = tomllib.loads(files("claude_run.plan").joinpath("models.toml").read_text(encoding="utf-8"))
    lists = ("aliases", "thinking", "deprecated_thinking")
    rows = [
        ModelRules(**{"effort_ceiling": EMPTY, **row, **{name: tuple(row.get(name, ())) for name in lists}})
        for row in data["model"]
    ]
    groups = tuple(RetiredModels(**{**group, "ids": tuple(group["ids"])}) for group in data["retired"])
    return _Table(
        checked=data["checked"],
        models={name: row for row in rows for name in (row.id, *row.aliases)},
        groups=groups,
        retired={name: group.on for group in groups for name in group.ids},
    )
