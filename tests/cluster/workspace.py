"""The command with the engine of a cluster, and what its runs have in common with those in one process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.command import COMMAND
from tests.support.scripted_server import json_answer, message_for
from tests.system.crash.workspace import lasting
from tests.system.harness.workspace import KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.cluster.throw_away import RayCluster
    from tests.support.command import CommandResult
    from tests.support.scripted_server import Answer
    from tests.system.faults.api import TurnRequest
    from tests.system.harness.workspace import Running, Workspace

_TURNS = """\
turns:
  - user: I am {{ who }}. Give me a number.
    save: {number: 'number is (\\d+)'}
  - user: Is {{ saved.number }} even?
  - user: Goodbye from {{ who }}.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterWorkspace:
    """A workspace whose commands join a cluster. They have no key: only the workers have one."""

    workspace: Workspace
    cluster: RayCluster

    @property
    def engine(self) -> tuple[str, str]:
        return ("--engine", f"ray://{self.cluster.address}")

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> Running:
        """Start the command on the cluster."""
        command = [str(COMMAND), *arguments, *self.engine]
        return self.workspace.spawn(command, env={**self.cluster.environment, **(env or {})})

    def run(self, *arguments: str, at_most_s: float = 60.0, **options: Any) -> CommandResult:
        """Run the command on the cluster to its end; `options` are those of `start`."""
        return self.start(*arguments, **options).wait(at_most_s=at_most_s)


def credentials(url: str) -> dict[str, str]:
    """Return the variables with which a process asks the server at a URL."""
    return {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": url}


def transcripts(workspace: Workspace, run: str) -> dict[str, Any]:
    """Return what lasts of the transcripts of a run, by conversation."""
    rows = workspace.transcripts(run)
    return {row["conversation_id"]: lasting(row) for row in rows.values()}


def echo(asked: TurnRequest) -> Answer:
    """Answer by the request alone: equal ones get equal replies."""
    return json_answer(message_for(asked.http.body))


def talk(conversations: int) -> str:
    """Return a scenario of three turns each, the second of which depends on the first reply."""
    cases = "".join(f"  - {{id: c{number}, vars: {{who: c{number}}}}}\n" for number in range(conversations))
    return f"name: talk\nmodel: claude-haiku-5-5\nmax_tokens: 64\ncases:\n{cases}{_TURNS}"
