"""A reply's text while it is written: passed on as it comes, without the credential in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from claude_run.play.ports import ReplyWatcher

# A credential has no white space in it, however it is spelt, and nothing but ASCII; none is nearly as long.
_WORD = "".join(map(chr, range(0x21, 0x7F)))
_LONGEST = 4096

_TEXTS = {"text": "text", "text_delta": "text", "thinking": "thinking", "thinking_delta": "thinking"}


class Reading:
    """Takes the events of one stream and tells a watcher what they add to the reply's text.

    A credential may come in pieces: the last word of what came is held back until it is known to be whole.
    """

    def __init__(self, watcher: ReplyWatcher, redact: Callable[[str], str], *, holds_back: bool) -> None:
        self._watcher = watcher
        self._redact = redact
        self._holds_back = holds_back
        self._held = ""

    def take(self, event: Mapping[str, Any]) -> None:
        """Take one event whose shape was found to be right."""
        match event.get("type"):
            case "message_start":
                self._watcher.began()
            case "content_block_start":
                self._add(event["content_block"])
            case "content_block_delta":
                self._add(event["delta"])
            case "message_stop":
                self._pass_on(len(self._held))

    def _add(self, part: Mapping[str, Any]) -> None:
        name = _TEXTS.get(part["type"])
        if name == "thinking":
            self._watcher.thinking()
        elif name == "text" and isinstance(piece := part.get("text"), str):
            self._held += piece
            size = len(self._held)
            whole = len(self._held.rstrip(_WORD)) if self._holds_back else size
            self._pass_on(max(whole, size - _LONGEST))

    def _pass_on(self, end: int) -> None:
        ready, self._held = self._held[:end], self._held[end:]
        if ready:
            self._watcher.said(self._redact(ready))
