"""What the prompt cache did for a run: how much of it was read, what missed and why, and what that saved."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_run.conversation.exchange import Request
from claude_run.conversation.usage import Usage, UsageSum
from claude_run.plan.caching import NO_USE, PromptUse, best_use, shared_prefix
from claude_run.plan.model_rules import min_cache_tokens, rules_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from claude_run.conversation.transcript import Transcript
    from claude_run.record.records import Figures

_DIGEST = 8
_LONGEST_REASON = 60
_WRITE_5M, _WRITE_1H, _OUTPUT, _BATCH = Decimal("1.25"), Decimal(2), Decimal(5), Decimal("0.5")
"""What these cost by the price of a plain token: the same for all models (pricing page, 2026-10)."""

_SEARCH_USD = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationCaching:
    """What one conversation did with the cache, in tokens.

    `prefix` knows the tools and the system prompt that others may share, None for none. `alone` is how its
    prompts are paid for best where nobody shares anything. `first_read` and `first_written` are of its first
    request, `missed` is how many of the others read less of its own history than was written, and `reasons`
    are those that the API gave.
    """

    prefix: bytes | None
    alone: PromptUse
    first_read: int
    first_written: int
    missed: int
    reasons: tuple[str, ...]

    @classmethod
    def of(cls, transcript: Transcript) -> ConversationCaching | None:
        """Add a transcript up; None where a reply does not say what it used, or none came."""
        exchanges = transcript.exchanges
        usages = [each.reply.usage for each in exchanges]
        prompts = [prompt for usage in usages if (prompt := usage.input_total) is not None]
        if not prompts or len(prompts) < len(usages):
            return None
        started = transcript.started
        model = started.identity.model
        best = best_use(prompts, shared=0, leads=False, least=min_cache_tokens(model))
        body: dict[str, Any] = {"model": model, **started.params, "system": started.system}
        prefix = shared_prefix(Request(body=body))
        return cls(
            prefix=None if prefix is None else prefix.digest[:_DIGEST],
            alone=sum(best, NO_USE),
            first_read=usages[0].cache_read_input_tokens or 0,
            first_written=usages[0].cache_creation_input_tokens or 0,
            missed=sum(
                (usage.cache_read_input_tokens or 0) < use.read
                for usage, use in zip(usages, best, strict=True)
            ),
            reasons=tuple(reason for each in exchanges if (reason := _reason(each.reply.body)) is not None),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What replies cost, what they would have without a cache and as a batch, and the least possible.

    In US dollars. The batch counts on no cache, which is best effort there.
    """

    paid_usd: Decimal
    uncached_usd: Decimal
    batch_usd: Decimal
    best_usd: Decimal

    def __add__(self, other: Costs) -> Costs:
        return Costs(
            paid_usd=self.paid_usd + other.paid_usd,
            uncached_usd=self.uncached_usd + other.uncached_usd,
            batch_usd=self.batch_usd + other.batch_usd,
            best_usd=self.best_usd + other.best_usd,
        )

    @property
    def saved_usd(self) -> Decimal:
        """What caching saved; below zero where more was written than read."""
        return self.uncached_usd - self.paid_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUse:
    """What all replies of one model used and cost, and how that would be paid for best."""

    model: str
    usage: Usage
    cost_usd: Decimal | None
    best: PromptUse
    in_batches: bool = False

    def costs(self) -> Costs | None:
        """Price it by what was paid; None where that is not known, nor the model.

        Prices are taken as shares of that of a plain token, which follows from what was paid: so nobody looks
        them up, and what holds for all of it, a discount or a dearer region, holds for all that is compared.
        """
        usage, prompts, rules = self.usage, self.usage.input_total, rules_for(self.model)
        if rules is None or self.cost_usd is None or prompts is None:
            return None
        share, replies = Decimal(str(rules.cache_read_share)), (usage.output_tokens or 0) * _OUTPUT
        hour = usage.ephemeral_1h_input_tokens or 0
        five = (usage.cache_creation_input_tokens or 0) - hour
        read = (usage.cache_read_input_tokens or 0) * share
        plain = (usage.input_tokens or 0) + five * _WRITE_5M + hour * _WRITE_1H + read + replies
        if not plain:
            return None
        searches = (usage.web_search_requests or 0) * _SEARCH_USD
        token_usd = (self.cost_usd - searches) / plain
        uncached_usd = (prompts + replies) * token_usd
        # What was paid for again, because a reply could not be used, is read by nobody.
        unread = self.best.fresh + prompts - self.best.total
        written = self.best.written * (_WRITE_1H if hour else _WRITE_5M)
        best_usd = (unread + written + self.best.read * share + replies) * token_usd
        return Costs(
            paid_usd=self.cost_usd,
            uncached_usd=uncached_usd + searches,
            batch_usd=uncached_usd * (1 if self.in_batches else _BATCH) + searches,
            # Of what an earlier run has written more can be read than this one could know of.
            best_usd=min(self.cost_usd, best_usd + searches),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Caching:
    """What the cache did for a run.

    `read` of the `readable` tokens were read: the shared prompt once somebody had written it, and of each
    conversation what the request before had said. `missed` requests read less than they could, for these
    `reasons` where the API said one.
    """

    read: int
    readable: int
    missed: int
    reasons: Mapping[str, int]
    by_model: tuple[ModelUse, ...] = field(repr=False)

    @property
    def rate(self) -> float | None:
        """The share of what could be read that was; None where there was nothing to read."""
        return min(1.0, self.read / self.readable) if self.readable else None

    def costs(self) -> Costs | None:
        """Return what the run cost beside what it might have; None where a model has no price."""
        costs = [each.costs() for each in self.by_model]
        known = [each for each in costs if each is not None]
        return sum(known[1:], known[0]) if known and len(known) == len(costs) else None


class CachingSum:
    """Adds up what the cache did for a run, conversation by conversation."""

    def __init__(self) -> None:
        self._by_model: dict[str, _ModelSum] = {}
        self._reasons: Counter[str] = Counter()

    def add(self, model: str, figures: Figures) -> None:
        """Take in a conversation on this model."""
        if model not in self._by_model:
            self._by_model[model] = _ModelSum()
        self._by_model[model].add(figures)
        if figures.caching is not None:
            self._reasons.update(figures.caching.reasons)

    def caching(self, *, in_batches: bool = False) -> Caching | None:
        """Return what it comes to; None where nothing was written to the cache or read from it.

        What was played `in_batches` was paid at half the price already.
        """
        uses: list[ModelUse] = []
        read = readable = missed = 0
        for model, found in self._by_model.items():
            usage, shared = found.usage.total, found.shared()
            best = found.alone + shared.moved
            uses.append(
                ModelUse(model=model, usage=usage, cost_usd=found.cost_usd, best=best, in_batches=in_batches)
            )
            read += usage.cache_read_input_tokens or 0
            readable += best.read + shared.besides
            missed += found.missed + shared.missed
        if not any(
            each.usage.cache_read_input_tokens or each.usage.cache_creation_input_tokens for each in uses
        ):
            return None
        return Caching(
            read=read,
            readable=readable,
            missed=missed,
            reasons=dict(sorted(self._reasons.items())),
            by_model=tuple(uses),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shared:
    """What sharing changes in the best use of prompts, and how many first requests read nothing of it.

    `besides` is what first requests read that nobody in this run had to write for them.
    """

    moved: PromptUse
    missed: int
    besides: int


class _ModelSum:
    """Adds up the conversations of one model."""

    def __init__(self) -> None:
        self.usage = UsageSum()
        self.cost_usd: Decimal | None = Decimal(0)
        self.alone = NO_USE
        self.missed = 0
        self._first_read = 0
        self._prefixes: dict[bytes, _PrefixSum] = {}

    def add(self, figures: Figures) -> None:
        self.usage.add(figures.usage)
        known = self.cost_usd is not None and figures.cost_usd is not None
        self.cost_usd = self.cost_usd + figures.cost_usd if known else None  # type: ignore[operator] # both are known
        if (caching := figures.caching) is None:
            return
        self.alone += caching.alone
        self.missed += caching.missed
        self._first_read += caching.first_read
        if caching.prefix is not None:
            if caching.prefix not in self._prefixes:
                self._prefixes[caching.prefix] = _PrefixSum(first_written=caching.first_written)
            self._prefixes[caching.prefix].add(caching)

    def shared(self) -> _Shared:
        """Let one conversation of each prefix write it, and all others read it."""
        moved, missed, besides = NO_USE, 0, self._first_read
        for prefix in self._prefixes.values():
            found = prefix.shared()
            moved, missed, besides = moved + found.moved, missed + found.missed, besides + found.besides
        return _Shared(moved=moved, missed=missed, besides=besides)


@dataclass(slots=True, kw_only=True)
class _PrefixSum:
    """Adds up the conversations that share a prefix.

    So many there are, of which `readers` read some of it with their first request, the least of them
    `first_read` tokens; `first_written` is the least that was written, and `single` have one request.
    """

    first_written: int
    first_read: int | None = None
    conversations: int = 0
    readers: int = 0
    single: int = 0

    def add(self, caching: ConversationCaching) -> None:
        self.conversations += 1
        self.single += not caching.alone.written
        self.first_written = min(self.first_written, caching.first_written)
        if caching.first_read:
            self.readers += 1
            self.first_read = min(self.first_read or caching.first_read, caching.first_read)

    def shared(self) -> _Shared:
        # Its length is what was read of it, or at most what was written where it could never be read.
        size = self.first_written if self.first_read is None else self.first_read
        if self.conversations == 1 or not size:
            return _Shared(moved=NO_USE, missed=0, besides=0)
        writers = self.conversations - self.readers
        # The first one writes it, unless it was there already; where it has one request, in place of plain
        # tokens. The others read what they would have written, or sent plainly.
        leads = 1 if writers else 0
        lone_leader = leads if self.single == self.conversations else 0
        readers = self.conversations - leads
        plain = self.single - lone_leader
        moved = PromptUse(
            fresh=-size * (plain + lone_leader),
            written=size * lone_leader - size * (readers - plain),
            read=size * readers,
        )
        return _Shared(moved=moved, missed=max(0, writers - 1), besides=-size * self.readers)


def _reason(body: Mapping[str, Any]) -> str | None:
    """Return why the API says that it read nothing; it does so where a request asks for `diagnostics`."""
    diagnostics = body.get("diagnostics")
    reason = diagnostics.get("cache_miss_reason") if isinstance(diagnostics, dict) else None
    kind = reason.get("type") if isinstance(reason, dict) else None
    return kind[:_LONGEST_REASON] if isinstance(kind, str) else None
