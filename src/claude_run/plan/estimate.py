"""What a run costs at most, known before anything is sent.

Without a tokenizer: a token is at least one byte of text, so the bytes of a prompt bound its tokens.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from claude_run.conversation.exchange import Exchange, Reply
from claude_run.conversation.steps import MAX_ROUNDS, Send, Steps, kept_for_an_hour
from claude_run.conversation.tools import is_server_tool, result_block
from claude_run.conversation.transcript import total_cost
from claude_run.conversation.usage import UNKNOWN, Usage
from claude_run.plan.model_rules import rules_for
from claude_run.plan.prices import CacheTtl, Limits, worst_case
from claude_run.scenario.model import UserTurn

if TYPE_CHECKING:
    from decimal import Decimal

    from claude_run.conversation.exchange import Request
    from claude_run.conversation.script import Conversation, TextRenderer
    from claude_run.plan.matrix import Plan
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.model import Save, Text

FRAME_TOKENS = 64
"""What the API itself may put around the messages of a request."""

TOOL_PROMPT_TOKENS = 1024
"""What the API adds for tools or an output schema, and again for each tool that it defines itself."""

IMAGE_TOKENS = 5000
"""One image: larger ones are scaled down to at most 4,784 tokens (vision page)."""

PAGE_TOKENS = 10_000
"""One PDF page: its picture, and 1,500 to 3,000 tokens of text on an ordinary page (PDF page)."""

SERVER_ROUNDS = 10
"""How often the API may run the model within one request that has server tools."""

CALL_TOKENS = 10
"""What one call of a tool takes of a reply at the least: its name, its input, and the frame around them."""

DEFAULT_WINDOW = 1_000_000

_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
# As long as the id of a call may be.
_CALL_ID = "toolu_" + "0" * 58
# Stands for text that will be saved from a reply. Digits survive filters such as `upper` and `tojson`.
_UNKNOWN = "70914836215509318467203951"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What one conversation comes to at most; `worst_cost_usd` is None where its model has no price.

    `requests` counts one for each turn that gets a reply, `most_requests` also each round of tools.
    """

    requests: int
    most_requests: int
    worst_cost_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEstimate:
    """The part of a run that one model plays; `worst_cost_usd` is None where it has no price."""

    model: str
    conversations: int
    requests: int
    most_requests: int
    worst_cost_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """An upper bound of a run. `worst_cost_usd` is None if any model is unpriced; `unpriced` names those.

    `requests` counts one for each turn that gets a reply, `most_requests` also each round of tools. Not in
    the bound: attempts that bring no reply and are sent again, tools that are billed by time, and what a
    template makes of saved text but to quote it.
    """

    conversations: int
    requests: int
    most_requests: int
    worst_cost_usd: Decimal | None
    unpriced: tuple[str, ...]
    models: tuple[ModelEstimate, ...]


def worst_cost(request: Request) -> Decimal | None:
    """Return in USD what no reply to this request costs more than; None where the model has no price."""
    return worst_case(_limits(request, prompt_tokens(request)))


def worst_cost_after(send: Send, exchanges: Sequence[Exchange], *, batch: bool = False) -> Decimal | None:
    """Return the same for the next request of a conversation, tighter by what the API counted so far."""
    return worst_case(_limits(send.request, grown_prompt_tokens(send, exchanges), batch=batch))


def walk(conversation: Conversation, renderer: TextRenderer) -> Sequence[Send]:
    """Return the longest way through a script, a request for each turn: each reply is but dots."""
    steps = Steps(conversation, PlaceholderRenderer(renderer))
    sends: list[Send] = []
    exchanges: list[Exchange] = []
    while isinstance(step := steps.next(exchanges), Send):
        sends.append(step)
        exchanges.append(_answered(step, UNKNOWN))
    return sends


def bound_of(
    conversation: Conversation, renderer: TextRenderer, sends: Sequence[Send], *, batch: bool = False
) -> Bound:
    """Bound one conversation by the way through its script that `walk` has found.

    Each reply is as long as it may be. The bound is never below the sum of the worst costs that
    `worst_cost_after` gives while the conversation is really played. In a `batch` all of it is.
    """
    costs: list[Decimal | None] = []
    results = _results(conversation, renderer)
    limited = results.limited
    saves = any(isinstance(turn, UserTurn) and turn.save for turn in conversation.turns)
    exchanges: list[Exchange] = []
    for step in sends:
        # Each place where saved text is quoted may hold a whole reply.
        longest = step.request.max_tokens
        quoted = json.dumps([each.content for each in step.sent]).count(_UNKNOWN) if saves else 0
        prompt = grown_prompt_tokens(step, exchanges) + quoted * longest
        # Only server tools pause a reply; each time it is resumed is a request of its own.
        rounds = 1 + MAX_ROUNDS if has_server_tools(step.request) else 1
        request = kept_for_an_hour(conversation, step.request) if batch else step.request
        costs += [worst_case(_limits(request, prompt, batch=batch))] * rounds
        # Each round of results is one more, whose prompt holds the reply before it and the largest results.
        most_calls = _most_calls(step.request)
        for _ in range(results.rounds):
            grown = prompt + longest + FRAME_TOKENS + most_calls * results.unlimited + limited
            prompt = _within_window(step.request, grown)
            costs.append(worst_case(_limits(request, prompt, batch=batch)))
            # What answers so many calls and no more is in the prompt from now on.
            limited = 0
        # The reply that is paid for: as long as it may be, whatever it says.
        exchanges = [_answered(step, Usage(input_tokens=prompt, output_tokens=longest))]
    return Bound(requests=len(sends), most_requests=len(costs), worst_cost_usd=total_cost(costs))


def estimate(plan: Plan, bounds: Mapping[str, Bound]) -> Estimate:
    """Add up the bounds of all conversations."""
    parts: dict[str, list[Bound]] = {}
    for conversation in plan.conversations:
        parts.setdefault(conversation.model, []).append(bounds[conversation.identity.case_name])
    rows = tuple(
        ModelEstimate(
            model=model,
            conversations=len(part),
            requests=sum(each.requests for each in part),
            most_requests=sum(each.most_requests for each in part),
            worst_cost_usd=total_cost(each.worst_cost_usd for each in part),
        )
        for model, part in parts.items()
    )
    return Estimate(
        conversations=len(plan.conversations),
        requests=sum(row.requests for row in rows),
        most_requests=sum(row.most_requests for row in rows),
        worst_cost_usd=total_cost(row.worst_cost_usd for row in rows),
        unpriced=tuple(row.model for row in rows if row.worst_cost_usd is None),
        models=rows,
    )


def prompt_tokens(request: Request) -> int:
    """Bound the prompt of a request: UTF-8 bytes of its text, a fixed allowance for images and PDF pages.

    The text of a thinking block is mostly left out, so each message with one counts as a whole reply more.
    A PDF whose pages cannot be counted, or that the API fetches itself, may fill the context window. That
    also bounds everything, as longer prompts are refused; server tools may fill it `SERVER_ROUNDS` times.
    """
    body = request.body
    # What the request shows: its texts and media, and of thinking no more than that there was some.
    content = _content_tokens([body.get("system"), body.get("messages")], request.model)
    thinking = sum(map(_holds_thinking, _items(body.get("messages")))) * request.max_tokens
    # What the API adds for tools and schemas. Definitions may reach the model as JSON with every non-ASCII
    # character escaped: dumps does the same.
    tools = [tool for tool in _items(body.get("tools")) if isinstance(tool, Mapping)]
    config = body.get("output_config")
    extras = [value for value in (tools, config, body.get("tool_choice")) if value]
    prompts = (1 + sum("type" in tool for tool in tools)) * TOOL_PROMPT_TOKENS if extras else 0
    definitions = sum(len(json.dumps(value)) for value in extras)
    return _within_window(request, FRAME_TOKENS + content + thinking + definitions + prompts)


def grown_prompt_tokens(send: Send, exchanges: Sequence[Exchange]) -> int:
    """Bound the prompt of a conversation's next request by what the API counted for the one before.

    It holds that prompt and its reply, whose tokens are known, and what is new: tighter than the bytes of the
    history, and also right for thinking, whose text the history does not show. Where the API did not say
    what it counted, the bytes have to do.
    """
    usage = exchanges[-1].reply.usage if exchanges else UNKNOWN
    if usage.input_total is None or usage.output_tokens is None:
        return prompt_tokens(send.request)
    new = _content_tokens(
        [{"role": each.role, "content": each.content} for each in send.sent], send.request.model
    )
    return _within_window(send.request, usage.input_total + usage.output_tokens + FRAME_TOKENS + new)


def has_server_tools(request: Request) -> bool:
    """Return whether the API may run tools of its own within the request."""
    return bool(request.body.get("mcp_servers")) or any(_server_tools(request))


def web_searches(request: Request) -> int:
    """Bound the web searches of one request by `max_uses`, else by one search for each token written."""
    uses = [
        tool.get("max_uses") for tool in _server_tools(request) if str(tool["type"]).startswith("web_search_")
    ]
    return sum(each if isinstance(each, int) else request.max_tokens for each in uses)


class PlaceholderRenderer:
    """A renderer that knows no reply: whatever is to be saved becomes the stand-in."""

    def __init__(self, renderer: TextRenderer) -> None:
        self._scribe = renderer

    def render(self, text: Text, saved: Mapping[str, str]) -> str:
        return self._scribe.render(text, saved)

    def fill_json(self, value: Json) -> Json:
        return self._scribe.fill_json(value)

    def fits(self, condition: object, replies: object, saved: object) -> bool:  # noqa: ARG002 - same
        """Return True: the bound holds for the longest way through the script."""
        return True

    def extract(self, save: Save, text: str, saved: Mapping[str, str]) -> str:  # noqa: ARG002 - the signature is the Protocol's
        return _UNKNOWN


def _answered(step: Send, usage: Usage) -> Exchange:
    body: JsonObject = {
        "model": step.request.model,
        "content": [{"type": "text", "text": "..."}],
        "stop_reason": "end_turn",
    }
    return Exchange(turn=step.turn, key="", sent=step.sent, reply=Reply(body=body, usage=usage))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Results:
    """Bounds of the scripted results of tools.

    `unlimited` are the tokens of the largest that answers any number of calls, `limited` those of all
    others together, each as often as it may be used. `rounds` are those of one turn.
    """

    unlimited: int
    limited: int
    rounds: int


def _results(conversation: Conversation, renderer: TextRenderer) -> _Results:
    results = [each for found in conversation.tool_results.by_tool.values() for each in found]
    tokens = [_content_tokens(result_block(_CALL_ID, each, renderer), conversation.model) for each in results]
    # What no result fits ends the conversation: where all are used up, there is no further round.
    times = [each.times for each in results]
    most = conversation.tool_results.max_rounds
    return _Results(
        unlimited=max((size for size, n in zip(tokens, times, strict=True) if n is None), default=0),
        limited=sum(size * n for size, n in zip(tokens, times, strict=True) if n is not None),
        rounds=most if None in times else min(most, sum(n for n in times if n is not None)),
    )


def _most_calls(request: Request) -> int:
    """Bound the calls of one reply: by its tokens, or where the request asks for no more than one."""
    choice = request.body.get("tool_choice")
    if isinstance(choice, Mapping) and choice.get("disable_parallel_tool_use") is True:
        return 1
    return max(1, request.max_tokens // CALL_TOKENS)


def _limits(request: Request, prompt: int, *, batch: bool = False) -> Limits:
    body = request.body
    return Limits(
        model=request.model,
        input_tokens=prompt,
        output_tokens=request.max_tokens,
        cache_ttl=cache_ttl(request),
        web_searches=web_searches(request),
        fast=body.get("speed") == "fast",
        global_only=body.get("inference_geo") == "global",
        batch=batch,
    )


def cache_ttl(request: Request) -> CacheTtl | None:
    """Return how long the longest-lived breakpoint of a request keeps its prompt, or None without one.

    Quotes inside of JSON's strings are escaped, so these bytes are keys. Some part that is no breakpoint may
    have a `ttl` of its own: then the bound is higher than it need be. No history is walked through for it.
    """
    body = request.canonical()
    if b'"cache_control":{' not in body:
        return None
    return "1h" if b'"ttl":"1h"' in body else "5m"


def _within_window(request: Request, tokens: int) -> int:
    rules = rules_for(request.model)
    window = rules.context_window if rules else DEFAULT_WINDOW
    if has_server_tools(request):
        return window * SERVER_ROUNDS
    return min(tokens, window) if rules else tokens


def _server_tools(request: Request) -> Iterator[JsonObject]:
    for tool in _items(request.body.get("tools")):
        if isinstance(tool, Mapping) and is_server_tool(tool):
            yield tool


def _content_tokens(content: Json, model: str) -> int:
    text = json.dumps(content, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if b'"source"' not in text:
        return len(text)  # an image or a document has one
    rules = rules_for(model)
    window = rules.context_window if rules else DEFAULT_WINDOW
    return len(text) + sum(_media_tokens(block, window) for block in _media(content))


def _holds_thinking(message: Json) -> bool:
    blocks = _items(message.get("content")) if isinstance(message, Mapping) else ()
    return any(
        isinstance(block, Mapping) and block.get("type") in {"thinking", "redacted_thinking"}
        for block in blocks
    )


def _media(content: Json) -> Iterator[JsonObject]:
    """Find the images and documents, also those inside tool results."""
    if isinstance(content, Mapping):
        if content.get("type") in {"image", "document"} and isinstance(content.get("source"), Mapping):
            yield content
        for value in content.values():
            yield from _media(value)
    elif isinstance(content, Sequence) and not isinstance(content, str):
        for value in content:
            yield from _media(value)


def _media_tokens(block: JsonObject, window: int) -> int:
    """Return what a block adds to the bytes of its JSON; negative where those bytes are not text."""
    source = block["source"]
    data = source.get("data") if isinstance(source, Mapping) else None
    kind = source.get("type") if isinstance(source, Mapping) else None
    if block["type"] == "document" and kind in {"text", "content"}:
        return 0
    encoded = len(data) if kind == "base64" and isinstance(data, str) and data.isascii() else 0
    if block["type"] == "image":
        return IMAGE_TOKENS - encoded
    number = _pages(data) if encoded and isinstance(data, str) else None
    return (window if number is None else number * PAGE_TOKENS) - encoded


@lru_cache(maxsize=32)
def _pages(data: str) -> int | None:
    """Count the pages of a base64 PDF; None where they cannot be seen, as in compressed object streams."""
    try:
        pdf = binascii.a2b_base64(data)
    except binascii.Error:
        return None  # the API will refuse it; until then it may be anything
    return None if b"/ObjStm" in pdf else len(_PAGE.findall(pdf)) or None


def _items(value: Json) -> Sequence[Json]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()
