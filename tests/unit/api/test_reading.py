"""A reply while it is written: what a watcher is told over a real socket, and what it never gets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.api.client import open_client
from claude_run.api.messages import AnthropicMessages
from claude_run.api.reading import Reading
from claude_run.conversation.exchange import Request
from claude_run.play.ports import RequestFailedError
from claude_run.record.redact import REDACTED, Redactor
from tests.support.scripted_server import (
    Answer,
    RawServer,
    events_of,
    in_turn,
    json_answer,
    message,
    sse,
    stream_answer,
)
from tests.unit.api.scripted_client import BODY, KEY

if TYPE_CHECKING:
    from claude_run.conversation.usage import Usage
    from claude_run.play.ports import Received


class Notes:
    """A watcher that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    @property
    def text(self) -> str:
        """All that was said since the reply began."""
        return "".join(self.told[1:]).replace("(thinking)", "")

    def began(self) -> None:
        """Note it."""
        self.told.append("(began)")

    def thinking(self) -> None:
        """Note it."""
        self.told.append("(thinking)")

    def said(self, text: str) -> None:
        """Note it."""
        self.told.append(text)


def watch(answer: Answer, clean_environment: pytest.MonkeyPatch) -> tuple[Notes, Received, bool]:
    """Send one request to a server with this answer; return what was watched, what came, and if streamed."""
    notes = Notes()

    async def talk() -> Received:
        async with open_client(attempt_s=10) as client:
            return await AnthropicMessages(client, watcher=notes).send(Request(body=BODY))

    clean_environment.setenv("ANTHROPIC_API_KEY", KEY)
    with RawServer(respond=in_turn(answer)) as server:
        clean_environment.setenv("ANTHROPIC_BASE_URL", server.base_url)
        received = asyncio.run(talk())
        return notes, received, bool(server.ledger[0].body["stream"])


def test_the_text_comes_in_its_pieces(clean_environment: pytest.MonkeyPatch) -> None:
    """A short reply is streamed too where somebody watches; thinking is told of, and not its words."""
    whole = message(
        {"type": "thinking", "thinking": "hidden thoughts", "signature": "c2ln"},
        {"type": "text", "text": "Hello there, "},
        {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "secret"}},
        {"type": "text", "text": "Ada."},
    )
    notes, received, streamed = watch(stream_answer(sse(events_of(whole))), clean_environment)
    assert streamed
    assert received.reply.content == whole["content"]
    assert notes.told[0] == "(began)"
    assert notes.text == "Hello there, Ada."
    assert not any("hidden" in each or "secret" in each for each in notes.told)


def test_the_credential_is_never_told_however_it_is_cut(clean_environment: pytest.MonkeyPatch) -> None:
    """In pieces of one character, in plain or escaped, it is replaced as in the reply that is kept."""
    escaped = "".join(f"%{ord(letter):02x}" for letter in KEY)
    whole = message({"type": "text", "text": f"It is {KEY}, or {escaped} {KEY}"})
    notes, received, _ = watch(stream_answer(sse(events_of(whole, piece=1))), clean_environment)
    assert notes.text == received.reply.text == f"It is {REDACTED}, or {REDACTED} {REDACTED}"


def test_a_reply_that_came_whole_is_told_by_nobody(clean_environment: pytest.MonkeyPatch) -> None:
    """A gateway may answer in one piece; then there is nothing to watch, and the reply is whole."""
    notes, received, _ = watch(json_answer(message()), clean_environment)
    assert (notes.told, received.reply.text) == ([], "Hello there.")


def test_what_the_prompt_used_is_told_as_soon_as_the_reply_begins(
    clean_environment: pytest.MonkeyPatch,
) -> None:
    """Nobody needs to read along for it, and the reply that comes of it is the same."""
    whole = message(usage={"input_tokens": 3, "output_tokens": 1, "cache_read_input_tokens": 2000})
    told: list[Usage] = []

    async def talk() -> Received:
        async with open_client(attempt_s=10) as client:
            return await AnthropicMessages(client).send(Request(body=BODY), began=told.append)

    clean_environment.setenv("ANTHROPIC_API_KEY", KEY)
    with RawServer(respond=in_turn(stream_answer(sse(events_of(whole))))) as server:
        clean_environment.setenv("ANTHROPIC_BASE_URL", server.base_url)
        received = asyncio.run(talk())
        assert server.ledger[0].body["stream"] is True
    assert [each.cache_read_input_tokens for each in told] == [2000]
    assert received.reply.body == whole


def test_a_cut_stream_has_told_what_came(clean_environment: pytest.MonkeyPatch) -> None:
    """What was read before the connection broke was read; the attempt fails all the same."""
    events = events_of(message({"type": "text", "text": "Half of a sentence"}), piece=4)
    with pytest.raises(RequestFailedError):
        watch(stream_answer(sse(events[:4])), clean_environment)


def test_words_come_as_soon_as_they_are_whole() -> None:
    """Only the last word waits, and one of endless length does not for ever."""
    notes = Notes()
    reading = Reading(notes, Redactor([KEY]).text, holds_back=True)

    def say(text: str) -> None:
        piece: dict[str, Any] = {"type": "text_delta", "text": text}
        reading.take({"type": "content_block_delta", "index": 0, "delta": piece})

    say("One tw")
    assert notes.told == ["One "]
    say("o 三四")
    assert notes.told == ["One ", "two 三四"]
    say("x" * 10_000)
    assert sum(map(len, notes.told)) > 5_000
    reading.take({"type": "message_stop"})
    assert "".join(notes.told) == "One two 三四" + "x" * 10_000
