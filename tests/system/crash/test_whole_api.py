"""Everything in one talk: tools, an image, thinking, a turn that reacts, structured answers.

It is played on the simulator. What comes back in the next request are the bytes that were received, and after
a death at any write nothing is paid for twice.
"""

from __future__ import annotations

import itertools
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from claude_run.checks.conditions import ScriptRenderer
from claude_run.checks.registry import default_registry
from claude_run.plan.matrix import Selection, expand
from claude_run.scenario.loader import load
from claude_run.simulator.examples import ExampleBook
from claude_run.simulator.server import Simulator
from tests.support.threaded import ThreadedServer
from tests.system.crash.promises import RunState, assert_promises_kept
from tests.system.harness.fork_server import KILLED
from tests.system.harness.sweeps import is_whole
from tests.unit.scenario.loading import PNG

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.system.crash.workspace import CrashWorkspace

TALK = """\
name: talk
model: claude-opus-5-5
max_tokens: 2048
thinking: {type: adaptive, display: summarized}
output_config:
  effort: low
  format:
    type: json_schema
    schema:
      type: object
      properties: {say: {type: string}, done: {type: boolean}}
      required: [say, done]
      additionalProperties: false
system: You look things up, and answer as JSON.
tools:
  - {name: look, input_schema: {type: object, properties: {id: {type: string}}, required: [id]}}
  - {name: count, input_schema: {type: object}}
tool_results:
  look: {when: {id: A-1}, return: [{text: a red box}]}
  count:
    - {return: busy, is_error: true, times: 1}
    - {return: {found: 3}}
cases: [{id: ada, vars: {who: Ada}}]
turns:
  - user:
      - text: "I am {{ who }}. What is this, and how many of A-1 are there?"
      - image: photo.png
    expect:
      - calls_tool: [{name: look, input: {id: A-1}}, count]
    example: '{"say": "A red box. Shall I count again?", "done": false}'
  - user: Yes, count again.
    if: {json: {pointer: /done, equals: false}}
    expect: [{calls_tool: count}]
    example: '{"say": "Three.", "done": true}'
  - user: And again.
    if: {json: {pointer: /done, equals: false}}
    example: '{"say": "never", "done": true}'
  - user: Then sum it up.
    expect:
      - json: {pointer: /say, equals: Three red boxes.}
    example: '{"say": "Three red boxes.", "done": true}'
"""
REQUESTS = 5
STEP = 1 if is_whole() else 6
"""From one death to the next, in writes."""


@dataclass(kw_only=True, eq=False)
class ServedSimulator(ThreadedServer):
    """The simulator in a thread of its own, with the examples of a scenario; `ledger` holds the bodies."""

    scenario: Path
    simulator: Simulator = field(init=False)
    forgotten: int = 0

    @property
    def ledger(self) -> list[Any]:
        """The bodies of the requests for messages since `forget`."""
        entries = [each for each in self.simulator.ledger if each.path == "/v1/messages"]
        return [each.body for each in entries[self.forgotten :]]

    def forget(self) -> None:
        """Let the ledger begin anew."""
        self.forgotten += len(self.ledger)

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[int]:
        plan = expand(load([str(self.scenario)], vocabulary=default_registry()), Selection())
        book = ExampleBook.from_conversations(plan.conversations, lambda each: ScriptRenderer(each.vars))
        async with Simulator(replies=book) as self.simulator:
            yield self.simulator.port


def test_everything_in_one_talk_survives_a_death_at_any_write(workspace: CrashWorkspace) -> None:
    """Two parallel calls, an image, thinking, a turn that reacts, one left out, structured answers."""
    (workspace.folder / "photo.png").write_bytes(PNG)
    workspace.write(TALK)
    with ServedSimulator(scenario=workspace.scenario) as served:
        at_simulator: Any = replace(workspace, api=served)  # type: ignore[arg-type] # it has a ledger and an address
        ended = at_simulator.play()
        assert ended.code == 0, ended.stdout + ended.stderr
        undisturbed, bodies = at_simulator.transcripts(), served.ledger
        _assert_played(undisturbed)
        _assert_history_is_whole(bodies, at_simulator)
        assert len(bodies) == REQUESTS

        for number in itertools.count(1, STEP):
            _clear(at_simulator, served)
            killed = at_simulator.play(crash_at=number)
            if killed.code != KILLED:
                assert killed.code == 0
                break
            death = RunState.of(at_simulator)
            ended = at_simulator.go_on()
            assert ended.code == 0, ended.stderr
            assert_promises_kept(at_simulator, [death])
            assert at_simulator.transcripts() == undisturbed
            assert len(served.ledger) <= REQUESTS + len(death.in_flight)
        assert number > 10


def _clear(workspace: Any, served: ServedSimulator) -> None:
    for path in sorted(workspace.run_folder.rglob("*"), reverse=True):
        path.unlink()
    workspace.run_folder.rmdir()
    served.forget()


def _assert_played(transcripts: list[Any]) -> None:
    (transcript,) = transcripts
    assert transcript["outcome"] == "passed"
    assert [turn["left_out"] for turn in transcript["turns"]] == [False, False, True, False]
    first = transcript["turns"][0]["exchanges"][0]["reply"]["content"]
    assert [block["type"] for block in first] == ["thinking", "tool_use", "tool_use"]
    assert [turn["reply"]["content"][0]["type"] for turn in transcript["turns"] if turn["reply"]] == [
        "thinking"
    ] * 3


def _assert_history_is_whole(bodies: list[Any], workspace: Any) -> None:
    """Each request holds all of the one before, and its reply byte for byte as the journal keeps it."""
    replies = [event["body"]["content"] for event in workspace.events("reply")]
    for before, reply, after in zip(bodies, replies, bodies[1:], strict=False):
        history = [*before["messages"], {"role": "assistant", "content": reply}]
        assert json.dumps(after["messages"][: len(history)]) == json.dumps(history)
    assert bodies[0]["messages"][0]["content"][1]["source"]["media_type"] == "image/png"
