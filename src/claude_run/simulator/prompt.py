"""A request as the prompt that is cached: an ordered list of parts with running hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from claude_run.simulator.problems import invalid, refused
from claude_run.simulator.tokens import PER_BLOCK, PER_MESSAGE, block_tokens, json_tokens

if TYPE_CHECKING:
    from claude_run.scenario.json_values import Json, JsonObject

MAX_BREAKPOINTS = 4
Ttl = Literal["5m", "1h"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptPart:
    """One cacheable position. `tokens` and `digest` are of everything up to and with this part."""

    digest: bytes
    tokens: int
    ttl: Ttl | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """The parts in the order tools, system, messages; those with a `ttl` are breakpoints."""

    model: str
    parts: tuple[PromptPart, ...]

    @property
    def tokens(self) -> int:
        return self.parts[-1].tokens

    @property
    def breakpoints(self) -> tuple[int, ...]:
        return tuple(index for index, part in enumerate(self.parts) if part.ttl is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _RawPart:
    """One part before hashing: what it says, apart from its cache marker."""

    content: Json
    tokens: int
    marker: Ttl | None = None
    cacheable: bool = True


def read_prompt(body: JsonObject, model: str) -> Prompt:
    """Lay a validated body out as a prompt; ApiError where its breakpoints break the rules.

    What invalidates which section is part of the hash: `speed` before the system prompt; thinking, effort,
    tool choice and the presence of images before the messages (messages-api reference, section 4).
    """
    raw = _place_automatic(body, [*_raw_parts(body)])
    ttls = [part.marker for part in raw if part.marker]
    if len(ttls) > MAX_BREAKPOINTS:
        most = f"A maximum of {MAX_BREAKPOINTS} blocks with cache_control may be provided."
        raise refused(f"{most} Found {len(ttls)}.")
    if "5m" in ttls and "1h" in ttls[ttls.index("5m") :]:
        raise refused("a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block")

    # Each position is known by a digest of all that comes before it, and of itself.
    running = hashlib.sha256(model.encode())
    parts: list[PromptPart] = []
    total = 0
    for part in raw:
        canonical = json.dumps(part.content, sort_keys=True, separators=(",", ":"))
        running.update(canonical.encode() + b"\n")
        total += part.tokens
        parts.append(PromptPart(digest=running.digest(), tokens=total, ttl=part.marker))
    return Prompt(model=model, parts=tuple(parts))


def without_markers(value: Json) -> Json:
    """Return a JSON value with every `cache_control` of content blocks taken out."""
    # Texts first: nearly everything is one, and a long history has thousands of them.
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return {key: without_markers(item) for key, item in value.items() if key != "cache_control"}
    return [without_markers(item) for item in value] if isinstance(value, Sequence) else value


def blocks_of(content: Json) -> Sequence[JsonObject]:
    """Return content as a list of blocks: a string is one text block."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return cast("Sequence[JsonObject]", content or ())


def _raw_parts(body: JsonObject) -> Iterator[_RawPart]:
    # The tools come first, and hash as they are.
    for tool in cast("Sequence[JsonObject]", body.get("tools") or ()):
        bare = _bare(tool)
        yield _RawPart(content=bare, tokens=PER_BLOCK + json_tokens(bare), marker=_marker(tool))

    # The system prompt; `speed`, which invalidates it, is part of each of its parts.
    speed = body.get("speed") or "standard"
    for block in blocks_of(body.get("system")):
        content = ["system", speed, _bare(block)]
        yield _RawPart(content=content, tokens=block_tokens(block), marker=_marker(block))

    # The messages, with all that invalidates them.
    messages = [
        (message["role"], blocks_of(message["content"]))
        for message in cast("Sequence[JsonObject]", body["messages"])
    ]
    section: Json = [
        speed,
        body.get("tool_choice"),
        body.get("thinking"),
        cast("JsonObject", body.get("output_config") or {}).get("effort"),
        any(block.get("type") == "image" for _, blocks in messages for block in blocks),
    ]
    for role, blocks in messages:
        opening = PER_MESSAGE
        for block in blocks:
            is_thought = block["type"] in {"thinking", "redacted_thinking"}
            yield _RawPart(
                content=[role, section, _bare(block)],
                tokens=opening + block_tokens(block),
                marker=_marker(block),
                cacheable=not is_thought and block.get("text") != "",
            )
            opening = 0


def _bare(block: JsonObject) -> JsonObject:
    # Of a long history nearly all are texts, and none but the last has a marker.
    if block.get("type") == "text" and "cache_control" not in block:
        return block
    return cast("JsonObject", without_markers(block))


def _marker(block: JsonObject) -> Ttl | None:
    control: Any = block.get("cache_control")
    return None if control is None else control.get("ttl") or "5m"


def _place_automatic(body: JsonObject, raw: list[_RawPart]) -> list[_RawPart]:
    """Put the breakpoint of a top-level `cache_control` on the last part that can carry one."""
    ttl = _marker(body)
    last = next((index for index in reversed(range(len(raw))) if raw[index].cacheable), None)
    if ttl is None or last is None:
        return raw
    part = raw[last]
    if part.marker not in {None, ttl}:
        raise invalid("cache_control", f"the last block already has cache_control with ttl {part.marker}")
    marked = _RawPart(content=part.content, tokens=part.tokens, marker=ttl)
    return [*raw[:last], marked, *raw[last + 1 :]]
