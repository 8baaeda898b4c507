"""Somebody who watches scenarios in a terminal, before an API that counts what it is asked."""

from __future__ import annotations

import termios
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.command import COMMAND, environment
from tests.support.screen import in_terminal
from tests.system.harness.workspace import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.support.screen import Screen, TerminalProcess
    from tests.system.faults.api import Api
    from tests.system.harness.workspace import Workspace

CTRL_C, CTRL_D = "\x03", "\x04"
NOW_S = 20.0
CHECK = """\
from claude_run.checks.own import *
@check("mine", schema={"type": "string"}, example="x")
def mine(value, reply): return passed("fine") if value in reply.text else failed("no")
"""


def talk(name: str, *prompts: str, says: str = "Yes") -> str:
    """Return a scenario of these prompts that expects something of its first reply."""
    first, *others = prompts or ("one", "two")
    rest = "".join(f"  - user: {each}\n" for each in others)
    return (
        f"name: {name}\nmodel: claude-haiku-5-5\nmax_tokens: 100\nturns:\n"
        f"  - user: '{name}|{first}'\n    expect: [{{contains: {says}}}]\n{rest}"
    )


@dataclass(kw_only=True)
class Session:
    """Somebody who watches, and waits each time until it is their turn."""

    terminal: TerminalProcess
    workspace: Workspace
    waits: int = 0

    def turn(self) -> str:
        """Wait until the command waits once more, and return what it has said since the last time."""
        self.waits += 1
        self.terminal.read(until=lambda screen: len(self._waiting(screen)) >= self.waits)
        waiting = self._waiting(self.terminal.screen)
        begin = 0 if self.waits == 1 else waiting[self.waits - 2] + 1
        return "\n".join(self.terminal.screen.rows[begin : waiting[self.waits - 1] + 1])

    def save(self, name: str, text: str) -> str:
        """Save a file, and return what was said then."""
        self.workspace.write(name, text)
        return self.turn()

    def press(self, key: str) -> str:
        """Press a key, and return what was said then."""
        self.terminal.type(key)
        return self.turn()

    def quit(self, key: str = "q") -> int:
        """Press a key that ends it, and return the exit code; the terminal must be as it was."""
        self.terminal.type(key)
        return self.ended()

    def ended(self) -> int:
        """Return the exit code; the terminal must be as it was."""
        self.terminal.read(until=lambda _: False)
        assert termios.tcgetattr(self.terminal.descriptor) == self.terminal.untouched
        return self.terminal.wait()

    def runs(self) -> list[Path]:
        """Return the run folders, the oldest first."""
        outputs = self.workspace.folder / "outputs"
        found = [each for each in outputs.iterdir() if each.is_dir() and not each.is_symlink()]
        return sorted(found, key=lambda each: each.stat().st_ctime_ns)

    @staticmethod
    def _waiting(screen: Screen) -> list[int]:
        return [number for number, row in enumerate(screen.rows) if row.endswith("a all, q quit, h help")]


@contextmanager
def watching(
    workspace: Workspace, api: Api, *arguments: str, env: Mapping[str, str] | None = None, lead: str = ""
) -> Iterator[Session]:
    """Start it on all scenarios of the workspace, from a shell that does what `lead` says before."""
    told = {"ANTHROPIC_API_KEY": KEY, "TERM": "xterm", "ANTHROPIC_BASE_URL": api.url, **(env or {})}
    command = ["sh", "-c", f'{lead}exec "$0" "$@"', str(COMMAND), ".", "--watch", *arguments]
    home = environment(workspace.folder, told)
    with in_terminal(command, cwd=workspace.folder, env=home, rows=24) as terminal:
        yield Session(terminal=terminal, workspace=workspace)
