"""Replies from the scenarios themselves: each turn's `example`, found again by the request it answers."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections import deque
from typing import TYPE_CHECKING, cast

from claude_run.conversation.exchange import Exchange, Reply
from claude_run.conversation.steps import Send, Steps
from claude_run.errors import ClaudeRunError
from claude_run.scenario.model import UserTurn
from claude_run.simulator.prompt import blocks_of, without_markers
from claude_run.simulator.replies import PAUSE_ID, Scripted, compose, placeholder
from claude_run.simulator.thinking import is_simulated
from claude_run.simulator.tool_calls import planned_calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from claude_run.conversation.script import Conversation, TextRenderer
    from claude_run.scenario.json_values import Json, JsonObject

_NO_USAGE = {"input_tokens": 0}


class ExampleBook:
    """A ReplyBook: a digest of `system` and `messages`, cache markers and model apart, finds the example.

    Where two conversations send the same but hope for different examples, the first one planned wins, and
    the history of both goes on with its reply; `overruled` are the ids of the others.
    """

    def __init__(self) -> None:
        self.overruled: dict[str, None] = {}
        self._replies: dict[bytes, Scripted] = {}

    @classmethod
    def from_conversations(
        cls, conversations: Iterable[Conversation], renderer_for: Callable[[Conversation], TextRenderer]
    ) -> ExampleBook:
        """Play every conversation against its own examples; equal ones (models, repeats) only once."""
        book = cls()
        seen: dict[object, list[object]] = {}
        for conversation in conversations:
            name = (conversation.identity.path, conversation.identity.question_name)
            # All that the texts of a play depend on; replies are cut at the two parameters.
            cut = [conversation.params.get(key) for key in ("max_tokens", "stop_sequences")]
            offered = [conversation.params.get(key) for key in ("tools", "mcp_servers")]
            tools = (offered, conversation.tool_results, conversation.expect)
            said = (conversation.turns, conversation.system, conversation.vars, cut, tools)
            if said not in seen.setdefault(name, []):
                seen[name].append(said)
                book.learn(conversation, renderer_for(conversation))
        return book

    def learn(self, conversation: Conversation, renderer: TextRenderer) -> None:
        """Play one conversation and keep what each of its requests is to be answered with."""
        left: dict[int, list[Scripted]] = {}

        def answer(step: Send, saved: Mapping[str, str]) -> Scripted | None:
            digest = request_digest(step.request.body)
            if step.turn not in left:
                left[step.turn] = _planned(conversation, step.turn, renderer, saved, digest=digest)
            # What the turn hopes for answers this request, unless another conversation has planned for it.
            if left[step.turn]:
                hoped_for = left[step.turn].pop(0)
                if self._replies.setdefault(digest, hoped_for) != hoped_for:
                    self.overruled[conversation.id] = None
            return self._replies.get(digest)

        # A template or pattern that fails here fails in the play itself too, and is reported there.
        with contextlib.suppress(ClaudeRunError):
            deque(rehearse(conversation, renderer, answer), maxlen=0)

    def reply(self, body: JsonObject) -> Scripted | None:
        return self._replies.get(request_digest(body))


def _planned(
    conversation: Conversation, index: int, renderer: TextRenderer, saved: Mapping[str, str], *, digest: bytes
) -> list[Scripted]:
    """Return the replies to a turn: the calls that are answered, then the example and the other calls."""
    calls = planned_calls(conversation, index, renderer, prefix=f"toolu_sim_{digest.hex()[:20]}")
    replies = [Scripted(content=calls.answered)] if calls.waits else []
    # What the API answers itself stands in the reply that goes on after it.
    answered = () if calls.waits else calls.answered
    turn = conversation.turns[index]
    example = renderer.render(turn.example, saved) if isinstance(turn, UserTurn) and turn.example else None
    beside = (*answered, *calls.final)
    if example is not None and not beside:
        return [*replies, Scripted(content=example)]
    said = [{"type": "text", "text": example}] if example is not None else []
    return [*replies, Scripted(content=(*answered, *said, *calls.final))] if beside else replies


def rehearse(
    conversation: Conversation,
    renderer: TextRenderer,
    answer: Callable[[Send, Mapping[str, str]], Scripted | None] = lambda _step, _saved: None,
) -> Iterator[JsonObject]:
    """Yield the body of each request of a conversation, answered without anything being sent.

    `answer` gets the step and what was saved before it; where it returns None the placeholder stands in.
    ClaudeRunError where a text or a pattern fails.
    """
    steps = Steps(conversation, renderer)
    exchanges: list[Exchange] = []
    while isinstance(step := steps.next(exchanges), Send):
        body = step.request.body
        yield body
        # The next request follows on the reply as it will go out, cut to fit.
        composed = compose(body, answer(step, steps.saved) or placeholder(body))
        reply = Reply.from_body(composed.message(body, _NO_USAGE))
        exchanges.append(Exchange(turn=step.turn, key="", sent=step.sent, reply=reply))


def request_digest(body: JsonObject) -> bytes:
    """Return the SHA-256 of what is said so far; a string counts as the one text block that it stands for.

    Thoughts of the simulator, and the calls that it paused with, are no part of it.
    """
    messages = cast("Sequence[JsonObject]", body.get("messages") or ())
    said: list[Json] = [blocks_of(body.get("system"))]
    for message in messages:
        # What the simulator has thought, or paused with, changes nothing of what was said.
        blocks = [block for block in blocks_of(message["content"]) if not _is_aside(block)]
        if blocks or not message["content"]:
            said.append([message["role"], *blocks])
    digest = hashlib.sha256()
    for part in said:
        canonical = _canonical(part)
        # Few parts have a marker, and taking one apart costs ten times as much as writing it down.
        if '"cache_control":' in canonical:
            canonical = _canonical(without_markers(part))
        digest.update(canonical.encode() + b"\n")
    return digest.digest()


def _is_aside(block: JsonObject) -> bool:
    return is_simulated(block) or str(block.get("id")).startswith(PAUSE_ID)


def _canonical(part: Json) -> str:
    return json.dumps(part, sort_keys=True, separators=(",", ":"))
