"""Where the next message of a chat comes from: a line editor at a terminal, or the lines of a pipe."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from typing import TextIO

    from prompt_toolkit import PromptSession
    from prompt_toolkit.key_binding import KeyBindings
    from prompt_toolkit.key_binding.key_processor import KeyPressEvent

    from claude_run.process import Signals

_PROMPT = "> "


class MessageSource(Protocol):
    """Whoever says something in a chat. `is_person` tells somebody who can answer from a pipe."""

    is_person: bool

    async def read(self, default: str = "") -> str | None:
        """Return the next message, which may begin as `default`; None at the end.

        KeyboardInterrupt for Ctrl-C.
        """


def message_source(signals: Signals) -> MessageSource:
    """Return a line editor where somebody sits at a terminal, else what reads stdin line by line."""
    shown = next((each for each in (sys.__stderr__, sys.__stdout__) if each and each.isatty()), None)
    if shown is None or not sys.stdin.isatty():
        return _Lines(signals)
    return _Editor(shown)


class _Lines:
    """The lines of stdin, each a message."""

    is_person = False

    def __init__(self, signals: Signals) -> None:
        self._signals = signals

    async def read(self, default: str = "") -> str | None:  # noqa: ARG002 - the Protocol's signature
        # Nothing else goes on meanwhile: whoever writes into the pipe may wait for the reply before.
        with self._signals.raised():
            line = sys.stdin.buffer.readline()
        if not line:
            return None
        return line.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")


class _Editor:
    """A line editor: keys as in a shell, a history of this chat, and a paste is one message."""

    is_person = True

    def __init__(self, shown: TextIO) -> None:
        from prompt_toolkit import PromptSession  # noqa: PLC0415 - costs start-up time
        from prompt_toolkit.input.vt100 import Vt100Input  # noqa: PLC0415 - same
        from prompt_toolkit.output.vt100 import Vt100_Output  # noqa: PLC0415 - same

        output = Vt100_Output.from_pty(shown, term=os.environ.get("TERM"))
        # What is drawn is one message, at the bottom: where the cursor is need not be asked for, which some
        # terminals never answer.
        output.enable_cpr = False
        self._session: PromptSession[str] = PromptSession(
            _PROMPT,
            input=Vt100Input(sys.stdin),
            output=output,
            key_bindings=_keys(),
            prompt_continuation=" " * len(_PROMPT),
            enable_suspend=True,
        )

    async def read(self, default: str = "") -> str | None:
        try:
            text = await self._session.prompt_async(default=default, handle_sigint=False)
        except EOFError:
            return None
        # What a terminal sends may be no text.
        return text.encode("utf-8", "replace").decode("utf-8")


def _keys() -> KeyBindings:
    """Return the keys that are ours: Alt-Enter begins a new line, Ctrl-C clears what was typed, or ends."""
    from prompt_toolkit.key_binding import KeyBindings  # noqa: PLC0415 - costs start-up time

    keys = KeyBindings()

    @keys.add("escape", "enter")
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("c-c")
    def _clear_or_end(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt, style="class:aborting")

    return keys
