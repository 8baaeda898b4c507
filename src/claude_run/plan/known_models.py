"""What is known of the models, for people who choose one: rules, prices, and when they end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.plan.model_rules import known_models, last_look, newer_model, retired_models, rules_for
from claude_run.plan.prices import list_prices, price_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from claude_run.plan.model_rules import ModelRules, RetiredModels
    from claude_run.plan.prices import PriceTier


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """A model that the API answers for: its rules, its prices if there are any, and what may replace it."""

    rules: ModelRules
    prices: tuple[PriceTier, ...]
    newer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetiredModel:
    """A model that the API no longer answers for, by one of its ids."""

    id: str
    retired: RetiredModels
    newer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModels:
    """What is known of models on the day `today`.

    It is from the table of the day `checked`, and from the price table `prices`.
    """

    today: date
    checked: date
    prices: str
    models: tuple[KnownModel, ...]
    retired: tuple[RetiredModel, ...]


def known(names: Sequence[str], *, today: date) -> KnownModels:
    """Return what is known of these models, or of all where none is named; unknown ones are left out."""
    found = [rules for name in names if (rules := rules_for(name))] if names else known_models()
    return KnownModels(
        today=today,
        checked=last_look(),
        prices=price_table(),
        models=tuple(
            KnownModel(rules=rules, prices=list_prices(rules.id), newer=newer_model(rules.id))
            for rules in {each.id: each for each in found}.values()
        ),
        retired=tuple(
            RetiredModel(id=name, retired=group, newer=newer_model(name))
            for group in retired_models()
            for name in group.ids
            if not names or name in names
        ),
    )
