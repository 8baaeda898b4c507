"""A conversation that calls tools, killed at its writes: no call is answered twice, no reply paid twice."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

from tests.support.scripted_server import message_for
from tests.system.crash.promises import RunState, assert_promises_kept
from tests.system.crash.workspace import TALK
from tests.system.harness.fork_server import KILLED
from tests.system.harness.sweeps import is_whole

if TYPE_CHECKING:
    from tests.system.crash.workspace import CrashWorkspace

TOOL_TALK = (
    TALK.replace("contains: number", "calls_tool: [look, count]")
    + """
tools:
  - {name: look, input_schema: {type: object}}
  - {name: count, input_schema: {type: object}}
tool_results:
  look: {return: [{text: "{{ who }} is here"}]}
  count:
    - {return: busy, is_error: true, times: 1}
    - {return: {found: 3}}
"""
)
REQUESTS = 6
STEP = 1 if is_whole() else 5
"""From one death to the next, in writes."""


def test_killed_at_any_write_of_a_talk_with_tools(workspace: CrashWorkspace) -> None:
    """Three turns of two requests each: the history is whole, and `times` is counted over deaths."""
    workspace.write(TOOL_TALK)
    assert workspace.play("-k", "ada").code == 0
    undisturbed, bodies = workspace.transcripts(), [*workspace.api.ledger]
    assert len(bodies) == REQUESTS

    # Each request holds all of the one before, its reply byte for byte, and what is new.
    for before, after in itertools.pairwise(bodies):
        history = [*before["messages"], {"role": "assistant", "content": message_for(before)["content"]}]
        assert json.dumps(after["messages"][: len(history)]) == json.dumps(history)
    assert [_results(body) for body in bodies] == [
        None,
        [[{"type": "text", "text": "Ada is here"}], "busy"],
        None,
        [[{"type": "text", "text": "Ada is here"}], '{"found": 3}'],
        None,
        [[{"type": "text", "text": "Ada is here"}], '{"found": 3}'],
    ]
    workspace.clear()

    for number in itertools.count(1, STEP):
        killed = workspace.play("-k", "ada", crash_at=number)
        if killed.code != KILLED:
            assert killed.code == 0
            break
        death = RunState.of(workspace)
        ended = workspace.go_on(*(() if (workspace.run_folder / "run.json").exists() else ("-k", "ada")))
        assert ended.code == 0, ended.stderr
        assert_promises_kept(workspace, [death])
        assert workspace.transcripts() == undisturbed
        assert len(workspace.api.ledger) <= REQUESTS + len(death.in_flight)
        workspace.clear()
    assert number > 20


def _results(body: Any) -> Any:
    content = body["messages"][-1]["content"]
    if isinstance(content, str) or content[0]["type"] != "tool_result":
        return None
    return [block["content"] for block in content]
