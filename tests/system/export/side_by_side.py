"""One conversation played twice against simulators of its own: by claude-run, and by the exported program."""

from __future__ import annotations

import json
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from claude_run.checks.conditions import ScriptRenderer
from claude_run.checks.registry import default_registry
from claude_run.plan.matrix import Selection, expand
from claude_run.scenario.loader import load
from claude_run.simulator.examples import ExampleBook
from claude_run.simulator.server import Simulator
from tests.support.node import NODE_MODULES, require_command, require_node
from tests.support.threaded import ThreadedServer
from tests.unit.simulator.in_order import InOrder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from claude_run.simulator.replies import ReplyBook, Scripted
    from tests.support.command import CommandResult
    from tests.system.harness.workspace import Workspace

KEY = "sk-ant-export-0123456789abcdef"
USAGE = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
TSC = (
    *("--strict", "--noUncheckedIndexedAccess", "--noUnusedLocals", "--target", "es2022"),
    *("--module", "nodenext", "--types", "node"),
)


@dataclass(kw_only=True, eq=False)
class Recorder(ThreadedServer):
    """A simulator in a thread, which keeps every request."""

    replies: ReplyBook
    simulator: Simulator | None = field(default=None, init=False)

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[int]:
        self.simulator = Simulator(replies=self.replies)
        async with self.simulator as serving:
            yield serving.port

    @property
    def requests(self) -> list[tuple[str | None, str | None, str]]:
        """What was asked, in order: API version, betas, and the body with its keys sorted."""
        assert self.simulator is not None
        return [(each.version, each.beta, _sorted(each.body)) for each in self.simulator.ledger]


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What was sent, what came of it, and what claude-run would print of it."""

    requests: list[tuple[str | None, str | None, str]]
    result: CommandResult
    printed: str = ""


def examples(scenario: Path) -> Callable[[], ReplyBook]:
    """Return what makes a book of the examples of a scenario."""

    def book() -> ReplyBook:
        scenarios = load([str(scenario)], vocabulary=default_registry())
        conversations = expand(scenarios, Selection()).conversations
        return ExampleBook.from_conversations(conversations, lambda each: ScriptRenderer(each.vars))

    return book


def in_order(*replies: Scripted | str) -> Callable[[], ReplyBook]:
    """Return what makes a book of replies that come one after the other."""
    return lambda: InOrder(replies)


def play(workspace: Workspace, scenario: Path, book: Callable[[], ReplyBook], *options: str) -> Played:
    """Play the conversation that `export` takes, and return what a program would print of it."""
    listed = workspace.run("run", str(scenario), *options, "--list").stdout.split("\n")
    with Recorder(replies=book()) as recorder:
        result = workspace.run(
            "run", str(scenario), *options, "-k", f'"{listed[0]}"', "-n", "1", "-q", "-o", "out",
            url=recorder.base_url,
            env={"ANTHROPIC_API_KEY": KEY},
        )  # fmt: skip
    [transcript] = [json.loads(line) for line in _lines(workspace.folder / "out" / "transcripts.jsonl")]
    return Played(requests=recorder.requests, result=result, printed=_printed(transcript))


def play_exported(
    workspace: Workspace, program: Sequence[str], book: Callable[[], ReplyBook], **environment: str
) -> Played:
    """Run an exported program."""
    with Recorder(replies=book()) as recorder:
        variables = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": recorder.base_url, **environment}
        result = workspace.spawn([*program], env=variables).wait()
    return Played(requests=recorder.requests, result=result, printed=result.stdout)


def python_of(workspace: Workspace, scenario: Path, *options: str) -> list[str]:
    """Export a scenario to Python, and return the command that runs it."""
    export(workspace, scenario, "python", workspace.folder / "program.py", *options)
    return [sys.executable, "-W", "error", "program.py"]


def typescript_of(workspace: Workspace, scenario: Path, *options: str) -> list[str]:
    """Export a scenario to TypeScript, check its types strictly, and return the command that runs it."""
    require_node(packages=True)
    export(workspace, scenario, "typescript", workspace.folder / "program.mts", *options)
    link = workspace.folder / "node_modules"
    if not link.exists():
        link.symlink_to(NODE_MODULES)
    checked = workspace.spawn(["node", "node_modules/typescript/bin/tsc", *TSC, "program.mts"], env={}).wait()
    assert checked.code == 0, checked.stdout
    return ["node", "--trace-uncaught", "program.mjs"]


def shell_of(workspace: Workspace, scenario: Path, *options: str) -> list[str]:
    """Export a scenario to a shell script, have it checked, and return what runs it."""
    for command in ("curl", "jq", "shellcheck"):
        require_command(command)
    export(workspace, scenario, "curl", workspace.folder / "program.sh", *options)
    checked = workspace.spawn(["shellcheck", "--severity=warning", "program.sh"], env={}).wait()
    assert checked.code == 0, checked.stdout
    return ["sh", "program.sh"]


def export(workspace: Workspace, scenario: Path, language: str, out: Path, *options: str) -> str:
    """Export the first conversation of a scenario into a file, and return the program."""
    out.unlink(missing_ok=True)
    done = workspace.run("export", str(scenario), "--to", language, "-o", str(out), *options)
    assert done.code == 0, done.stderr
    return out.read_text(encoding="utf-8")


def _printed(transcript: dict[str, Any]) -> str:
    """Return the replies and the totals of a transcript as the programs print them."""
    replies = [turn for turn in transcript["turns"] if turn["reply"]]
    texts = [exchange["reply"]["text"] for turn in replies for exchange in turn.get("exchanges") or [turn]]
    totals = "".join(f"{name}: {transcript['usage'][name]}\n" for name in USAGE)
    return "".join(f"{text}\n\n" for text in texts if text) + totals


def _sorted(body: Any) -> str:
    # Both leave `stream` out or say false for the same: an answer in one piece.
    return json.dumps(
        {name: each for name, each in body.items() if (name, each) != ("stream", False)}, sort_keys=True
    )


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="ascii").split("\n") if line]


PROGRAMS: Mapping[str, Callable[..., list[str]]] = {
    "python": python_of,
    "typescript": typescript_of,
    "curl": shell_of,
}
"""What exports a scenario and returns the command that plays it, by language."""
