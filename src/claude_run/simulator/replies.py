"""What the simulator answers: a scripted reply where there is one, an honest placeholder otherwise."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, cast

from claude_run.checks.output_format import asked_schema
from claude_run.scenario.json_values import EMPTY
from claude_run.simulator.made_up import simplest
from claude_run.simulator.prompt import blocks_of
from claude_run.simulator.thinking import THOUGHTS, thought
from claude_run.simulator.tokens import cut_to_tokens, json_tokens, text_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from claude_run.scenario.json_values import JsonObject

EMPTY_REPLY_TOKENS = 2
"""An empty reply is billed 2 or 3 tokens (messages-api reference, section 2.2)."""

PAUSE_ID = "srvtoolu_sim_pause_"
"""How the ids of the calls begin that a simulated pause ends with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripted:
    """A reply as it is written down.

    `content` is text or whole content blocks; what `thinks` begins with a block of thinking where the request
    asks for that. Without a `stop_reason` it is `tool_use` where a tool is called, `end_turn` otherwise.
    `usage` overrides single fields of the API's usage.
    """

    content: str | tuple[JsonObject, ...]
    thinks: bool = True
    stop_reason: str | None = None
    stop_details: JsonObject | None = None
    usage: JsonObject = EMPTY


class ReplyBook(Protocol):
    """Where replies come from; the request body is valid when it is asked."""

    def reply(self, body: JsonObject) -> Scripted | None:
        """Return the reply to this request, or None for the placeholder."""


class NoReplies:
    """An empty book: every reply is the placeholder."""

    def reply(self, body: JsonObject) -> Scripted | None:  # noqa: ARG002 - the Protocol's signature
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """A reply as it goes out, after `max_tokens` and the stop sequences of the request had their say."""

    content: tuple[JsonObject, ...]
    stop_reason: str
    stop_sequence: str | None
    stop_details: JsonObject | None
    output_tokens: int
    thinking_tokens: int
    usage: JsonObject = field(default=EMPTY)

    def message(self, body: JsonObject, input_usage: JsonObject) -> JsonObject:
        """Return the API's message for the request `body`; its id follows from both."""
        # The id is the same with and without `stream`.
        asked = {key: value for key, value in body.items() if key != "stream"}
        digest = hashlib.sha256(json.dumps([asked, self.content], sort_keys=True).encode()).hexdigest()
        return {
            "id": f"msg_sim_{digest[:24]}",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": [*self.content],
            "stop_reason": self.stop_reason,
            "stop_sequence": self.stop_sequence,
            "stop_details": self.stop_details,
            "container": None,
            "diagnostics": {"cache_miss_reason": {"type": "unavailable"}}
            if body.get("diagnostics")
            else None,
            "usage": {
                **input_usage,
                "output_tokens": self.output_tokens,
                "output_tokens_details": {"thinking_tokens": self.thinking_tokens},
                "server_tool_use": None,
                "service_tier": "standard",
                "speed": body.get("speed") or "standard",
                "inference_geo": body.get("inference_geo"),
                # What is written down wins over what was counted.
                **self.usage,
            },
        }


def placeholder(body: JsonObject) -> Scripted:
    """Return the reply to a request that no example is given for: the same for every model.

    Where the request asks for JSON by a schema, it is the simplest value that fits, texts saying what it is.
    """
    messages = cast("Sequence[JsonObject]", body["messages"])
    number = sum(message["role"] == "assistant" for message in messages) + 1
    text = f"[simulated reply {number}: no example is given for this turn]"
    schema = asked_schema(body)
    return Scripted(content=text if schema is None else json.dumps(simplest(schema, text)))


def compose(body: JsonObject, scripted: Scripted) -> Composed:
    """Fit a scripted reply to the request: cut at a stop sequence, then at `max_tokens`.

    A block that is not text and does not fit is left out, as are all after it.
    """
    written = [block for block in blocks_of(scripted.content) if block.get("text") != ""]
    has_thought = any(block["type"] in THOUGHTS for block in written)
    if scripted.thinks and not has_thought and (first := thought(body)):
        written.insert(0, first)
    blocks, sequence = _stop_at(written, cast("Sequence[str]", body.get("stop_sequences") or ()))
    limit = cast("int", body["max_tokens"])
    kept, used, thinking = _fit(blocks, limit)

    # The reason is what was written down, or what the blocks say; a cut that was made has the last word.
    natural = "tool_use" if any(block["type"] == "tool_use" for block in blocks) else "end_turn"
    stop_reason, details = scripted.stop_reason or natural, scripted.stop_details
    if sequence is not None:
        stop_reason, details = "stop_sequence", None
    if len(kept) < len(blocks) or used < sum(map(_output_tokens, blocks)):
        stop_reason, sequence, details = "max_tokens", None, None
    return Composed(
        content=tuple(kept),
        stop_reason=stop_reason if limit else "max_tokens",
        stop_sequence=sequence,
        stop_details=details,
        output_tokens=used if kept else min(limit, EMPTY_REPLY_TOKENS),
        thinking_tokens=thinking,
        usage=scripted.usage,
    )


def _stop_at(blocks: list[JsonObject], sequences: Sequence[str]) -> tuple[list[JsonObject], str | None]:
    kept: list[JsonObject] = []
    for block in blocks:
        text = str(block.get("text", ""))
        found = [(text.index(sequence), sequence) for sequence in sequences if sequence in text]
        if found:
            at, sequence = min(found)
            return [*kept, *([{**block, "text": text[:at]}] if at else [])], sequence
        kept.append(block)
    return kept, None


def _fit(blocks: Iterable[JsonObject], limit: int) -> tuple[list[JsonObject], int, int]:
    """Return the blocks that fit in `limit` tokens, their tokens, and those of thinking among them."""
    kept: list[JsonObject] = []
    used = thinking = 0
    for block in blocks:
        cost = _output_tokens(block)
        fitted = block
        if used + cost > limit:
            # Of the block that does not fit as much text is kept as does; then nothing more.
            text = cut_to_tokens(str(block.get("text", "")), limit - used)
            if not text:
                break
            fitted, cost = {**block, "text": text}, text_tokens(text)
        kept.append(fitted)
        used += cost
        thinking += cost if block["type"] == "thinking" else 0
        if fitted is not block:
            break
    return kept, used, thinking


def _output_tokens(block: JsonObject) -> int:
    if block["type"] == "text":
        return text_tokens(str(block["text"]))
    if block["type"] == "thinking":
        # Omitted thinking has no text but is billed all the same.
        return max(1, text_tokens(str(block["thinking"])))
    return json_tokens(block)
