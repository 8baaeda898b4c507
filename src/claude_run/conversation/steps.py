"""The pure state machine that decides the next step of a conversation from what was exchanged so far."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from claude_run.conversation.content import message_block, message_content
from claude_run.conversation.exchange import Request, SentMessage, is_blank
from claude_run.conversation.script import generated_turns
from claude_run.conversation.tools import ToolAnswers, described, tool_calls
from claude_run.scenario.model import AssistantTurn, Text, TextBlock, UserTurn
from claude_run.text.strict_json import join_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from claude_run.conversation.exchange import Exchange, Reply
    from claude_run.conversation.script import Conversation, TextRenderer
    from claude_run.conversation.tools import Answered
    from claude_run.scenario.json_values import Json
    from claude_run.scenario.model import Save, Turn

MAX_ROUNDS = 10
"""How often one turn may be resumed after `pause_turn` before the conversation is given up."""

_KNOWN = frozenset({"end_turn", "stop_sequence", "max_tokens", "tool_use"})


class StopKind(StrEnum):
    """Why a conversation ended before its script did, or ended on a reply that is not an answer."""

    REFUSED = "refused"
    CONTEXT_WINDOW = "context_window"
    NO_TOOL_RESULT = "no_tool_result"
    CUT_OFF_CALL = "cut_off_call"
    PAUSED = "paused"
    UNKNOWN = "unknown"
    OTHER_MODEL = "other_model"
    NOT_SAVED = "not_saved"


NO_ANSWER = frozenset({StopKind.OTHER_MODEL, StopKind.UNKNOWN, StopKind.PAUSED})
"""The kinds in which the last reply says nothing of the model: it may be asked for again."""


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
    return Steps(conversation, renderer).next(exchanges)


class Steps:
    """The steps of one conversation, one after the other: each is `next_step` of the exchanges so far.

    What was looked at once is not looked at again: a turn costs what is new in it, not all that was said.
    `saved` is what the turns looked at have saved; a pattern that found nothing saves nothing. `left_out`
    are the turns before the next step that are not sent: those whose condition the last reply did not fit,
    and the system turns that would have steered the reply to them.
    """

    def __init__(self, conversation: Conversation, renderer: TextRenderer) -> None:
        self.saved: Mapping[str, str] = {}
        self.left_out: set[int] = set()
        self._conversation = conversation
        self._renderer = renderer
        self._generated = generated_turns(conversation.turns)
        self._caches = _caches(conversation)
        self._system: list[Json] | None = None
        # The exchanges that were looked at: their messages, and the rounds of the last turn.
        self._seen = 0
        self._messages: list[Json] = []
        self._last: Exchange | None = None
        self._rounds: list[Exchange] = []
        self._pauses = 0
        self._tools = ToolAnswers(conversation.tool_results, renderer)
        self._answered: Answered | None = None
        self._saved_before: Mapping[str, str] = {}
        self._missing: Stop | None = None
        self._missing_before: Stop | None = None

    def next(self, exchanges: Sequence[Exchange]) -> Step:
        """Return what comes after these exchanges, which begin with those of the call before."""
        for exchange in exchanges[self._seen :]:
            self._take(exchange)
        self._seen = len(exchanges)
        last = self._last
        if last is None:
            return self._send_turn()
        if other := self._conversation.served.problem(self._conversation.model, last.reply.model):
            return Finish(stop=Stop(kind=StopKind.OTHER_MODEL, turn=last.turn, message=other))
        if last.reply.stop_reason == "pause_turn":
            return self._resume_turn(last)
        stop = self._stop_after(last)
        if stop is None and self._answered is not None:
            step = self._answer_tools(last, self._answered)
            if step is not None:
                return step
        stop = stop or self._missing
        return Finish(stop=stop) if stop else self._send_turn()

    def _take(self, exchange: Exchange) -> None:
        turn = exchange.turn
        if self._last is None or self._last.turn != turn:
            # Every turn in between was looked at when this one was sent.
            self._leave_out(each for each in self._after(self._last) if each < turn)
            self._rounds = []
            self._pauses = 0
            self._saved_before, self._missing_before = self.saved, self._missing
        self._last = exchange
        self._rounds.append(exchange)
        self._messages += map(_message, exchange.sent)
        if content := exchange.reply.sendable:
            self._messages.append({"role": "assistant", "content": content})
        self._pauses += exchange.reply.stop_reason == "pause_turn"
        calls = tool_calls(exchange.reply.content)
        self._answered = self._tools.answer(calls) if calls else None
        # What a turn saves is found in all of its text; of several rounds the last one counts.
        script = self._conversation.turns[turn]
        if isinstance(script, UserTurn) and script.save:
            text = join_text(each.reply.text for each in self._rounds)
            self.saved, missing = _saved(script.save, text, self._saved_before, self._renderer)
            stop = Stop(kind=StopKind.NOT_SAVED, turn=turn, message=missing) if missing else None
            self._missing = self._missing_before or stop

    def _send_turn(self) -> Step:
        turns, turn = self._conversation.turns, self._following()
        if turn is None:
            return Finish()
        after = -1 if self._last is None else self._last.turn
        sent: list[SentMessage] = []
        for index in range(_last_scripted(turns, after) + 1, _last_scripted(turns, turn) + 1):
            if index in self.left_out:
                continue
            content = message_content(turns[index].content, self._renderer, self.saved)
            sent.append(SentMessage(turn=index, role=role_of(turns[index]), content=content))
        request = self._request([*self._messages, *map(_message, sent)])
        return Send(turn=turn, request=request, sent=tuple(sent))

    def _following(self) -> int | None:
        """Return the turn that is sent next, or None: those that the last reply does not fit are left out."""
        for turn in self._after(self._last):
            script = self._conversation.turns[turn]
            condition = script.condition if isinstance(script, UserTurn) else ()
            if not condition or self._renderer.fits(condition, self._rounds, self.saved):
                return turn
            self._leave_out([turn])
        return None

    def _after(self, last: Exchange | None) -> Sequence[int]:
        return self._generated[bisect_right(self._generated, -1 if last is None else last.turn) :]

    def _leave_out(self, turns: Iterable[int]) -> None:
        for turn in turns:
            self.left_out |= {*range(turn, _last_scripted(self._conversation.turns, turn) + 1)}

    def _resume_turn(self, last: Exchange) -> Step:
        message = None
        if not last.reply.sendable:
            # The same request would go out again, under the same key, for ever.
            message = "the reply paused without any content"
        elif self._pauses > MAX_ROUNDS:
            message = f"the reply paused {MAX_ROUNDS + 1} times without an end"
        if message is not None:
            return Finish(stop=Stop(kind=StopKind.PAUSED, turn=last.turn, message=message))
        return Send(turn=last.turn, request=self._request([*self._messages]), sent=())

    def _stop_after(self, last: Exchange) -> Stop | None:
        reason = last.reply.stop_reason
        if reason == "refusal":
            return Stop(kind=StopKind.REFUSED, turn=last.turn, message=_refusal(last.reply))
        if reason == "model_context_window_exceeded":
            message = "the reply was cut off at the model's context window"
            return Stop(kind=StopKind.CONTEXT_WINDOW, turn=last.turn, message=message)
        if reason not in _KNOWN:
            message = f"unknown stop_reason {reason!r}"
            return Stop(kind=StopKind.UNKNOWN, turn=last.turn, message=message)
        if reason == "max_tokens" and (calls := tool_calls(last.reply.content)):
            # Half of a call cannot be sent back, and neither can a call without its result.
            message = (
                f"the reply was cut off at max_tokens while it called {calls[-1].name}; raise max_tokens"
            )
            return Stop(kind=StopKind.CUT_OFF_CALL, turn=last.turn, message=message)
        return None

    def _answer_tools(self, last: Exchange, answered: Answered) -> Step | None:
        """Return what follows on calls of tools; None where they end the last turn, as they may."""
        turn, most = last.turn, self._conversation.tool_results.max_rounds
        message = answered.misfit
        if message is None and answered.unscripted:
            # Whoever ends a conversation by a call, such as a transfer, waits for no result.
            if self._following() is None:
                return None
            message = f"the reply calls {described(answered.unscripted[0])}, which has no tool_results"
        # All requests of a turn but its first answer tools, or resume a pause.
        if message is None and len(self._rounds) - 1 - self._pauses >= most:
            message = f"the model still calls tools after {most} rounds of results (max_tool_rounds)"
        if message is not None:
            return Finish(stop=Stop(kind=StopKind.NO_TOOL_RESULT, turn=turn, message=message))
        sent = SentMessage(turn=turn, role="user", content=[*answered.results])
        return Send(turn=turn, request=self._request([*self._messages, _message(sent)]), sent=(sent,))

    def _request(self, messages: Sequence[Json]) -> Request:
        conversation = self._conversation
        body: dict[str, Json] = {"model": conversation.model, **conversation.params}
        if self._system is None:
            self._system = system_blocks(conversation, self._renderer)
        if self._system:
            body["system"] = self._system
        # The automatic breakpoint pays only where a later request reads what this one wrote.
        if self._caches and len(self._generated) > 1:
            body["cache_control"] = _cache_control(conversation)
        body["messages"] = messages
        return Request(body=body)


def _refusal(reply: Reply) -> str:
    details: Any = reply.body.get("stop_details")
    category = details.get("category") if isinstance(details, dict) else None
    return (
        f"the model refused to answer (category: {category})" if category else "the model refused to answer"
    )


def _saved(
    saves: Iterable[Save], text: str, before: Mapping[str, str], renderer: TextRenderer
) -> tuple[Mapping[str, str], str | None]:
    """Return what is saved once a turn has said this, and why it is not all that the turn is to save."""
    saved = dict(before)
    for save in saves:
        found = renderer.extract(save, text, saved)
        if found is None:
            return saved, f"nothing in the reply matches the pattern of save {save.name!r}: {save.pattern}"
        saved[save.name] = found
    return saved, None


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


def _message(sent: SentMessage) -> Json:
    return {"role": sent.role, "content": sent.content}


def system_blocks(conversation: Conversation, renderer: TextRenderer) -> list[Json]:
    """Return the system prompt as it is sent: text blocks, the last one a cache breakpoint.

    There is none with `cache: off`, nor where the scenario sets breakpoints itself: the API takes four.
    Blocks that render to nothing but white space are left out, because the API refuses them.
    """
    if conversation.system is None:
        return []
    system = conversation.system
    parts = (TextBlock(text=system),) if isinstance(system, Text) else system
    rendered = [message_block(part, renderer, {}) for part in parts]
    blocks = [block for block in rendered if block["type"] != "text" or not is_blank(block)]
    if blocks and _caches(conversation):
        blocks[-1] = {**blocks[-1], "cache_control": _cache_control(conversation)}
    return [*blocks]


def kept_for_an_hour(conversation: Conversation, request: Request) -> Request:
    """Return a request of a conversation with what it caches kept for an hour, where that is left to us.

    It is the same request by its key: for how long something is kept changes no reply.
    """
    if conversation.cache != "auto" or not _caches(conversation):
        return request
    kept: dict[str, Json] = {"type": "ephemeral", "ttl": "1h"}
    body: dict[str, Any] = dict(request.body)
    if "cache_control" in body:
        body["cache_control"] = kept
    blocks = body.get("system")
    if isinstance(blocks, list) and blocks and "cache_control" in blocks[-1]:
        body["system"] = [*blocks[:-1], {**blocks[-1], "cache_control": kept}]
    return Request(body=body)


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
