"""`init`: a project that plays at once, with editor help, and whose outputs stay out of git."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.cli.schema import schema_text
from claude_run.cli.talk import complain
from claude_run.errors import InputError, StorageError

if TYPE_CHECKING:
    from pathlib import Path

_SCENARIO = """\
# yaml-language-server: $schema=claude-run.schema.json
name: first
description: The assistant answers briefly and remembers what was said.

model: claude-haiku-5-5
max_tokens: 1024

system: You are a helpful assistant. Answer in one or two sentences.

turns:
  - user: My name is Ada. What is a unit test?
    expect:
      - max_words: 80
    example: Hello Ada! A unit test checks one small piece of code on its own.
  - user: What is my name?
    expect:
      - contains: Ada
    example: Your name is Ada.
"""


def init(folder: Path) -> int:
    """Write the files that are not there yet; InputError when the first scenario already is."""
    files = {
        folder / "scenarios" / "first.yaml": _SCENARIO,
        folder / "scenarios" / "claude-run.schema.json": schema_text(),
        folder / "outputs" / ".gitignore": "*\n!.gitignore\n",
    }
    there = [path for path in files if path.exists()]
    if there:
        raise InputError(f"{there[0]} is already there: init starts a new project and overwrites nothing")
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error
        complain(f"wrote {path}")
    first = folder / "scenarios" / "first.yaml"
    complain(f"try: claude-run {first} --simulate")
    return 0
