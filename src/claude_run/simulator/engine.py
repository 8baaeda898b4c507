"""What the simulator answers, without any network: bodies in, bodies out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.simulator.cache import PromptCache
from claude_run.simulator.catalog import MODELS, find_model
from claude_run.simulator.problems import ApiError, invalid
from claude_run.simulator.prompt import read_prompt
from claude_run.simulator.replies import compose, placeholder
from claude_run.simulator.thinking import check_thoughts
from claude_run.simulator.validation import (
    check_count_request,
    check_message_request,
    check_prompt_size,
    check_version,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from claude_run.scenario.json_values import JsonObject
    from claude_run.simulator.cache import CacheUse
    from claude_run.simulator.replies import ReplyBook

_PAGE_SIZE = 20
_MAX_PAGE_SIZE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedReply:
    """A reply that is ready to go out; the cache learns of it when it begins."""

    message: JsonObject
    stream: bool
    cache_use: CacheUse


class Engine:
    """Validation, replies and cache of one simulator; `clock` gives seconds."""

    def __init__(self, replies: ReplyBook, clock: Callable[[], float], *, cache_delay_s: float = 0.0) -> None:
        self._replies = replies
        self._cache = PromptCache(clock, delay_s=cache_delay_s)

    def prepare(
        self, body: JsonObject, headers: Mapping[str, str], *, misses_cache: bool = False
    ) -> PreparedReply:
        """Answer `POST /v1/messages`; ApiError where the API would refuse.

        A request that `misses_cache` reads nothing of what is there.
        """
        # Is it a request that the API would take?
        legacy = check_version(headers.get("anthropic-version"))
        model = check_message_request(body, legacy=legacy, beta="anthropic-beta" in headers)
        prompt = read_prompt(body, model.id)
        check_prompt_size(prompt.tokens, model)
        check_thoughts(body)

        # What of it is read from the cache, and what is the answer?
        use = self._cache.look_up(prompt, model.min_cache, missed=misses_cache)
        composed = compose(body, self._replies.reply(body) or placeholder(body))
        message = composed.message(body, use.usage())
        return PreparedReply(message=message, stream=bool(body.get("stream")), cache_use=use)

    def begin(self, prepared: PreparedReply) -> None:
        """Make what this request caches readable for others: its reply begins."""
        self._cache.commit(prepared.cache_use)

    @staticmethod
    def count_tokens(body: JsonObject, headers: Mapping[str, str]) -> JsonObject:
        """Answer `POST /v1/messages/count_tokens`."""
        legacy = check_version(headers.get("anthropic-version"))
        model = check_count_request(body, legacy=legacy, beta="anthropic-beta" in headers)
        prompt = read_prompt(body, model.id)
        check_prompt_size(prompt.tokens, model)
        return {"input_tokens": prompt.tokens}

    @staticmethod
    def model(name: str) -> JsonObject:
        """Answer `GET /v1/models/{id}`."""
        model = find_model(name)
        if model is None:
            raise ApiError(404, f"model: {name}")
        return model.info()

    @staticmethod
    def models(query: Mapping[str, str]) -> JsonObject:
        """Answer `GET /v1/models`, with `limit`, `after_id` and `before_id`."""
        limit = query.get("limit", str(_PAGE_SIZE))
        if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit) <= _MAX_PAGE_SIZE:
            raise invalid("limit", f"Input should be a whole number from 1 to {_MAX_PAGE_SIZE}")
        ids = [model.id for model in MODELS]
        first, last = 0, len(ids)
        if "after_id" in query:
            first = _place(ids, query["after_id"], "after_id") + 1
        if "before_id" in query:
            last = _place(ids, query["before_id"], "before_id")
        page = [model.info() for model in MODELS[first:last][: int(limit)]]
        return {
            "data": page,
            "has_more": len(page) < last - first,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
        }


def _place(ids: list[str], name: str, where: str) -> int:
    if name not in ids:
        raise invalid(where, "no model has this id")
    return ids.index(name)
