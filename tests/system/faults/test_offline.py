"""Commands that have no business on the network stay off it, without a key and with an address of nobody."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.system.faults.api import Api, ok, scenario

if TYPE_CHECKING:
    from tests.support.command import CommandResult
    from tests.system.harness.workspace import Workspace

NO_KEY = {"ANTHROPIC_API_KEY": ""}


def monitored(workspace: Workspace, *arguments: str) -> CommandResult:
    """Run the command and assert that it asked nothing of the network and did not load the SDK."""
    result = workspace.run(*arguments, env=NO_KEY, module="tests.system.harness.monitored_command")
    seen = json.loads((workspace.folder / "monitored.json").read_bytes())
    assert (seen["asked"], seen["loaded"]) == ([], [])
    return result


@pytest.mark.parametrize("arguments", [("check",), ("run", "--dry-run"), ("run", "--list")])
def test_a_command_that_sends_nothing_opens_no_socket(
    workspace: Workspace, arguments: tuple[str, ...]
) -> None:
    """It needs no key, loads no SDK and leaves nothing behind."""
    workspace.write("s.yaml", scenario("a", "b"))
    command, *flags = arguments
    assert monitored(workspace, command, "s.yaml", *flags).code == 0
    assert {path.name for path in workspace.folder.iterdir()} == {
        "s.yaml",
        "monitored.json",
        "streams",
        "tmp",
    }


def test_a_replay_opens_no_socket(workspace: Workspace) -> None:
    """What was recorded is played again without a key; what was not is named, and not sent for either."""
    workspace.write("s.yaml", scenario("a", "b", turns=3))
    with Api(answer=lambda asked: ok(f"Reply {asked.turn} to {asked.case}.")) as api:
        assert workspace.run("s.yaml", "-o", "out", url=api.url).code == 0
    assert monitored(workspace, "s.yaml", "--replay", "out", "-o", "again").code == 0
    texts = [
        {
            case: [turn["reply"]["text"] for turn in row["turns"]]
            for case, row in workspace.transcripts(run).items()
        }
        for run in ("out", "again")
    ]
    assert texts[0] == texts[1]
    assert all(row["replayed"] for row in workspace.transcripts("again").values())
    changed = scenario("a", "b", turns=3).replace("question 2", "another question")
    workspace.write("s.yaml", changed)
    assert monitored(workspace, "s.yaml", "--replay", "out", "-o", "missed").code == 3
    error = workspace.transcripts("missed")["a"]["error"]
    assert error.startswith("not recorded: message 3 (user) was")
