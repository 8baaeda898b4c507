"""What a reply costs, and what one could cost at most: the only importer of `genai_prices`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from claude_run.conversation.served import is_bedrock_name, plain_name, undated
from claude_run.conversation.usage import Usage
from claude_run.plan.model_rules import rules_for

if TYPE_CHECKING:
    from genai_prices.types import TieredPrices

    from claude_run.scenario.model import Json, JsonObject

CacheTtl = Literal["5m", "1h"]

_US_FACTOR = Decimal("1.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one reply may use at most.

    `input_tokens` bounds the whole prompt; `cache_ttl` is the longest time to live that the request asks for,
    None where nothing is written to the cache; `global_only` rules the US price of `inference_geo` out.
    """

    model: str
    input_tokens: int
    output_tokens: int
    cache_ttl: CacheTtl | None = None
    web_searches: int = 0
    fast: bool = False
    global_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTier:
    """What a million tokens cost in USD where the prompt has more than `above` tokens; None for no price."""

    above: int
    input: Decimal | None
    output: Decimal | None
    cache_read: Decimal | None


def cost(body: JsonObject, *, model: str | None = None) -> Decimal | None:
    """Price a reply's raw JSON in USD by its own `model` and `usage`; None where it cannot be priced.

    `usage` decides the price list: `speed: fast`, `service_tier: batch`, and `inference_geo: us`, which makes
    all tokens 1.1 times as dear on the models that take it (pricing page, 2026-08). Priority tier is paid by
    contract, and a price that the table does not have (fast mode of a model without it) is not guessed: None.
    Where the answering model has no price, `model`, the one that was asked for, stands in if the answer is
    that model under a longer name: a path or provider before it, a date or a version mark after it. A model
    that was asked for by its name on Amazon Bedrock has the price of that name, which says whether the region
    adds a tenth, and no other.
    """
    usage, answered = body.get("usage"), body.get("model")
    if not isinstance(usage, Mapping) or not isinstance(answered, str):
        return None
    # A part of the counts gives a part of the price, which would pass for all of it.
    if not Usage.from_api(usage).known:
        return None
    # What the price depends on beside the model. The priority tier is paid by contract.
    if usage.get("service_tier") == "priority":
        return None
    context: dict[str, str] = {}
    if usage.get("service_tier") == "batch":
        context["processing"] = "batch"
    if usage.get("speed") == "fast":
        context["speed"] = "fast"

    prices = (_price(name, usage, context=context) for name in _priced_names(answered, model))
    return next((price for price in prices if price is not None), None)


def _priced_names(answered: str, asked: str | None) -> tuple[str, ...]:
    """Return the names to look a price up under: the one that answered, then the same model as asked for."""
    if not asked:
        return (answered,)
    if is_bedrock_name(asked):
        same = undated(plain_name(answered)) == undated(plain_name(asked))
        return (asked,) if same else (answered,)
    marks = r"(?:[-@:](?:\d{8}|latest|v\d[\w.:-]*))*"
    if not re.fullmatch(rf"(?:.*[./])?{re.escape(asked)}{marks}", answered):
        return (answered,)
    return (asked,) if is_bedrock_name(answered) else (answered, asked)


@lru_cache(maxsize=4096)  # the repeats of a case ask for the same, again and again
def worst_case(limits: Limits) -> Decimal | None:
    """Return in USD what no reply within the limits costs more than; None where the model has no price.

    Where anything may be written to the cache, the whole prompt is taken as written at the longest time to
    live: nothing is dearer. The inference is taken as at US prices unless that cannot be, because a workspace
    may have them as its default.
    """
    written = limits.input_tokens if limits.cache_ttl else 0
    usage: JsonObject = {
        "input_tokens": limits.input_tokens - written,
        "cache_creation_input_tokens": written,
        "cache_creation": {f"ephemeral_{limits.cache_ttl or '5m'}_input_tokens": written},
        "output_tokens": limits.output_tokens,
        "server_tool_use": {"web_search_requests": limits.web_searches},
        "speed": "fast" if limits.fast else "standard",
        "inference_geo": "global" if limits.global_only else "us",
    }
    return cost({"model": limits.model, "usage": usage})


def list_prices(model: str) -> tuple[PriceTier, ...]:
    """Return the standard prices of a model: first for any prompt, then for longer ones; none if unpriced.

    What only holds for prompts that are longer than the model takes is left out.
    """
    from genai_prices import extract_usage  # noqa: PLC0415 - half a second that only a price is worth

    usage = {"input_tokens": 1, "output_tokens": 1}
    try:
        extracted = extract_usage({"model": model, "usage": usage}, provider_id="anthropic")
        found = extracted.calc_price().model_price
    except (LookupError, ValueError):
        return ()
    prices = (found.input_mtok, found.output_mtok, found.cache_read_mtok)
    starts = {0, *(tier.start for price in prices for tier in getattr(price, "tiers", ()))}
    rules = rules_for(model)
    return tuple(
        PriceTier(
            above=start,
            input=_at(prices[0], start),
            output=_at(prices[1], start),
            cache_read=_at(prices[2], start),
        )
        for start in sorted(starts)
        if rules is None or start < rules.context_window
    )


def price_table() -> str:
    """Return the name and version of the price table, for transcripts; it does not load the table."""
    from importlib.metadata import version  # noqa: PLC0415 - drags in the email and zip libraries

    return f"genai-prices {version('genai-prices')}"


def _at(price: Decimal | TieredPrices | None, tokens: int) -> Decimal | None:
    """Return the price of one kind of token where the prompt has more than so many."""
    if price is None or isinstance(price, Decimal):
        return price
    return next((tier.price for tier in reversed(price.tiers) if tier.start <= tokens), price.base)


def _price(model: str, usage: Json, *, context: Mapping[str, str]) -> Decimal | None:
    from genai_prices import calc_price, extract_usage  # noqa: PLC0415 - half a second that only a priced reply is worth

    of_bedrock = is_bedrock_name(model)
    try:
        # The counts have the form of the Messages API at every provider.
        plain = plain_name(model) if of_bedrock else model
        extracted = extract_usage({"model": plain, "usage": usage}, provider_id="anthropic")
        calculated = (
            calc_price(extracted.usage, model, provider_id="aws", price_context=context)
            if of_bedrock
            else extracted.calc_price(price_context=context)
        )
    except (LookupError, ValueError):
        return None  # an unknown model, or counts that contradict each other: there is no honest price
    variants = calculated.model.price_variants or ()
    if context and not any(variant.when == context for variant in variants):
        return None
    tokens = calculated.input_price + calculated.output_price
    rules = rules_for(model)
    dearer = isinstance(usage, Mapping) and usage.get("inference_geo") == "us"
    if dearer and (rules is None or rules.inference_geo):
        return tokens * _US_FACTOR + (calculated.total_price - tokens)
    return calculated.total_price
