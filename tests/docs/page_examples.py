"""The examples of a Markdown page: files that it shows, and commands with what they print."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from claude_run.cli.app import run_command_line

if TYPE_CHECKING:
    from collections.abc import Iterator

_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
_MENTIONED = re.compile(r"(?:^\$ |^|`|run: )(?P<line>claude-run [^`\n]+)", re.MULTILINE)
_CHANGING = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ"), "<time>"),
    (re.compile(r"\b\d+\.\d s\b"), "<seconds>"),
    (re.compile(r"genai-prices \d+\.\d+\.\d+"), "genai-prices <version>"),
)
_TOOLS = frozenset({"cat", "cp", "git", "mkdir", "mv", "rm"})
EXIT_CODE = "echo $?"
LEFT_OUT = "..."
"""A line of shown output that stands for any number of printed lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block: its language, the rest of its info string, and what stands in it."""

    language: str
    name: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command of a `console` block and the lines under it."""

    line: str
    shown: str


def blocks(page: str) -> tuple[Block, ...]:
    """Return the fenced blocks of a page in order."""
    found = []
    for match in _FENCE.finditer(page):
        language, _, name = match["info"].strip().partition(" ")
        found.append(Block(language=language, name=name.strip(), body=match["body"]))
    return tuple(found)


def commands(block: Block) -> tuple[Command, ...]:
    """Return the commands of a `console` block; a line that begins with `$ ` is one."""
    parts = re.split(r"^\$ ", block.body, flags=re.MULTILINE)[1:]
    return tuple(
        Command(line=line, shown=shown) for line, _, shown in (part.partition("\n") for part in parts)
    )


def replay(page: str) -> Iterator[tuple[str, str]]:
    """Write the page's files and run its commands in the current folder, and where a `cd` of the page leads.

    Yields what is shown and what was printed, both without times. Every command must end with code 0, unless
    the next one shows its code.
    """
    code = 0
    for block in blocks(page):
        if block.name:
            path = Path(block.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.body, encoding="utf-8")
        for command in commands(block) if block.language == "console" else ():
            if command.line == EXIT_CODE:
                yield command.shown, f"{code}\n"
                code = 0
                continue
            assert code == 0, f"the command before `{command.line}` ended with {code}, which the page hides"
            code, printed = run(command.line)
            yield steady(command.shown), steady(printed)
    assert code == 0, f"the last command of the page ended with {code}, which the page hides"


def fits(shown: str, printed: str) -> bool:
    """Return whether a page shows what was printed; a line `...` stands for lines that it leaves out."""
    parts = (".*" if line == f"{LEFT_OUT}\n" else re.escape(line) for line in shown.splitlines(keepends=True))
    return re.fullmatch("".join(parts), printed, re.DOTALL) is not None


def mentioned(page: str) -> tuple[str, ...]:
    """Return every `claude-run` command line of a page, wherever it stands."""
    return tuple(dict.fromkeys(match["line"].strip() for match in _MENTIONED.finditer(page)))


def run(line: str) -> tuple[int, str]:
    """Run a command of a page and return its code and all that it printed; `< FILE` is what it reads.

    That is one of ours, `cd`, or one of the few tools that every reader has.
    """
    program, *arguments = shlex.split(line)
    if program == "cd":
        os.chdir(*arguments)
        return 0, ""
    if program in _TOOLS:
        ended = subprocess.run(
            [program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        return ended.returncode, ended.stdout
    assert program == "claude-run", f"{program} is not run here: show it in a `sh` block"
    stdin = Path(os.devnull)
    if "<" in arguments:
        at = arguments.index("<")
        stdin = Path(arguments[at + 1])
        del arguments[at : at + 2]
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output), _redirect_stdin(stdin):
        code = run_command_line(arguments)
    return code, output.getvalue()


@contextlib.contextmanager
def _redirect_stdin(path: Path) -> Iterator[None]:
    before = sys.stdin
    # Where only the help is asked for, the files of the page are not there.
    with (path if path.exists() else Path(os.devnull)).open(encoding="utf-8") as file:
        sys.stdin = file
        try:
            yield
        finally:
            sys.stdin = before


def steady(text: str) -> str:
    """Return the text with times and durations taken out."""
    for pattern, name in _CHANGING:
        text = pattern.sub(name, text)
    return text
