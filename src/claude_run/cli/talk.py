"""The two streams: data goes to stdout, talk to stderr, and nothing untrusted reaches a terminal raw."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO, cast

from claude_run.report.safe import safe_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_run.record.redact import Redactor


class _RedactedStream:
    """A text stream that secrets do not get through."""

    def __init__(self, stream: TextIO, redactor: Redactor) -> None:
        self._stream = stream
        self._redactor = redactor

    def write(self, text: str) -> int:
        self._stream.write(self._redactor.text(text))
        return len(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


@contextmanager
def redacted_streams(redactor: Redactor) -> Iterator[None]:
    """Put the redactor in front of both streams while the block runs."""
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast("TextIO", _RedactedStream(stream, redactor)) for stream in streams)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams


def complain(text: str) -> None:
    """Write talk to stderr, made safe for a terminal."""
    _write(sys.stderr, safe_terminal(text) + "\n")


def say(text: str) -> None:
    """Write a line of data to stdout, made safe for a terminal."""
    _write(sys.stdout, safe_terminal(text) + "\n")


def say_json(value: object) -> None:
    """Write a JSON document to stdout, in ASCII."""
    _write(sys.stdout, json.dumps(value, ensure_ascii=True, allow_nan=False, indent=2) + "\n")


def _write(stream: TextIO, text: str) -> None:
    """Write at once. When the reader has gone the rest is dropped: the exit code must not depend on it."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
