"""The pure state machine that decides the next step of a conversation from what was exchanged so far."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from claude_run.conversation.exchange import Request, SentMessage, is_blank
from claude_run.conversation.script import generated_turns
from claude_run.scenario.model import AssistantTurn, Text, TextBlock, UserTurn
from claude_run.text.strict_json import join_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from claude_run.conversation.exchange import Exchange, Reply
    from claude_run.conversation.script import Conversation, TextRenderer
    from claude_run.scenario.model import Block, Content, Json, Turn

MAX_ROUNDS = 10
"""How often one turn may be resumed after `pause_turn` before the conversation is given up."""

_KNOWN = frozenset({"end_turn", "stop_sequence", "max_tokens", "tool_use"})


class StopKind(StrEnum):
    """Why a conversation ended before its script did, or ended on a reply that is not an answer."""

    REFUSED = "refused"
    CONTEXT_WINDOW = "context_window"
    TOOL_USE = "tool_use"
    PAUSED = "paused"
    UNKNOWN = "unknown"
    OTHER_MODEL = "other_model"
    NOT_SAVED = "not_saved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The turn whose reply ended the conversation, and why, in words for the user."""

    kind: StopKind
    turn: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send this request for the user turn `turn`; `sent` are the messages that it adds to the history."""

    turn: int
    request: Request
    sent: tuple[SentMessage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Nothing is left to send. `stop` is None where the script was played to its end."""

    stop: Stop | None = None


Step: TypeAlias = Send | Finish


def next_step(conversation: Conversation, exchanges: Sequence[Exchange], renderer: TextRenderer) -> Step:
    """Decide the next step from the script and the exchanges so far, and from nothing else.

    Replies enter the history exactly as they were received; only blank text is left out, and a reply of
    nothing else: the API gives both and refuses to take them back.
    """
    if not exchanges:
        return _send_turn(conversation, exchanges, renderer=renderer, saved={})
    last = exchanges[-1]
    if other := conversation.served.problem(conversation.model, last.reply.model):
        return Finish(stop=Stop(kind=StopKind.OTHER_MODEL, turn=last.turn, message=other))
    if last.reply.stop_reason == "pause_turn":
        return _resume_turn(conversation, exchanges, renderer)
    if stop := _stop_after(conversation, last):
        return Finish(stop=stop)
    saved: dict[str, str] = {}
    for turn in dict.fromkeys(exchange.turn for exchange in exchanges):
        missing = _save(conversation.turns[turn], turn_text(exchanges, turn), saved=saved, renderer=renderer)
        if missing is not None:
            return Finish(stop=Stop(kind=StopKind.NOT_SAVED, turn=turn, message=missing))
    return _send_turn(conversation, exchanges, renderer=renderer, saved=saved)


def turn_text(exchanges: Iterable[Exchange], turn: int) -> str:
    """Return the reply text of one turn, over all its exchanges."""
    return join_text(exchange.reply.text for exchange in exchanges if exchange.turn == turn)


def saved_values(
    conversation: Conversation, exchanges: Sequence[Exchange], renderer: TextRenderer
) -> dict[str, str]:
    """Return what the turns so far have saved; a pattern that found nothing saves nothing."""
    saved: dict[str, str] = {}
    for turn in dict.fromkeys(exchange.turn for exchange in exchanges):
        _save(conversation.turns[turn], turn_text(exchanges, turn), saved=saved, renderer=renderer)
    return saved


def _send_turn(
    conversation: Conversation,
    exchanges: Sequence[Exchange],
    *,
    renderer: TextRenderer,
    saved: Mapping[str, str],
) -> Step:
    done = exchanges[-1].turn if exchanges else -1
    following = next((turn for turn in generated_turns(conversation.turns) if turn > done), None)
    if following is None:
        return Finish()
    sent: list[SentMessage] = []
    start = _last_scripted(conversation.turns, done)
    for index in range(start + 1, _last_scripted(conversation.turns, following) + 1):
        turn = conversation.turns[index]
        content = _content(turn.content, renderer, saved)
        sent.append(SentMessage(turn=index, role=role_of(turn), content=content))
    request = _request(conversation, [*_history(exchanges), *map(_message, sent)], renderer)
    return Send(turn=following, request=request, sent=tuple(sent))


def _resume_turn(conversation: Conversation, exchanges: Sequence[Exchange], renderer: TextRenderer) -> Step:
    turn = exchanges[-1].turn
    if not exchanges[-1].reply.sendable:
        # The same request would go out again, under the same key, for ever.
        return Finish(
            stop=Stop(kind=StopKind.PAUSED, turn=turn, message="the reply paused without any content")
        )
    if sum(exchange.turn == turn for exchange in exchanges) > MAX_ROUNDS:
        message = f"the reply paused {MAX_ROUNDS + 1} times without an end"
        return Finish(stop=Stop(kind=StopKind.PAUSED, turn=turn, message=message))
    return Send(turn=turn, request=_request(conversation, _history(exchanges), renderer), sent=())


def _stop_after(conversation: Conversation, last: Exchange) -> Stop | None:
    reason = last.reply.stop_reason
    at_the_end = last.turn == generated_turns(conversation.turns)[-1]
    if reason == "refusal":
        return Stop(kind=StopKind.REFUSED, turn=last.turn, message=_refusal(last.reply))
    if reason == "model_context_window_exceeded":
        message = "the reply was cut off at the model's context window"
        return Stop(kind=StopKind.CONTEXT_WINDOW, turn=last.turn, message=message)
    if reason not in _KNOWN:
        message = f"unknown stop_reason {reason!r}"
        return Stop(kind=StopKind.UNKNOWN, turn=last.turn, message=message)
    if _calls_tools(last.reply):
        names = ", ".join(
            str(block.get("name")) for block in last.reply.content if block["type"] == "tool_use"
        )
        message = f"the reply calls a tool that has no scripted result: {names}"
        if reason == "max_tokens":
            # Half of a call cannot be sent back, and neither can a call without its result.
            message = f"the reply was cut off at max_tokens while it called a tool: {names}; raise max_tokens"
        return None if at_the_end else Stop(kind=StopKind.TOOL_USE, turn=last.turn, message=message)
    return None


def _calls_tools(reply: Reply) -> bool:
    return reply.stop_reason == "tool_use" or any(block["type"] == "tool_use" for block in reply.content)


def _refusal(reply: Reply) -> str:
    details: Any = reply.body.get("stop_details")
    category = details.get("category") if isinstance(details, dict) else None
    return (
        f"the model refused to answer (category: {category})" if category else "the model refused to answer"
    )


def _save(turn: Turn, text: str, *, saved: dict[str, str], renderer: TextRenderer) -> str | None:
    for save in turn.save if isinstance(turn, UserTurn) else ():
        found = renderer.extract(save, text)
        if found is None:
            return f"nothing in the reply matches the pattern of save {save.name!r}: {save.pattern}"
        saved[save.name] = found
    return None


def _last_scripted(turns: Sequence[Turn], generated: int) -> int:
    """Return the index of the last turn that goes out with this one: system turns follow their user turn."""
    last = generated
    while last >= 0 and last + 1 < len(turns) and role_of(turns[last + 1]) == "system":
        last += 1
    return last


def role_of(turn: Turn) -> str:
    """Return the API's role of a scripted turn."""
    if isinstance(turn, UserTurn):
        return "user"
    return "assistant" if isinstance(turn, AssistantTurn) else "system"


def _history(exchanges: Iterable[Exchange]) -> list[Json]:
    messages: list[Json] = []
    for exchange in exchanges:
        messages.extend(map(_message, exchange.sent))
        if content := exchange.reply.sendable:
            messages.append({"role": "assistant", "content": content})
    return messages


def _message(sent: SentMessage) -> Json:
    return {"role": sent.role, "content": sent.content}


def _content(content: Content, renderer: TextRenderer, saved: Mapping[str, str]) -> Json:
    if isinstance(content, Text):
        return renderer.render(content, saved)
    return [_block(block, renderer, saved) for block in content]


def _block(block: Block, renderer: TextRenderer, saved: Mapping[str, str]) -> dict[str, Json]:
    if isinstance(block, TextBlock):
        return {"type": "text", "text": renderer.render(block.text, saved), **block.extra}
    return dict(block.value)


def _request(conversation: Conversation, messages: Sequence[Json], renderer: TextRenderer) -> Request:
    body: dict[str, Json] = {"model": conversation.model, **conversation.params}
    system = system_blocks(conversation, renderer)
    if system:
        body["system"] = system
    # The automatic breakpoint pays only where a later request reads what this one wrote.
    if _caches(conversation) and len(generated_turns(conversation.turns)) > 1:
        body["cache_control"] = _cache_control(conversation)
    body["messages"] = messages
    return Request(body=body)


def system_blocks(conversation: Conversation, renderer: TextRenderer) -> list[Json]:
    """Return the system prompt as it is sent: text blocks, the last one a cache breakpoint.

    There is none with `cache: off`, nor where the scenario sets breakpoints itself: the API takes four.
    Blocks that render to nothing but white space are left out, because the API refuses them.
    """
    if conversation.system is None:
        return []
    system = conversation.system
    parts = (TextBlock(text=system),) if isinstance(system, Text) else system
    rendered = [_block(part, renderer, {}) for part in parts]
    blocks = [block for block in rendered if block["type"] != "text" or not is_blank(block)]
    if blocks and _caches(conversation):
        blocks[-1] = {**blocks[-1], "cache_control": _cache_control(conversation)}
    return [*blocks]


def _caches(conversation: Conversation) -> bool:
    return conversation.cache != "off" and not _sets_breakpoints(conversation)


def _sets_breakpoints(conversation: Conversation) -> bool:
    tools: Any = conversation.params.get("tools", ())
    contents = (conversation.system, *(turn.content for turn in conversation.turns))
    blocks = [block for content in contents if isinstance(content, tuple) for block in content]
    written = [block.extra if isinstance(block, TextBlock) else block.value for block in blocks]
    return any("cache_control" in each for each in (conversation.params, *tools, *written))


def _cache_control(conversation: Conversation) -> dict[str, Json]:
    return {"type": "ephemeral", "ttl": "1h"} if conversation.cache == "1h" else {"type": "ephemeral"}
