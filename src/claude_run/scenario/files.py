"""Reading the files that a scenario names: inside its root, regular, of bounded size, all accounted for."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, cast

from claude_run.scenario.diagnostics import InvalidScenarioError, did_you_mean
from claude_run.scenario.source import Source, decode
from claude_run.text.strict_json import read_json

if TYPE_CHECKING:
    from claude_run.scenario.diagnostics import Hint
    from claude_run.scenario.json_values import Json

MAX_BINARY = 32 * 1024 * 1024
"""The largest image or document: the API takes no larger request (reference, 1.3)."""

MAX_TEXT = 1024 * 1024
"""The largest text file that becomes part of a prompt."""

MAX_DATA = 16 * 1024 * 1024
"""The largest file of cases."""


class FileProblemError(Exception):
    """A file cannot be read; `message` and `hint` are for the user, and speak of the path as written."""

    def __init__(self, message: str, hint: Hint = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Files:
    """The files of one scenario. Paths are relative to its folder; nothing outside `root` is read.

    `root` is the folder itself unless the user widens it. What was read is remembered, for `digest`.
    """

    def __init__(self, folder: Path, root: Path | None = None) -> None:
        self._folder = folder
        self._root = (root or folder).resolve()
        self._hashes: dict[str, str] = {}
        self._used: set[Path] = set()

    @property
    def used(self) -> frozenset[Path]:
        """The resolved paths of all files that it names, also of those that cannot be read."""
        return frozenset(self._used)

    def binary(self, name: str) -> bytes:
        """Return the bytes of an image or document; FileProblemError where it cannot be read."""
        return self._read(name, MAX_BINARY)

    def text(self, name: str, *, limit: int = MAX_TEXT) -> Source:
        """Return a UTF-8 text; FileProblemError, or InvalidScenarioError for other encodings."""
        return decode(str(self._folder / name), self._read(name, limit))

    def prompt(self, name: str) -> Source:
        """Return a text that becomes part of a prompt; as `text`, and no NUL may stand in it."""
        source = self.text(name)
        if (index := source.text.find("\0")) >= 0:
            message = "a text may not hold the character NUL"
            raise InvalidScenarioError([source.problem(source.position(index), message)])
        return source

    def json(self, name: str, *, hint: str) -> tuple[Source, Json]:
        """Return a JSON file and its value; as `text`, and what is not valid is told at its place in it."""
        source = self.text(name)
        try:
            return source, cast("Json", read_json(source.text, unique_keys=True))
        except json.JSONDecodeError as error:
            message = f"this is not valid JSON: {error.msg}" if source.text.strip() else "this file is empty"
            problem = source.problem(source.position(error.pos), message, hint=hint)
        except ValueError as error:
            problem = source.problem(source.position(0), f"this is not valid JSON: {error}", hint=hint)
        raise InvalidScenarioError([problem])

    def digest(self, scenario: bytes) -> str:
        """Return the SHA-256, in hex, over a scenario's bytes and all files read, whatever their order."""
        whole = hashlib.sha256(hashlib.sha256(scenario).digest())
        for name, content in sorted(self._hashes.items()):
            whole.update(f"{len(name.encode())}:{name}:{content}\n".encode())
        return whole.hexdigest()

    def _read(self, name: str, limit: int) -> bytes:
        path = self._inside(name)
        self._used.add(path)
        try:
            data = read_regular(path, limit, follow=False)
        except FileNotFoundError as error:
            raise FileProblemError(f"no such file: {name}", lambda: _similar(path)) from error
        except OSError as error:
            message = f"{name} cannot be read: {error.strerror or error}"
            raise FileProblemError(message, "check the path and its permissions") from error
        self._hashes[Path(os.path.normpath(name)).as_posix()] = hashlib.sha256(data).hexdigest()
        return data

    def _inside(self, name: str) -> Path:
        if not name or "\0" in name:
            raise FileProblemError("a path is empty or holds the character NUL", "write the path of a file")
        if Path(name).is_absolute():
            raise FileProblemError(
                f"{name} is an absolute path", "write it relative to the scenario's folder"
            )
        try:
            path = (self._folder / name).resolve()
        except (OSError, RuntimeError) as error:
            raise FileProblemError(f"{name} cannot be read: {error}", "check the path") from error
        if not path.is_relative_to(self._root):
            hint = "move the file into the scenario's folder, or widen the root with --file-root"
            raise FileProblemError(f"{name} lies outside of the scenario's root", hint)
        return path


def read_regular(path: Path, limit: int, *, follow: bool = True) -> bytes:
    """Return the bytes of a regular file; FileProblemError for another kind or over the limit, OSError.

    Without `follow`, a symbolic link at the end of the path is an OSError: the path was resolved before, so
    that the link must have taken the place of a file since.
    """
    # The checks are made on the open descriptor: the file cannot be exchanged between check and use.
    # O_NONBLOCK keeps the opening of a FIFO from waiting for a writer.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    descriptor = os.open(path, flags)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FileProblemError(
                f"{path.name} is not a regular file", "name a file, not a folder or a device"
            )
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    finally:
        os.close(descriptor)
    if len(data) > limit:
        raise FileProblemError(f"{path.name} is larger than {limit // 1024:,} KiB", "use a smaller file")
    return data


def _similar(path: Path) -> str | None:
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return "paths are relative to the scenario's folder"
    close = did_you_mean(path.name, names)
    return f"did you mean `{close}`?" if close else "paths are relative to the scenario's folder"
