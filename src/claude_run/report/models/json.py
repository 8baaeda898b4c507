"""What is known of the models, and what is new of them, for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.record.codec import money

if TYPE_CHECKING:
    from claude_run.plan.known_models import KnownModel, KnownModels
    from claude_run.plan.model_news import ModelNews
    from claude_run.plan.prices import PriceTier
    from claude_run.scenario.json_values import JsonObject

SCHEMA_VERSION = 1


def models_json(known: KnownModels) -> JsonObject:
    """Return what is known of the models: sizes in tokens, prices in USD per million tokens, or null.

    `prices` is empty where a model is unpriced; its first entry holds for any prompt, the others for prompts
    of more than `above` tokens.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "checked": known.checked.isoformat(),
        "price_table": known.prices,
        "models": [_model(model) for model in known.models],
        "retired": [
            {
                "id": model.id,
                "retired_on": model.retired.on.isoformat(),
                "newer": model.newer,
                "source": model.retired.source,
            }
            for model in known.retired
        ],
    }


def news_json(news: ModelNews) -> JsonObject:
    """Return in what the Models API differs from what is known; `known` and `live` are as `subject` says."""
    return {
        "schema_version": SCHEMA_VERSION,
        "checked": news.checked.isoformat(),
        "listed": news.listed,
        "differences": [
            {"model": each.model, "subject": each.subject, "known": each.known, "live": each.live}
            for each in news.differences
        ],
    }


def _model(model: KnownModel) -> JsonObject:
    rules = model.rules
    return {
        "id": rules.id,
        "aliases": list(rules.aliases),
        "context_window": rules.context_window,
        "max_output_tokens": rules.max_output_tokens,
        "min_cache_tokens": rules.min_cache_tokens,
        "prices": [_tier(tier) for tier in model.prices],
        "sampling": rules.sampling,
        "thinking": list(rules.thinking),
        "deprecated_thinking": list(rules.deprecated_thinking),
        "effort": rules.effort,
        "effort_ceiling": dict(rules.effort_ceiling),
        "forced_tool_choice": rules.forced_tool_choice,
        "prefill": rules.prefill,
        "system_turns": rules.system_turns,
        "inference_geo": rules.inference_geo,
        "retires": None if rules.retires is None else rules.retires.isoformat(),
        "newer": model.newer,
        "source": rules.source,
    }


def _tier(tier: PriceTier) -> JsonObject:
    return {
        "above": tier.above,
        "input": money(tier.input),
        "output": money(tier.output),
        "cache_read": money(tier.cache_read),
    }
