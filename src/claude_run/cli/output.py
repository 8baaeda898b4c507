"""The two streams: results go to stdout, talk to stderr, and nothing untrusted reaches a terminal raw."""

from __future__ import annotations

import os
import re
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

from claude_run.process import LastingStream
from claude_run.report.text.console import open_console, print_escaped
from claude_run.report.text.safe import safe_line
from claude_run.text.strict_json import json_pieces

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from claude_run.session.world import World

_COPIED = re.compile(r"next: |\s*-->|\s*\d+ \| ")
"""What stays as it is, to be copied or followed by an editor: a command, a place, a line of a file."""


@contextmanager
def guarded_streams(world: World) -> Iterator[tuple[LastingStream, LastingStream]]:
    """Let no secret through stdout and stderr while the block runs, and let both outlive their readers."""
    streams, redact = (sys.stdout, sys.stderr), world.redactor.text
    data, talk = (LastingStream(stream, change=redact) for stream in streams)
    sys.stdout, sys.stderr = cast("TextIO", data), cast("TextIO", talk)
    try:
        yield data, talk
    finally:
        sys.stdout, sys.stderr = streams


def print_error(*lines: str) -> None:
    """Write talk to stderr, safe for a terminal: each argument is one line, whatever breaks it holds.

    A terminal gets those that are too long for it broken between words.
    """
    safe = [safe_line(line) for line in lines]
    width = shutil.get_terminal_size().columns if sys.stderr.isatty() else None
    if width is None or not any(len(line) > width and not _COPIED.match(line) for line in safe):
        _write(sys.stderr, "".join(f"{line}\n" for line in safe))
        return
    console = open_console(sys.stderr, colour=False)
    for line in safe:
        if _COPIED.match(line):
            _write(sys.stderr, f"{line}\n")
        else:
            print_escaped(console, line)


def workflow_folder() -> str:
    """Return where we are in the repository that a workflow of GitHub works on; empty for elsewhere."""
    root = os.environ.get("GITHUB_WORKSPACE")
    here = Path.cwd()
    if not root or not here.is_relative_to(Path(root).resolve()):
        return ""
    return os.path.relpath(here, Path(root).resolve())


def print_next(command: str | None) -> None:
    """Name the command that its user may want next, if there is one: the last line of talk."""
    if command is not None:
        print_error(f"next: {command}")


def print_line(line: str) -> None:
    """Write one line of a result to stdout, safe for a terminal."""
    _write(sys.stdout, f"{safe_line(line)}\n")


def print_lines(lines: Iterable[str]) -> None:
    """Write lines of a result to stdout; a terminal gets them broken between words."""
    console = open_console(sys.stdout, colour=False) if sys.stdout.isatty() else None
    for line in lines:
        if console is None:
            print_line(line)
        else:
            print_escaped(console, safe_line(line))


def print_part(text: str) -> None:
    """Write a part of a result to stdout that was made safe for a terminal, at once; it may end anywhere."""
    _write(sys.stdout, text)


def print_document(text: str) -> None:
    """Write a document to stdout that was made safe for what it is: Markdown or HTML."""
    _write(sys.stdout, text if text.endswith("\n") else text + "\n")


def print_workflow_command(line: str) -> None:
    """Write a workflow command, which must reach the CI runner as it is, to stderr."""
    _write(sys.stderr, line + "\n")


def print_json(value: object) -> None:
    """Write a JSON document to stdout, in printable ASCII."""
    for piece in json_pieces(value):
        _write(sys.stdout, piece)


def _write(stream: TextIO, text: str) -> None:
    """Write at once; what the stream's encoding cannot say is escaped."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()
