"""A talk as a scenario: whatever was sent and said, the file says just that, and can be read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_run.checks.conditions import ScriptRenderer
from claude_run.checks.registry import default_registry
from claude_run.conversation.content import message_content
from claude_run.conversation.exchange import Exchange, Reply, SentMessage
from claude_run.conversation.identity import Identity
from claude_run.conversation.script import Conversation
from claude_run.scenario.loader import load
from claude_run.scenario.model import Position, Text, ToolResult, ToolResults, UserTurn
from claude_run.session.chat_file import scenario_text
from tests.support.scripted_server import message

if TYPE_CHECKING:
    from pathlib import Path

    from claude_run.scenario.json_values import Json
    from claude_run.scenario.model import Scenario

HERE = Position(path="chat", line=1, column=1)
CONVERSATION = Conversation(
    identity=Identity.of(
        scenario="chat", path="chat", model="claude-haiku-5-5", model_label="claude-haiku-5-5"
    ),
    position=HERE,
    params={"max_tokens": 100},
    turns=(),
)
LIVE = "{{}}{%%}#-'\"\\ \n\r\t\u2028\ufeff\x1b\U0001f98b:&*!|>~"
words = st.text(
    st.sampled_from(LIVE) | st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    min_size=1,
    max_size=30,
).filter(lambda text: bool(text.strip()))


def exchange(turn: int, said: Json, *content: Any, role: str = "user") -> Exchange:
    """Return an exchange that sent one message and got these blocks."""
    reply = Reply.from_body(message(*content))
    return Exchange(turn=turn, key="", sent=(SentMessage(turn=turn, role=role, content=said),), reply=reply)


def text_block(text: str) -> dict[str, str]:
    """Return a block of text."""
    return {"type": "text", "text": text}


def saved(
    folder: Path, *exchanges: Exchange, conversation: Conversation = CONVERSATION, name: str = "t"
) -> Scenario:
    """Write the scenario of a talk, and read it again."""
    path = folder / f"{name}.yaml"
    text = scenario_text(conversation, exchanges, path=path, at="2026-11-29T10:00:00Z")
    path.write_text(text, encoding="utf-8", newline="")
    (scenario,) = load([str(path)], vocabulary=default_registry())
    return scenario


def contents(scenario: Scenario) -> list[Json]:
    """Return what the turns of a scenario send."""
    return [message_content(turn.content, ScriptRenderer({}), {}) for turn in scenario.turns]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(words, words), min_size=1, max_size=4), words)
def test_every_text_survives(tmp_path: Path, turns: list[tuple[str, str]], system: str) -> None:
    """What was said is sent again word for word; the replies are the examples; the prompt is the same."""
    conversation = replace(
        CONVERSATION, system=Text(source="{{ prompt }}", position=HERE), vars={"prompt": system}
    )
    talk = [exchange(index, user, text_block(reply)) for index, (user, reply) in enumerate(turns)]
    scenario = saved(tmp_path, *talk, conversation=conversation)
    assert contents(scenario) == [user for user, _ in turns]
    examples = [turn.example for turn in scenario.turns if isinstance(turn, UserTurn)]
    assert [each and ScriptRenderer({}).render(each, {}) for each in examples] == [
        reply for _, reply in turns
    ]
    assert scenario.system is not None
    assert message_content(scenario.system, ScriptRenderer({}), {}) == system


def test_blocks_and_system_turns_are_carried(tmp_path: Path) -> None:
    """Images stay as they were sent, templates in them too; an instruction stands behind its turn."""
    image: dict[str, Json] = {
        "type": "image",
        "source": {"type": "url", "url": "https://example.org/{{ x }}.png"},
    }
    blocks: list[Json] = [text_block("Look {{ here }}"), image]
    talk = exchange(0, blocks, text_block("I see."))
    steered = SentMessage(turn=1, role="system", content="Be brief {% now %}.")
    scenario = saved(tmp_path, replace(talk, sent=(*talk.sent, steered)))
    assert contents(scenario) == [blocks, "Be brief {% now %}."]


def test_rounds_of_tools_are_one_turn(tmp_path: Path) -> None:
    """Results of tools are no turns of their own; the example is what the turn came to in the end."""
    call = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "x"}
    tool: dict[str, Json] = {"name": "look", "input_schema": {"type": "object"}}
    answer = ToolResult(when={"at": "{{ who }}"}, json={"is": "{{ who }} {{ '{{' }}"}, times=2, position=HERE)
    conversation = replace(
        CONVERSATION,
        vars={"who": "Ada {%"},
        params={"max_tokens": 100, "tools": [tool]},
        tool_results=ToolResults(by_tool={"look": (answer,)}, max_rounds=3),
    )
    talk = [
        exchange(0, "Look.", text_block("I look."), call),
        exchange(0, [result], text_block("A horse.")),
        exchange(1, "And?", call),
    ]
    scenario = saved(tmp_path, *talk, conversation=conversation)
    assert contents(scenario) == ["Look.", "And?"]
    first, second = (turn for turn in scenario.turns if isinstance(turn, UserTurn))
    assert first.example is not None
    assert first.example.source == "A horse."
    assert second.example is None
    assert scenario.params == conversation.params
    (kept,) = scenario.tool_results.by_tool["look"]
    assert (kept.times, scenario.tool_results.max_rounds) == (2, 3)
    assert ScriptRenderer({}).fill_json(kept.when) == {"at": "Ada {%"}
    assert ScriptRenderer({}).fill_json(kept.json) == {"is": "Ada {% {{"}


@pytest.mark.parametrize("name", ["plain", " odd ", "x" * 120])
def test_a_file_of_any_name_can_be_played(tmp_path: Path, name: str) -> None:
    """Where its stem is no name of a scenario, it has one of its own."""
    assert contents(saved(tmp_path, exchange(0, "Hi.", text_block("Yes.")), name=name)) == ["Hi."]


def test_parameters_and_cache_are_those_of_the_talk(tmp_path: Path) -> None:
    """Numbers, lists and objects, under their names."""
    params: dict[str, Json] = {
        "max_tokens": 7,
        "stop_sequences": ["END {{ x }}", "#"],
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "low"},
    }
    conversation = replace(CONVERSATION, params=params, cache="1h")
    scenario = saved(tmp_path, exchange(0, "Hi.", text_block("Yes.")), conversation=conversation)
    assert (scenario.params, scenario.cache) == (params, "1h")
    assert [each.id for each in scenario.models] == ["claude-haiku-5-5"]
