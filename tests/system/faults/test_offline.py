"""Commands that have no business on the network stay off it, without a key and with an address of nobody."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.system.faults.api import Api, ok, scenario

if TYPE_CHECKING:
    from tests.system.harness.workspace import Booth, Said

NO_KEY = {"ANTHROPIC_API_KEY": ""}


def watched(booth: Booth, *arguments: str) -> Said:
    """Run the command and assert that it asked nothing of the network and did not load the SDK."""
    said = booth.run(*arguments, env=NO_KEY, module="tests.system.harness.monitored_command")
    seen = json.loads((booth.folder / "watched.json").read_bytes())
    assert (seen["asked"], seen["loaded"]) == ([], [])
    return said


@pytest.mark.parametrize("arguments", [("check",), ("run", "--dry-run"), ("run", "--list")])
def test_a_command_that_sends_nothing_opens_no_socket(booth: Booth, arguments: tuple[str, ...]) -> None:
    """It needs no key, loads no SDK and leaves nothing behind."""
    booth.write("s.yaml", scenario("a", "b"))
    command, *flags = arguments
    assert watched(booth, command, "s.yaml", *flags).code == 0
    assert {path.name for path in booth.folder.iterdir()} == {"s.yaml", "watched.json", "streams", "tmp"}


def test_a_replay_opens_no_socket(booth: Booth) -> None:
    """What was recorded is played again without a key; what was not is named, and not sent for either."""
    booth.write("s.yaml", scenario("a", "b", turns=3))
    with Api(answer=lambda asked: ok(f"Reply {asked.turn} to {asked.case}.")) as api:
        assert booth.run("s.yaml", "-o", "out", url=api.url).code == 0
    assert watched(booth, "s.yaml", "--replay", "out", "-o", "again").code == 0
    texts = [
        {
            case: [turn["reply"]["text"] for turn in row["turns"]]
            for case, row in booth.transcripts(run).items()
        }
        for run in ("out", "again")
    ]
    assert texts[0] == texts[1]
    assert all(row["replayed"] for row in booth.transcripts("again").values())
    changed = scenario("a", "b", turns=3).replace("question 2", "another question")
    booth.write("s.yaml", changed)
    assert watched(booth, "s.yaml", "--replay", "out", "-o", "missed").code == 3
    error = booth.transcripts("missed")["a"]["error"]
    assert error.startswith("not recorded: message 3 (user) was")
