"""Thinking as the API gives it, without the thoughts: blocks that are bound to all that was said before them.

A block says nothing, or that it is simulated where a summary is asked for. Its signature follows from the
tools, the system prompt and the messages before it, so that a history that was changed is refused, as by the
API (messages-api reference, section 2.3).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from claude_run.simulator.problems import invalid
from claude_run.simulator.prompt import blocks_of, without_markers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.scenario.json_values import JsonObject

THOUGHTS = frozenset({"thinking", "redacted_thinking"})
SUMMARY = "[simulated thinking]"
_SIGNED = "sim_"


def thought(body: JsonObject) -> JsonObject | None:
    """Return the block that a reply to this request begins with; None where the request asks for none."""
    wanted, choice = body.get("thinking"), body.get("tool_choice")
    kind = wanted.get("type") if isinstance(wanted, Mapping) else None
    forced = isinstance(choice, Mapping) and choice.get("type") in {"any", "tool"}
    if kind not in {"adaptive", "enabled"} or forced:
        return None
    shown = cast("JsonObject", wanted).get("display") == "summarized"
    *_, signature = _signatures(body)
    return {"type": "thinking", "thinking": SUMMARY if shown else "", "signature": signature}


def check_thoughts(body: JsonObject) -> None:
    """Refuse a history whose simulated blocks are not where they were, or not as they were given."""
    expected = iter(_signatures(body))
    for index, (message, signature) in enumerate(zip(_messages(body), expected, strict=False)):
        for place, block in enumerate(blocks_of(message.get("content"))):
            signed = str(block.get("signature") or "")
            if block.get("type") != "thinking" or not signed.startswith(_SIGNED):
                continue
            if signed != signature or block.get("thinking") not in {"", SUMMARY}:
                problem = "Invalid `signature` in `thinking` block: it, or what stands before it, was changed"
                raise invalid(f"messages.{index}.content.{place}", problem)


def is_simulated(block: JsonObject) -> bool:
    """Return whether a block of a history is a thought that this simulator gave."""
    return block.get("type") == "thinking" and str(block.get("signature") or "").startswith(_SIGNED)


def _messages(body: JsonObject) -> Sequence[JsonObject]:
    return cast("Sequence[JsonObject]", body["messages"])


def _signatures(body: JsonObject) -> Sequence[str]:
    """Return what a block in each message is signed with, and last what one in the next message is."""
    running = hashlib.sha256()
    before: list[Any] = [body.get("tools"), blocks_of(body.get("system"))]
    running.update(_canonical(before))
    signatures = [_signed(running)]
    for message in _messages(body):
        # Blocks of thinking may be taken away later, so that none of them is bound to another.
        said = [block for block in blocks_of(message.get("content")) if block.get("type") not in THOUGHTS]
        running.update(_canonical([message.get("role"), said]))
        signatures.append(_signed(running))
    return signatures


def _canonical(value: Any) -> bytes:  # noqa: ANN401 - any JSON
    return json.dumps(without_markers(value), sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _signed(running: Any) -> str:  # noqa: ANN401 - hashlib's objects have no public type
    return f"{_SIGNED}{running.hexdigest()[:32]}"
