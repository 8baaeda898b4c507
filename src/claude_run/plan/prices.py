"""What a reply costs, and what one could cost at most: the only importer of `genai_prices`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, lru_cache
from operator import mul
from typing import TYPE_CHECKING, Literal, TypeAlias

from claude_run.conversation.served import is_bedrock_name, plain_name, undated
from claude_run.conversation.usage import Usage
from claude_run.plan.model_rules import rules_for

if TYPE_CHECKING:
    from genai_prices.types import TieredPrices

    from claude_run.scenario.json_values import Json, JsonObject

CacheTtl = Literal["5m", "1h"]

_US_FACTOR = Decimal("1.1")

_USUAL_PARTS: Mapping[str, frozenset[str]] = {
    "cache_creation": frozenset({"ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"}),
    "output_tokens_details": frozenset({"thinking_tokens"}),
    "server_tool_use": frozenset({"web_search_requests", "web_fetch_requests"}),
}
_USUAL_FIELDS = frozenset(
    {
        *_USUAL_PARTS,
        "input_tokens",
        "output_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "service_tier",
        "speed",
        "inference_geo",
    }
)
"""What the usage of a reply says, at most, that can be priced kind by kind."""

_Amounts: TypeAlias = tuple[int, int, int, int, int, int]
"""Tokens fresh, read, written for five minutes, written for an hour, and put out; web searches."""

_NOTHING: JsonObject = {"input_tokens": 0, "output_tokens": 0}
_OF_PROMPT: Sequence[Callable[[int], JsonObject]] = (
    lambda count: {"input_tokens": count},
    lambda count: {"cache_read_input_tokens": count},
    lambda count: _written(count, "5m"),
    lambda count: _written(count, "1h"),
)
_BESIDE: Sequence[Callable[[int], JsonObject]] = (
    lambda count: {"output_tokens": count},
    lambda count: {"server_tool_use": {"web_search_requests": count}},
)
"""The usage of so many of each kind, in the order of `_Amounts`."""

_MANY = 10**6


@dataclass(frozen=True, slots=True)
class _Terms:
    """What the price depends on beside the model and the length of the prompt."""

    batch: bool
    fast: bool
    us: bool

    @property
    def context(self) -> Mapping[str, str]:
        """The terms as the table knows them; it has no US prices."""
        batch, fast = {"processing": "batch"} if self.batch else {}, {"speed": "fast"} if self.fast else {}
        return {**batch, **fast}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one reply may use at most.

    `input_tokens` bounds the whole prompt; `cache_ttl` is the longest time to live that the request asks for,
    None where nothing is written to the cache; `global_only` rules the US price of `inference_geo` out. A
    reply in a `batch` has the prices of batches.
    """

    model: str
    input_tokens: int
    output_tokens: int
    cache_ttl: CacheTtl | None = None
    web_searches: int = 0
    fast: bool = False
    global_only: bool = False
    batch: bool = False


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
    counts = Usage.from_api(usage)
    if not counts.known:
        return None
    # What the price depends on beside the model. The priority tier is paid by contract.
    tier, speed, geo = (usage.get(name) for name in ("service_tier", "speed", "inference_geo"))
    if tier == "priority":
        return None
    terms = _Terms(batch=tier == "batch", fast=speed == "fast", us=geo == "us")
    names = _priced_names(answered, model)
    # Nearly every reply has counts of the usual kinds alone, each of which has its price. What tiers the
    # table has for a name of Bedrock it does not say.
    if not any(map(is_bedrock_name, names)) and (amounts := _usual_amounts(usage, counts)) is not None:
        price = _at_rates(names, terms, amounts)
    else:
        price = next((each for name in names if (each := _price(name, usage, terms)) is not None), None)
    # Without zeros at its end it is written as it will be read back.
    return None if price is None else price.normalize()


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
        **_written(written, limits.cache_ttl or "5m"),
        "output_tokens": limits.output_tokens,
        "server_tool_use": {"web_search_requests": limits.web_searches},
        "service_tier": "batch" if limits.batch else "standard",
        "speed": "fast" if limits.fast else "standard",
        "inference_geo": "global" if limits.global_only else "us",
    }
    return cost({"model": limits.model, "usage": usage})


def list_prices(model: str) -> tuple[PriceTier, ...]:
    """Return the standard prices of a model: first for any prompt, then for longer ones; none if unpriced.

    What only holds for prompts that are longer than the model takes is left out.
    """
    prices, rules = _listed(model), rules_for(model)
    if not prices:
        return ()
    return tuple(
        PriceTier(
            above=start,
            input=_at(prices[0], start),
            output=_at(prices[1], start),
            cache_read=_at(prices[2], start),
        )
        for start in sorted({0, *_tiers(prices)})
        if rules is None or start < rules.context_window
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPrices:
    """What one token costs in USD: of a prompt as it is, read from the cache or written to it, of a reply."""

    fresh: Decimal
    read: Decimal
    written_5m: Decimal
    written_1h: Decimal
    output: Decimal


def token_prices(
    model: str, prompt: int, *, batch: bool = False, fast: bool = False, us: bool = False
) -> TokenPrices | None:
    """Return what the tokens of a request with such a prompt cost; None where the table has no price.

    `batch` is the price in a Message Batch, `fast` that of `speed: fast`, `us` that of inference in the US.
    """
    above = next(start for start in reversed(_starts((model,))) if start < prompt or not start)
    return _token_prices(model, _Terms(batch=batch, fast=fast, us=us), above)


@lru_cache(maxsize=256)
def _token_prices(model: str, terms: _Terms, above: int) -> TokenPrices | None:
    if (rates := _rates((model,), terms, above)) is None:
        return None
    fresh, read, written_5m, written_1h, output, _ = rates
    return TokenPrices(fresh=fresh, read=read, written_5m=written_5m, written_1h=written_1h, output=output)


def price_table() -> str:
    """Return the name and version of the price table, for transcripts; it does not load the table."""
    from importlib.metadata import version  # noqa: PLC0415 - drags in the email and zip libraries

    return f"genai-prices {version('genai-prices')}"


def _listed(model: str) -> tuple[Decimal | TieredPrices | None, ...]:
    """Return the standard prices of a model as they stand in the table: input, output, cache read."""
    from genai_prices import extract_usage  # noqa: PLC0415 - half a second that only a price is worth

    usage = {"input_tokens": 1, "output_tokens": 1}
    try:
        found = extract_usage({"model": model, "usage": usage}, provider_id="anthropic").calc_price()
    except (LookupError, ValueError):
        return ()
    prices = found.model_price
    return (prices.input_mtok, prices.output_mtok, prices.cache_read_mtok)


def _tiers(prices: Iterable[Decimal | TieredPrices | None]) -> Iterable[int]:
    """Return the lengths of prompts above which one of these prices is another."""
    return (tier.start for price in prices for tier in getattr(price, "tiers", ()))


def _at(price: Decimal | TieredPrices | None, tokens: int) -> Decimal | None:
    """Return the price of one kind of token where the prompt has more than so many."""
    if price is None or isinstance(price, Decimal):
        return price
    return next((tier.price for tier in reversed(price.tiers) if tier.start <= tokens), price.base)


def _price(model: str, usage: Json, terms: _Terms) -> Decimal | None:
    from genai_prices import calc_price, extract_usage  # noqa: PLC0415 - half a second that only a priced reply is worth

    of_bedrock, context = is_bedrock_name(model), terms.context
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
    if terms.us and (rules is None or rules.inference_geo):
        return tokens * _US_FACTOR + (calculated.total_price - tokens)
    return calculated.total_price


def _written(count: int, ttl: CacheTtl) -> JsonObject:
    return {
        "cache_creation_input_tokens": count,
        "cache_creation": {f"ephemeral_{ttl}_input_tokens": count},
    }


def _usual_amounts(usage: Mapping[str, Json], counts: Usage) -> _Amounts | None:
    """Return how much of each kind a reply used; None where it says more, or contradicts itself."""
    if not usage.keys() <= _USUAL_FIELDS:
        return None
    parts = {name: part for name in _USUAL_PARTS if (part := usage.get(name)) is not None}
    if any(
        not isinstance(part, Mapping) or not part.keys() <= _USUAL_PARTS[name] for name, part in parts.items()
    ):
        return None
    written, hour = counts.cache_creation_input_tokens or 0, counts.ephemeral_1h_input_tokens or 0
    if parts.get("cache_creation") and written != (counts.ephemeral_5m_input_tokens or 0) + hour:
        return None
    return (
        counts.input_tokens or 0,
        counts.cache_read_input_tokens or 0,
        written - hour,
        hour,
        counts.output_tokens or 0,
        counts.web_search_requests or 0,
    )


def _at_rates(names: tuple[str, ...], terms: _Terms, amounts: _Amounts) -> Decimal | None:
    fresh, read, written, written_hour, _, _ = amounts
    prompt = fresh + read + written + written_hour
    above = next(start for start in reversed(_starts(names)) if start < prompt or not start)
    rates = _rates(names, terms, above)
    return None if rates is None else sum(map(mul, rates, amounts), Decimal(0))


@lru_cache(maxsize=256)
def _rates(names: tuple[str, ...], terms: _Terms, above: int) -> tuple[Decimal, ...] | None:
    """Ask the table what one of each kind costs, in the order of `_Amounts`; None where it has no price.

    All of it is asked for in the shortest prompt of more than `above` tokens, which no longer tier holds for.
    """
    long = above + 1
    for name in names:
        prompts = [_price(name, {**_NOTHING, **kind(long)}, terms) for kind in _OF_PROMPT]
        besides = [_price(name, {**_NOTHING, "input_tokens": long, **kind(_MANY)}, terms) for kind in _BESIDE]
        found = [price for price in (*prompts, *besides) if price is not None]
        if len(found) == len(prompts) + len(besides):
            fresh = found[0]
            return (
                *(price / long for price in found[: len(prompts)]),
                *((price - fresh) / _MANY for price in found[len(prompts) :]),
            )
    return None


@cache
def _starts(names: tuple[str, ...]) -> tuple[int, ...]:
    """Return the lengths of prompts above which another price holds under one of these names, from 0 on."""
    return tuple(sorted({0, *(start for name in names for start in _tiers(_listed(name)))}))
