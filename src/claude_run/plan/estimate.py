"""What a run costs at most, known before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.conversation.exchange import Exchange, Reply
from claude_run.conversation.steps import MAX_ROUNDS, Send, next_step
from claude_run.conversation.transcript import total_cost
from claude_run.conversation.usage import Usage
from claude_run.plan.prices import CacheTtl, Limits, worst_case
from claude_run.plan.prompt_bound import grown_prompt_tokens, has_server_tools, prompt_tokens, web_searches

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from claude_run.conversation.exchange import Request
    from claude_run.conversation.script import Conversation, Scribe
    from claude_run.plan.matrix import Plan
    from claude_run.scenario.model import Json, JsonObject, Save, Text

# Stands for text that will be saved from a reply. Digits survive filters such as `upper` and `tojson`.
_UNKNOWN = "70914836215509318467203951"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEstimate:
    """The part of a run that one model plays; `worst_cost_usd` is None where it has no price."""

    model: str
    conversations: int
    requests: int
    worst_cost_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """An upper bound of a run. `worst_cost_usd` is None if any model is unpriced; `unpriced` names those.

    `requests` counts one for each turn that gets a reply. Not in the bound: attempts that bring no reply and
    are sent again, tools that are billed by time, and what a template makes of saved text but to quote it.
    """

    conversations: int
    requests: int
    worst_cost_usd: Decimal | None
    unpriced: tuple[str, ...]
    models: tuple[ModelEstimate, ...]


def worst_cost(request: Request) -> Decimal | None:
    """Return in USD what no reply to this request costs more than; None where the model has no price."""
    return worst_case(_limits(request, prompt_tokens(request)))


def worst_cost_after(send: Send, exchanges: Sequence[Exchange]) -> Decimal | None:
    """Return the same for the next request of a conversation, tighter by what the API counted so far."""
    return worst_case(_limits(send.request, grown_prompt_tokens(send, exchanges)))


def estimate(plan: Plan, scribe_for: Callable[[Conversation], Scribe]) -> Estimate:
    """Play every conversation in thought, each reply as long as it may be, and add up the worst costs.

    The sum is never below the worst costs that `worst_cost_after` gives while the plan is really played.
    """
    played: dict[str, tuple[int, Decimal | None]] = {}
    parts: dict[str, list[tuple[int, Decimal | None]]] = {}
    for conversation in plan.conversations:
        # Repeats are alike but for their number.
        key = conversation.identity.case_name
        if key not in played:
            played[key] = _play(conversation, scribe_for(conversation))
        parts.setdefault(conversation.model, []).append(played[key])
    rows = tuple(_row(model, part) for model, part in parts.items())
    return Estimate(
        conversations=len(plan.conversations),
        requests=sum(row.requests for row in rows),
        worst_cost_usd=total_cost(row.worst_cost_usd for row in rows),
        unpriced=tuple(row.model for row in rows if row.worst_cost_usd is None),
        models=rows,
    )


def _row(model: str, part: Sequence[tuple[int, Decimal | None]]) -> ModelEstimate:
    return ModelEstimate(
        model=model,
        conversations=len(part),
        requests=sum(requests for requests, _ in part),
        worst_cost_usd=total_cost(cost for _, cost in part),
    )


class _Guess:
    """A scribe that knows no reply: whatever is to be saved becomes the stand-in."""

    def __init__(self, scribe: Scribe) -> None:
        self._scribe = scribe

    def render(self, text: Text, saved: Mapping[str, str]) -> str:
        return self._scribe.render(text, saved)

    def extract(self, save: Save, text: str) -> str:  # noqa: ARG002 - the signature is the Protocol's
        return _UNKNOWN


def _play(conversation: Conversation, scribe: Scribe) -> tuple[int, Decimal | None]:
    """Return the number of requests of a conversation, and its worst cost."""
    guess = _Guess(scribe)
    exchanges: list[Exchange] = []
    costs: list[Decimal | None] = []
    while isinstance(step := next_step(conversation, exchanges, guess), Send):
        prompt = grown_prompt_tokens(step, exchanges) + _saved_tokens(step)
        # Only server tools pause a reply; each time it is resumed is a request of its own.
        rounds = 1 + MAX_ROUNDS if has_server_tools(step.request) else 1
        costs += [worst_case(_limits(step.request, prompt))] * rounds
        exchanges.append(_longest_exchange(step, prompt))
    return len(exchanges), total_cost(costs)


def _saved_tokens(step: Send) -> int:
    """Bound what saved text adds: each place where it is quoted may hold a whole reply."""
    quoted = json.dumps([each.content for each in step.sent]).count(_UNKNOWN)
    return quoted * step.request.max_tokens


def _longest_exchange(step: Send, prompt: int) -> Exchange:
    body: Mapping[str, Json] = {"content": [{"type": "text", "text": "..."}], "stop_reason": "end_turn"}
    usage = Usage(input_tokens=prompt, output_tokens=step.request.max_tokens)
    return Exchange(turn=step.turn, key="", sent=step.sent, reply=Reply(body=body, usage=usage))


def _limits(request: Request, prompt: int) -> Limits:
    body = request.body
    return Limits(
        model=request.model,
        input_tokens=prompt,
        output_tokens=request.max_tokens,
        cache_ttl=_cache_ttl(body),
        web_searches=web_searches(request),
        fast=body.get("speed") == "fast",
        global_only=body.get("inference_geo") == "global",
    )


def _cache_ttl(body: JsonObject) -> CacheTtl | None:
    """Return the longest time to live of any cache breakpoint in the request."""
    ttls = {control.get("ttl") for control in _cache_controls(body)}
    return "1h" if "1h" in ttls else "5m" if ttls else None


def _cache_controls(value: Json) -> Iterator[JsonObject]:
    if isinstance(value, Mapping):
        control = value.get("cache_control")
        if isinstance(control, Mapping):
            yield control
        for each in value.values():
            yield from _cache_controls(each)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for each in value:
            yield from _cache_controls(each)
