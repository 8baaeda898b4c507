"""What a run is likely to cost: without the cache, with it, and in batches.

No tokenizer is public, so that the tokens of a prompt are its bytes by a rule of thumb, set right by a few
prompts that the API has counted, where it was asked. How long replies will be nobody knows: as long as their
`example`, or a length that is taken for all others alike, and said.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import chain, islice, zip_longest
from typing import TYPE_CHECKING, Literal

from claude_run.conversation.exchange import Request
from claude_run.conversation.steps import Send, Steps
from claude_run.conversation.transcript import total_cost
from claude_run.plan.caching import PromptUse, shared_prefix, usual_use
from claude_run.plan.estimate import DEFAULT_WINDOW, PlaceholderRenderer, cache_ttl
from claude_run.plan.model_rules import min_cache_tokens, rules_for
from claude_run.plan.prices import token_prices
from claude_run.scenario.media import media_in
from claude_run.scenario.model import UserTurn
from claude_run.scenario.template import RenderError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from claude_run.conversation.identity import Identity
    from claude_run.conversation.script import Conversation, TextRenderer
    from claude_run.plan.caching import SharedPrefix
    from claude_run.plan.matrix import Plan
    from claude_run.plan.prices import TokenPrices
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.media import Media

    # Scenario, variant and model: what has the same system prompt and tools.
    Group = tuple[str, str | None, str]

BYTES_PER_TOKEN = 3
"""UTF-8 bytes of a text for each token: English has four on the models before 4.7, which make fewer."""

ASSUMED_REPLY = 500
"""Tokens of a reply to a turn without an `example`, where `max_tokens` allows as many."""

MESSAGE_TOKENS = 4
"""What is put around a message."""

TOOLS_TOKENS = 350
"""What the API says to the model of tools in general: 346 tokens on the models that it is told of."""

_PIXELS_PER_TOKEN, _LARGEST_IMAGE, _UNSEEN_IMAGE = 750, 4784, 1600  # vision page
_PAGE_TOKENS = 3000  # PDF page: 1,500 to 3,000 tokens of text, and its picture
_BYTES_PER_PAGE = 50_000  # of a PDF whose pages cannot be counted
_NO_TEXT = frozenset({"type", "role", "cache_control", "media_type", "data", "url", "file_id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A prompt by the rule of thumb, in tokens: its tools and system prompt, and its messages."""

    prefix: int
    messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be counted: the first prompt of a conversation, or what comes before its messages."""

    group: Group
    part: Literal["prompt", "prefix"]
    request: Request
    size: Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How many tokens there really are for each by the rule of thumb."""

    prefix: float = 1.0
    messages: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scales:
    """The scales of all that was counted: of each group, and of each model for groups that were not."""

    groups: Mapping[Group, Scale]
    models: Mapping[str, Scale]

    def of(self, identity: Identity) -> Scale:
        """Return the scale of a conversation; the rule of thumb alone where its model was not counted."""
        return self.groups.get(_group(identity)) or self.models.get(identity.model) or Scale()


UNCOUNTED = Scales(groups={}, models={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What the same requests cost in USD: without the cache, as they are played, and as batches.

    `batch_usd` is half of `plain_usd`. What a batch caches for an hour is best effort: `batch_read_usd` where
    all that was written is read, `batch_unread_usd` where all write and none reads. None for no known price.
    """

    plain_usd: Decimal | None
    cached_usd: Decimal | None
    batch_usd: Decimal | None
    batch_read_usd: Decimal | None
    batch_unread_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The likely price of a run, of each model and of all.

    `as_examples` replies are as long as their `example`, `assumed` ones are taken as `ASSUMED_REPLY` tokens.
    Not in it: thinking, the rounds of tools of those that `calls_tools`, the answers of judges. `caches` is
    whether anything is written to the cache, or read.
    """

    models: Mapping[str, Prices]
    total: Prices
    as_examples: int
    assumed: int
    caches: bool
    calls_tools: bool


def questions(
    plan: Plan, renderer_for: Callable[[Conversation], TextRenderer], *, most: int
) -> Sequence[Question]:
    """Choose at most so many prompts to count that say most of all others; no two are the same request.

    Of each scenario, variant and model: the first prompt of one conversation, what it shares with the others,
    and those of one from the middle and of the last. Where there are too many of them, some are left out.
    """
    groups: dict[Group, list[Conversation]] = {}
    for conversation in plan.conversations:
        groups.setdefault(_group(conversation.identity), []).append(conversation)
    chosen = [*groups.values()]
    if len(chosen) > most:
        chosen = [chosen[number * len(chosen) // most] for number in range(most)]
    asked = (_of_group(each, renderer_for) for each in chosen)
    # First one of each group, then the next of each.
    in_turn = (each for each in chain.from_iterable(zip_longest(*asked)) if each is not None)
    distinct = {each.request.canonical(): each for each in islice(in_turn, 2 * most)}
    return [*distinct.values()][:most]


def scales(answers: Iterable[tuple[Question, int]]) -> Scales:
    """Return what counted prompts, in tokens, say of the others."""
    by_group: dict[Group, list[tuple[Question, int]]] = {}
    by_model: dict[str, list[tuple[Question, int]]] = {}
    for question, counted in answers:
        by_group.setdefault(question.group, []).append((question, counted))
        by_model.setdefault(question.group[2], []).append((question, counted))
    return Scales(
        groups={group: _scale(found) for group, found in by_group.items()},
        models={model: _scale(found) for model, found in by_model.items()},
    )


class Forecaster:
    """Adds up what conversations are likely to cost, one case after the other.

    `repeats` are the conversations of each case, by its name. Where `grows` is False, the provider takes no
    automatic breakpoint.
    """

    def __init__(self, plan: Plan, scales: Scales, *, grows: bool = True) -> None:
        self._repeats = Counter(each.identity.case_name for each in plan.conversations)
        self._scales = scales
        self._grows = grows
        self._written: set[bytes] = set()
        self._known: dict[Group, _BeforeMessages] = {}
        self._costs: dict[str, _Costs] = {}
        self._as_examples = 0
        self._assumed = 0
        self._caches = False
        self._calls_tools = False

    def add(self, conversation: Conversation, renderer: TextRenderer, sends: Sequence[Send]) -> None:
        """Add all repeats of a case, whose conversation sends these requests."""
        scale, repeats = (
            self._scales.of(conversation.identity),
            self._repeats[conversation.identity.case_name],
        )
        first = sends[0].request
        self._calls_tools = self._calls_tools or bool(conversation.tool_results.by_tool)

        # How long its prompts and replies are.
        measured = [_reply(conversation, renderer, send, scale) for send in sends]
        replies = [ASSUMED_REPLY if each is None else each for each in measured]
        replies = [min(each, send.request.max_tokens) for each, send in zip(replies, sends, strict=True)]
        self._assumed += repeats * measured.count(None)
        self._as_examples += repeats * (len(measured) - measured.count(None))
        before = self._before_messages(_group(conversation.identity), first)
        start = round(before.tokens * scale.prefix + messages_size(first) * scale.messages)
        prompts = _prompts(sends, replies, start, scale)

        # What of it the cache holds: one of those that share a prefix writes it, the others read it.
        prefix = before.shared
        shared = round(before.tokens * scale.prefix) if prefix is not None else 0
        grows = _marks_messages(first) and (self._grows or "cache_control" not in first.body)
        leads = prefix is None or prefix.digest not in self._written
        if prefix is not None:
            self._written.add(prefix.digest)
        talk = _Talk(conversation=conversation, first=first, prompts=prompts, replies=replies)
        least = min_cache_tokens(conversation.model)
        for leading, number in ((leads, int(leads)), (False, repeats - int(leads))):
            if number:
                uses = usual_use(prompts, shared=shared, leads=leading, least=least, grows=grows)
                self._caches = self._caches or any(each.written or each.read for each in uses)
                costs = self._costs.setdefault(conversation.model, _Costs())
                costs.add(talk, uses, number)

    def _before_messages(self, group: Group, request: Request) -> _BeforeMessages:
        """Return what comes before the messages: most often the same as in the request before."""
        body = {name: value for name, value in request.body.items() if name != "messages"}
        known = self._known.get(group)
        if known is None or known.body != body:
            known = self._known[group] = _BeforeMessages(
                body=body, shared=shared_prefix(request), tokens=prefix_size(request)
            )
        return known

    def forecast(self) -> Forecast:
        """Return what was added."""
        models = {model: costs.prices() for model, costs in self._costs.items()}
        rows = models.values()
        return Forecast(
            models=models,
            total=Prices(
                plain_usd=total_cost(each.plain_usd for each in rows),
                cached_usd=total_cost(each.cached_usd for each in rows),
                batch_usd=total_cost(each.batch_usd for each in rows),
                batch_read_usd=total_cost(each.batch_read_usd for each in rows),
                batch_unread_usd=total_cost(each.batch_unread_usd for each in rows),
            ),
            as_examples=self._as_examples,
            assumed=self._assumed,
            caches=self._caches,
            calls_tools=self._calls_tools,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _BeforeMessages:
    """A request without its messages: its body, what of it is shared, and its tokens by the rule of thumb."""

    body: JsonObject
    shared: SharedPrefix | None
    tokens: int


def size_of(request: Request) -> Size:
    """Measure the prompt of a request by the rule of thumb."""
    return Size(prefix=prefix_size(request), messages=messages_size(request))


def prefix_size(request: Request) -> int:
    """Measure the tools and the system prompt of a request, in tokens."""
    body = request.body
    tools = [value for name in ("tools", "output_config", "tool_choice") if (value := body.get(name))]
    defined = sum(len(json.dumps(value, ensure_ascii=False).encode()) for value in tools)
    return _tokens(_text_bytes(body.get("system")) + defined) + (TOOLS_TOKENS if body.get("tools") else 0)


def messages_size(request: Request) -> int:
    """Measure the messages of a request, in tokens."""
    return sum(map(_message_tokens, _items(request.body["messages"])))


def _group(identity: Identity) -> Group:
    return identity.scenario, identity.variant, identity.model


def _of_group(
    conversations: Sequence[Conversation], renderer_for: Callable[[Conversation], TextRenderer]
) -> Sequence[Question]:
    """Return what to count where conversations share their system prompt, what says most first."""
    places = dict.fromkeys((0, len(conversations) // 2, len(conversations) - 1))
    whole = [_first_prompt(conversations[place], renderer_for) for place in places]
    first = whole[0]
    if shared_prefix(first.request) is None:
        return whole
    # A prompt cannot be counted without a message: the least there is.
    least = Request(body={**first.request.body, "messages": [{"role": "user", "content": "."}]})
    return [first, replace(first, part="prefix", request=least), *whole[1:]]


def _first_prompt(
    conversation: Conversation, renderer_for: Callable[[Conversation], TextRenderer]
) -> Question:
    step = Steps(conversation, PlaceholderRenderer(renderer_for(conversation))).next([])
    if not isinstance(step, Send):
        raise TypeError("a conversation of a plan sends something")
    return Question(
        group=_group(conversation.identity), part="prompt", request=step.request, size=size_of(step.request)
    )


def _scale(answers: Sequence[tuple[Question, int]]) -> Scale:
    """Weigh what was counted against the rule of thumb: apart where what is shared was counted by itself."""
    prefixes = [(each, counted) for each, counted in answers if each.part == "prefix"]
    whole = [(each, counted) for each, counted in answers if each.part == "prompt"]
    shared = sum(each.size.prefix for each, _ in prefixes)
    counted_shared = sum(max(1, counted - MESSAGE_TOKENS - 1) for _, counted in prefixes)
    prefix = counted_shared / shared if shared else None
    counted_whole = sum(counted for _, counted in whole)
    messages = sum(each.size.messages for each, _ in whole)
    before = sum(each.size.prefix for each, _ in whole)
    if not whole:
        return Scale(prefix=prefix or 1.0, messages=prefix or 1.0)
    if prefix is None:
        both = counted_whole / (before + messages)
        return Scale(prefix=both, messages=both)
    # Where nearly all of it is shared, what is left is too little to go by.
    left = counted_whole - prefix * before
    return Scale(prefix=prefix, messages=left / messages if left > 0 else prefix)


def _reply(conversation: Conversation, renderer: TextRenderer, send: Send, scale: Scale) -> int | None:
    """Return the tokens of the example of a turn; None where it has none."""
    turn = conversation.turns[send.turn]
    if not isinstance(turn, UserTurn) or turn.example is None:
        return None
    text = turn.example.source
    with suppress(RenderError):  # it quotes what an earlier reply will say: then as long as it is written
        text = renderer.render(turn.example, {})
    return max(1, round(_tokens(len(text.encode("utf-8", "surrogatepass"))) * scale.messages))


def _prompts(sends: Sequence[Send], replies: Sequence[int], start: int, scale: Scale) -> Sequence[int]:
    """Return the length of each prompt of a conversation: all that was said before, and what is new.

    `start` is that of the first.
    """
    rules = rules_for(sends[0].request.model)
    window = rules.context_window if rules else DEFAULT_WINDOW
    prompts = [start]
    for send, reply in zip(sends[1:], replies, strict=False):
        new = sum(_message_tokens({"content": each.content}) for each in send.sent)
        prompts.append(prompts[-1] + reply + MESSAGE_TOKENS + round(new * scale.messages))
    return [min(each, window) for each in prompts]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Talk:
    """What is priced of a conversation: the terms of its first request, its prompts and its replies."""

    conversation: Conversation
    first: Request
    prompts: Sequence[int]
    replies: Sequence[int]


class _Costs:
    """The sums of one model. A price that is not known makes its sum unknown."""

    def __init__(self) -> None:
        self._sums: list[Decimal | None] = [Decimal(0)] * 5

    def add(self, talk: _Talk, uses: Sequence[PromptUse], number: int) -> None:
        body, model = talk.first.body, talk.conversation.model
        terms = {"fast": body.get("speed") == "fast", "us": body.get("inference_geo") == "us"}
        hour = cache_ttl(talk.first) == "1h"
        # How long something is kept is left to a batch where the scenario does not say it.
        hour_in_batch = hour or talk.conversation.cache == "auto"
        for prompt, use, reply in zip(talk.prompts, uses, talk.replies, strict=True):
            live = token_prices(model, prompt, **terms)
            batched = token_prices(model, prompt, batch=True, **terms)
            plain = PromptUse(fresh=prompt, written=0, read=0)
            unread = replace(use, written=use.written + use.read, read=0)
            found = (
                _cost(live, plain, reply, hour=hour),
                _cost(live, use, reply, hour=hour),
                _cost(batched, plain, reply, hour=hour),
                _cost(batched, use, reply, hour=hour_in_batch),
                _cost(batched, unread, reply, hour=hour_in_batch),
            )
            self._sums = [
                None if one is None or so_far is None else so_far + number * one
                for so_far, one in zip(self._sums, found, strict=True)
            ]

    def prices(self) -> Prices:
        plain, cached, batch, batch_read, batch_unread = self._sums
        return Prices(
            plain_usd=plain,
            cached_usd=cached,
            batch_usd=batch,
            batch_read_usd=batch_read,
            batch_unread_usd=batch_unread,
        )


def _cost(prices: TokenPrices | None, use: PromptUse, reply: int, *, hour: bool) -> Decimal | None:
    if prices is None:
        return None
    written = prices.written_1h if hour else prices.written_5m
    return use.fresh * prices.fresh + use.written * written + use.read * prices.read + reply * prices.output


def _marks_messages(request: Request) -> bool:
    """Return whether a request has a breakpoint behind its system prompt: the automatic one, or its own."""
    if "cache_control" in request.body:
        return True
    contents = [
        each.get("content") for each in _items(request.body.get("messages")) if isinstance(each, Mapping)
    ]
    return any(
        isinstance(each, Mapping) and "cache_control" in each
        for each in chain.from_iterable(map(_items, contents))
    )


def _message_tokens(message: Json) -> int:
    content = message.get("content") if isinstance(message, Mapping) else None
    media = sum(map(_media_tokens, media_in(content)))
    return MESSAGE_TOKENS + _tokens(_text_bytes(content)) + media + _UNSEEN_IMAGE * _unseen(content)


def _media_tokens(media: Media) -> int:
    if media.is_image:
        width, height = media.sides or (1, _UNSEEN_IMAGE * _PIXELS_PER_TOKEN)
        return min(_LARGEST_IMAGE, -(-width * height // _PIXELS_PER_TOKEN))
    return _PAGE_TOKENS * (media.pages or max(1, media.size // _BYTES_PER_PAGE))


def _unseen(content: Json) -> int:
    """Count the files that only the API sees, by URL or id: each is taken for an image."""
    sources = (each.get("source") for each in _items(content) if isinstance(each, Mapping))
    return sum(isinstance(each, Mapping) and each.get("type") in {"url", "file"} for each in sources)


def _text_bytes(value: Json) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, Mapping):
        return sum(
            _text_bytes(part) for name, part in value.items() if name not in _NO_TEXT or _says(value, name)
        )
    return sum(map(_text_bytes, _items(value)))


def _says(source: Mapping[str, Json], name: str) -> bool:
    """Return whether `data` is text: that of a document that is sent as such."""
    return name == "data" and source.get("type") == "text"


def _tokens(size: int) -> int:
    return -(-size // BYTES_PER_TOKEN)


def _items(value: Json) -> Sequence[Json]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()
