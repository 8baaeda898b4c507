"""A chat in a real pseudo-terminal of 80 x 24, or at a pipe, and an API that answers what it was asked."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.support.command import environment
from tests.support.screen import started_in_terminal
from tests.support.scripted_server import Answer, events_of, message, sse, stream_answer
from tests.system.harness.workspace import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.support.command import CommandResult
    from tests.support.screen import Screen, TerminalProcess
    from tests.support.scripted_server import ReceivedRequest
    from tests.system.harness.fork_server import ForkServer

CTRL_C, CTRL_D, ENTER, ALT_ENTER, UP = "\x03", "\x04", "\r", "\x1b\r", "\x1b[A"
NOWHERE = "http://127.0.0.1:9"


def pasted(text: str) -> str:
    """Return the keys of a terminal into which a text is pasted."""
    return f"\x1b[200~{text.replace(chr(10), chr(13))}\x1b[201~"


def reply(text: str, *, piece: int = 5, **fields: Any) -> Answer:
    """Answer with a streamed reply."""
    return stream_answer(sse(events_of(message({"type": "text", "text": text}, **fields), piece=piece)))


def begun(text: str) -> Answer:
    """Answer with the begin of a streamed reply, and then with silence."""
    events = events_of(message({"type": "text", "text": text}), piece=len(text))
    return Answer(data=stream_answer(sse(events[:3])).data, silent=True)


def cut(text: str) -> Answer:
    """Answer with the begin of a streamed reply, and then the connection is lost."""
    return Answer(data=begun(text).data, reset=True)


def said(request: ReceivedRequest) -> list[tuple[str, str]]:
    """Return the messages of a request: who speaks, and the text."""
    return [(each["role"], _text(each["content"])) for each in request.body["messages"]]


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(block.get("text", f"({block['type']})") for block in content)


def echo(request: ReceivedRequest) -> Answer:
    """Answer with the number of the reply and the last message, so that no two replies are the same."""
    messages = said(request)
    return reply(f"{len(messages)}: {messages[-1][1]}")


@dataclass(slots=True, kw_only=True)
class Talk:
    """A chat in a terminal; `taken` is how many of its prompts were answered."""

    terminal: TerminalProcess
    taken: int = 0

    @property
    def lines(self) -> list[str]:
        """The lines that the screen shows."""
        return self.terminal.screen.lines

    def see(self, text: str, *, times: int = 1) -> None:
        """Wait until lines of the screen hold a text so many times."""

        def is_there(screen: Screen) -> bool:
            return sum(text in line for line in screen.lines) >= times

        self.terminal.read(until=is_there)
        assert is_there(self.terminal.screen), self.lines

    def see_prompt(self) -> None:
        """Wait until something can be typed: at a prompt below those that were answered."""

        def is_there(screen: Screen) -> bool:
            return screen.rows[-1] == ">" and _prompts(screen) > self.taken

        self.terminal.read(until=is_there)
        assert is_there(self.terminal.screen), self.lines

    def say(self, text: str) -> None:
        """Type a line, once something can be typed."""
        self.see_prompt()
        self.taken = _prompts(self.terminal.screen)
        self.terminal.type(text + ENTER)

    def type(self, keys: str) -> None:
        """Press keys."""
        self.terminal.type(keys)

    def end(self) -> int:
        """Return the exit code."""
        return self.terminal.wait()


def _prompts(screen: Screen) -> int:
    return sum(row.startswith(">") for row in screen.rows)


@dataclass(frozen=True, slots=True)
class Talking:
    """Chats in a terminal, each in a process that has imported everything."""

    server: ForkServer

    @contextmanager
    def __call__(
        self, folder: Path, *arguments: str, url: str = NOWHERE, env: Mapping[str, str] | None = None
    ) -> Iterator[Talk]:
        """Chat in a terminal, with a key, against the server at `url`."""
        more = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": url, "TERM": "xterm", **(env or {})}
        start = partial(
            self.server.in_terminal, "chat", *arguments, cwd=folder, env=environment(folder, more)
        )
        with started_in_terminal(lambda theirs: start(theirs=theirs), rows=24) as terminal:
            yield Talk(terminal=terminal)


@dataclass(frozen=True, slots=True)
class Piped:
    """Chats at a pipe, each in a process that has imported everything."""

    server: ForkServer

    def __call__(
        self,
        folder: Path,
        *arguments: str,
        text: str | bytes,
        url: str = NOWHERE,
        env: Mapping[str, str] | None = None,
    ) -> CommandResult:
        """Chat at a pipe that holds a text, to its end."""
        more = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": url, **(env or {})}
        content = text.encode() if isinstance(text, str) else text
        return self.server.claude_run("chat", *arguments, cwd=folder, env=more, piped=content)


def transcript(folder: Path, run: str = "out") -> dict[str, Any]:
    """Return the only conversation of a run."""
    (line,) = (folder / run / "transcripts.jsonl").read_text(encoding="utf-8").splitlines()
    found: dict[str, Any] = json.loads(line)
    return found
