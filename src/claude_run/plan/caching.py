"""What requests share in the prompt cache, as a pure function of each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from claude_run.plan.model_rules import min_cache_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable

    from claude_run.conversation.exchange import Request

LIFETIME_S: Mapping[str, float] = {"5m": 300.0, "1h": 3600.0}
"""How long an entry lives, in seconds from the start of the request that wrote or read it."""

_FEWEST_BYTES_PER_TOKEN = 2
"""Text of fewer bytes than this for each token of the minimum is clearly too short to be cached."""

_NOT_SHARED = frozenset(
    {
        "messages",
        "cache_control",
        "max_tokens",
        "stop_sequences",
        "metadata",
        "diagnostics",
        "temperature",
        "top_p",
        "top_k",
        "tool_choice",
    }
)
"""The parts of a request that leave what is cached of its tools and its system prompt as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedPrefix:
    """The tools and the system prompt of a request up to its last breakpoint there, known by a digest.

    Requests with the same digest read what one of them has written, for `lifetime_s` seconds.
    """

    digest: bytes
    lifetime_s: float


def shared_prefix(request: Request) -> SharedPrefix | None:
    """Return what other requests may read of this one's tools and system prompt.

    None where no breakpoint stands there, and where it is clearly too short for the model to cache it.
    All that is not known to be harmless counts as a part of it, because a parameter such as `thinking`
    invalidates the system prompt on some models (messages-api reference, section 4).
    """
    body = request.body
    tools, system = _blocks(body.get("tools")), _blocks(body.get("system"))
    marked = [(part, at) for part in (tools, system) for at in _breakpoints(part)]
    if not marked:
        return None
    # The last breakpoint ends the prefix: of the tools alone, or of all of them and a part of the prompt.
    part, at = marked[-1]
    shared: dict[str, Any] = {name: value for name, value in body.items() if name not in _NOT_SHARED}
    shared["tools"] = _bare(tools[: at + 1] if part is tools else tools)
    shared["system"] = _bare([] if part is tools else system[: at + 1])
    text = json.dumps([shared["tools"], shared["system"]], separators=(",", ":")).encode()
    if len(text) < _FEWEST_BYTES_PER_TOKEN * min_cache_tokens(request.model):
        return None
    ttl = part[at]["cache_control"].get("ttl") or "5m"
    rest = {name: value for name, value in shared.items() if name not in {"tools", "system"}}
    digest = hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode() + b"\n" + text)
    return SharedPrefix(digest=digest.digest(), lifetime_s=LIFETIME_S.get(ttl, LIFETIME_S["5m"]))


def _blocks(value: object) -> Sequence[Mapping[str, Any]]:
    listed = isinstance(value, Sequence) and not isinstance(value, str)
    return [each for each in value if isinstance(each, Mapping)] if listed else ()  # type: ignore[attr-defined] # a list, then


def _breakpoints(blocks: Sequence[Mapping[str, Any]]) -> Iterable[int]:
    return (at for at, block in enumerate(blocks) if isinstance(block.get("cache_control"), Mapping))


def _bare(blocks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in block.items() if name != "cache_control"} for block in blocks]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptUse:
    """How the prompts of a conversation are paid for, in tokens: as they are, written, or read."""

    fresh: int
    written: int
    read: int

    def __add__(self, other: PromptUse) -> PromptUse:
        return PromptUse(
            fresh=self.fresh + other.fresh,
            written=self.written + other.written,
            read=self.read + other.read,
        )

    @property
    def total(self) -> int:
        return self.fresh + self.written + self.read


NO_USE = PromptUse(fresh=0, written=0, read=0)


def best_use(prompts: Sequence[int], *, shared: int, leads: bool, least: int) -> Sequence[PromptUse]:
    """Return the cheapest way to pay for the prompts of one conversation, request by request.

    `prompts` are their lengths in tokens, each with all that was said before; the first `shared` of them are
    a prefix that other conversations have too, which this one writes where it `leads`. Nothing shorter than
    `least` is cached. Each part is written once, when a later request reads it, and read from then on: what
    the last request adds is read by nobody. Writing costs less than twice, and reading less than writing, so
    that no other way is cheaper.
    """
    shared = shared if shared >= least else 0
    cached = 0 if leads else shared
    uses: list[PromptUse] = []
    for number, prompt in enumerate(prompts, 1):
        read = min(cached, prompt)
        # Up to where it is written: all of it for the next request, or what others share.
        keeps = prompt if number < len(prompts) and prompt >= least else max(read, min(shared, prompt))
        uses.append(PromptUse(fresh=prompt - keeps, written=keeps - read, read=read))
        cached = keeps
    return uses


def usual_use(
    prompts: Sequence[int], *, shared: int, leads: bool, least: int, grows: bool
) -> Sequence[PromptUse]:
    """Return how the prompts of one conversation are paid for where the cache is read as soon as it can be.

    Other than in `best_use` each request that marks its whole prompt writes it, the last one too, which
    nobody reads; none does where the conversation does not grow in the cache, but its `shared` part alone.
    """
    shared = shared if shared >= least else 0
    cached = 0 if leads else shared
    uses: list[PromptUse] = []
    for prompt in prompts:
        read = min(cached, prompt)
        keeps = prompt if grows and prompt >= least else max(read, min(shared, prompt))
        uses.append(PromptUse(fresh=prompt - keeps, written=keeps - read, read=read))
        cached = keeps
    return uses
