"""The two streams: data goes to stdout, talk to stderr, and nothing untrusted reaches a terminal raw."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO, cast

from claude_run.report.text.safe import safe_line
from claude_run.text.strict_json import plain_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from claude_run.session.world import World


class _RedactedStream:
    """A text stream that secrets do not get through."""

    def __init__(self, stream: TextIO, redact: Callable[[str], str]) -> None:
        self._stream = stream
        self._redact = redact

    def write(self, text: str) -> int:
        self._stream.write(self._redact(text))
        return len(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


@contextmanager
def redacted_streams(world: World) -> Iterator[None]:
    """Put the redactor in front of both streams while the block runs."""
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (
        cast("TextIO", _RedactedStream(stream, world.redactor.text)) for stream in streams
    )
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams


def print_error(*lines: str) -> None:
    """Write talk to stderr, safe for a terminal: each argument is one line, whatever breaks it holds.

    Where stderr takes nothing, nobody can be told; the exit code still says how it ended.
    """
    try:
        _write(sys.stderr, "".join(f"{safe_line(line)}\n" for line in lines))
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def print_line(line: str) -> None:
    """Write one line of data to stdout, safe for a terminal."""
    _write(sys.stdout, f"{safe_line(line)}\n")


def print_document(text: str) -> None:
    """Write a document to stdout that was made safe for what it is: Markdown or HTML."""
    _write(sys.stdout, text if text.endswith("\n") else text + "\n")


def print_workflow_command(line: str) -> None:
    """Write a workflow command, which must reach the CI runner as it is, to stderr."""
    _write(sys.stderr, line + "\n")


def print_json(value: object) -> None:
    """Write a JSON document to stdout, in printable ASCII."""
    _write(sys.stdout, plain_json(value, indent=2) + "\n")


def _write(stream: TextIO, text: str) -> None:
    """Write at once. When the reader has gone the rest is dropped: the exit code must not depend on it.

    What the stream's encoding cannot say is escaped.
    """
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
