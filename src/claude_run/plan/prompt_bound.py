"""How many tokens a prompt can have at most, without a tokenizer: a token is at least one byte of text."""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from claude_run.plan.model_rules import rules_for

if TYPE_CHECKING:
    from claude_run.conversation.exchange import Exchange, Request
    from claude_run.conversation.steps import Send
    from claude_run.scenario.model import Json, JsonObject

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

DEFAULT_WINDOW = 1_000_000

_CLIENT_TOOLS = ("custom", "bash_", "text_editor_", "computer_", "memory_")
_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")


def prompt_tokens(request: Request) -> int:
    """Bound the prompt of a request: UTF-8 bytes of its text, a fixed allowance for images and PDF pages.

    The text of a thinking block is mostly left out, so each message with one counts as a whole reply more.
    A PDF whose pages cannot be counted, or that the API fetches itself, may fill the context window. That
    also bounds everything, as longer prompts are refused; server tools may fill it `SERVER_ROUNDS` times.
    """
    body = request.body
    content = _content_tokens([body.get("system"), body.get("messages")], request.model)
    tools = [tool for tool in _items(body.get("tools")) if isinstance(tool, Mapping)]
    config = body.get("output_config")
    thinking = sum(map(_holds_thinking, _items(body.get("messages")))) * request.max_tokens
    extras = [value for value in (tools, config, body.get("tool_choice")) if value]
    prompts = (1 + sum("type" in tool for tool in tools)) * TOOL_PROMPT_TOKENS if extras else 0
    # Definitions may reach the model as JSON with every non-ASCII character escaped: dumps does the same.
    definitions = sum(len(json.dumps(value)) for value in extras)
    return _within_window(request, FRAME_TOKENS + content + thinking + definitions + prompts)


def grown_prompt_tokens(send: Send, exchanges: Sequence[Exchange]) -> int:
    """Bound the prompt of a conversation's next request by what the API counted for the one before.

    It holds that prompt and its reply, whose tokens are known, and what is new: tighter than the bytes of the
    history, and also right for thinking, whose text the history does not show.
    """
    if not exchanges:
        return prompt_tokens(send.request)
    usage = exchanges[-1].reply.usage
    new = _content_tokens(
        [{"role": each.role, "content": each.content} for each in send.sent], send.request.model
    )
    return _within_window(send.request, usage.input_total + usage.output_tokens + FRAME_TOKENS + new)


def has_server_tools(request: Request) -> bool:
    """Say whether the API may run tools of its own within the request."""
    return bool(request.body.get("mcp_servers")) or any(_server_tools(request))


def web_searches(request: Request) -> int:
    """Bound the web searches of one request by `max_uses`, else by one search for each token written."""
    uses = [
        tool.get("max_uses") for tool in _server_tools(request) if str(tool["type"]).startswith("web_search_")
    ]
    return sum(each if isinstance(each, int) else request.max_tokens for each in uses)


def _within_window(request: Request, tokens: int) -> int:
    rules = rules_for(request.model)
    window = rules.context_window if rules else DEFAULT_WINDOW
    if has_server_tools(request):
        return window * SERVER_ROUNDS
    return min(tokens, window) if rules else tokens


def _server_tools(request: Request) -> Iterator[JsonObject]:
    for tool in _items(request.body.get("tools")):
        if isinstance(tool, Mapping) and not str(tool.get("type") or "custom").startswith(_CLIENT_TOOLS):
            yield tool


def _content_tokens(content: Json, model: str) -> int:
    text = json.dumps(content, ensure_ascii=False).encode("utf-8", "surrogatepass")
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
    """Return what a block adds to the bytes of its JSON; negative where those bytes are no text."""
    source = block["source"]
    data = source.get("data") if isinstance(source, Mapping) else None
    kind = source.get("type") if isinstance(source, Mapping) else None
    if block["type"] == "document" and kind in {"text", "content"}:
        return 0
    encoded = len(data) if kind == "base64" and isinstance(data, str) and data.isascii() else 0
    if block["type"] == "image":
        return IMAGE_TOKENS - encoded
    pages = _pages(data) if encoded and isinstance(data, str) else None
    return (window if pages is None else pages * PAGE_TOKENS) - encoded


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
