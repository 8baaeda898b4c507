"""A conversation as a scenario: what was sent is its turns, and the replies are their examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from claude_run.checks.conditions import ScriptRenderer
from claude_run.conversation.content import message_content
from claude_run.scenario.template_language import literal
from claude_run.scenario.vocabulary import name_problem
from claude_run.scenario.yaml_writer import yaml_text
from claude_run.text.strict_json import join_text

if TYPE_CHECKING:
    from pathlib import Path

    from claude_run.conversation.exchange import Exchange
    from claude_run.conversation.script import Conversation, TextRenderer
    from claude_run.scenario.json_values import Json
    from claude_run.scenario.model import ToolResult

_MOST_ROUNDS = 10
"""What `max_tool_rounds` is where it is left out."""


def scenario_text(conversation: Conversation, exchanges: Sequence[Exchange], *, path: Path, at: str) -> str:
    """Return the YAML of a scenario that plays what these exchanges have sent, under the same parameters.

    `at` is the UTC time, ISO 8601. What a template gave stands in it as plain text: no variable is left.
    """
    renderer = ScriptRenderer(conversation.vars)
    results = conversation.tool_results
    params = dict(conversation.params)
    tools = params.pop("tools", None)
    simulated = (
        " with the simulator, which made the replies up" if any(e.simulated for e in exchanges) else ""
    )

    whole: dict[str, Json] = {}
    if name_problem(path.stem) is not None:
        whole["name"] = "talk"
    whole["description"] = f"A talk of {at[:10]}{simulated}, saved by claude-run chat."
    whole |= {"model": conversation.model, **params}
    if conversation.cache != "auto":
        whole["cache"] = conversation.cache
    if conversation.system is not None:
        whole["system"] = _content(message_content(conversation.system, renderer, {}))
    if tools is not None:
        whole["tools"] = tools
    if results.by_tool:
        whole["tool_results"] = {
            name: [_result(each, renderer) for each in found] for name, found in results.by_tool.items()
        }
        if results.max_rounds != _MOST_ROUNDS:
            whole["max_tool_rounds"] = results.max_rounds
    whole["turns"] = _turns(exchanges)
    return yaml_text({name: value for name, value in whole.items() if value != ""})


def _turns(exchanges: Sequence[Exchange]) -> Sequence[Json]:
    turns: list[dict[str, Json]] = []
    by_turn: dict[int, list[Exchange]] = {}
    for exchange in exchanges:
        by_turn.setdefault(exchange.turn, []).append(exchange)
    for index, rounds in by_turn.items():
        # What a turn said is what its first request sent; the others carry results of tools.
        for message in rounds[0].sent:
            turn: dict[str, Json] = {message.role: _content(message.content)}
            if message.turn == index and (example := _example(rounds)):
                turn["example"] = literal(example)
            turns.append(turn)
    return turns


def _example(rounds: Sequence[Exchange]) -> str:
    """Return what the last reply to a turn says, or all of them where that says nothing."""
    last = rounds[-1].reply.text
    text = last if last.strip() else join_text(each.reply.text for each in rounds)
    return text if text.strip() else ""


def _result(result: ToolResult, renderer: TextRenderer) -> Json:
    told: dict[str, Json] = {}
    if result.when:
        told["when"] = _literal(renderer.fill_json(result.when))
    if result.content is not None:
        told["return"] = _content(message_content(result.content, renderer, {}))
    else:
        told["return"] = _literal(renderer.fill_json(result.json))
    if result.is_error:
        told["is_error"] = True
    if result.times is not None:
        told["times"] = result.times
    return told


def _content(content: Json) -> Json:
    """Return the content of a message as a scenario writes it, its texts word for word."""
    if isinstance(content, str):
        return literal(content)
    blocks = content if isinstance(content, Sequence) else ()
    return [_block(block) for block in blocks]


def _block(block: Json) -> Json:
    """Return a block; of one that is not text nothing is filled in, so that it stays as it is."""
    text = block.get("text") if isinstance(block, Mapping) and block.get("type") == "text" else None
    if not isinstance(block, Mapping) or not isinstance(text, str):
        return block
    if block.keys() == {"type", "text"}:
        return {"text": literal(text)}
    return {**block, "text": literal(text)}


def _literal(value: Json) -> Json:
    """Return JSON whose texts, keys apart, are taken for what they are."""
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, Mapping):
        return {name: _literal(part) for name, part in value.items()}
    return [_literal(part) for part in value] if isinstance(value, Sequence) else value
