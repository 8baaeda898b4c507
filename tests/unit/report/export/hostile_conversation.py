"""A conversation with one text wherever a scenario may hold one."""

from __future__ import annotations

from claude_run.conversation.identity import Identity
from claude_run.conversation.script import Conversation
from claude_run.report.export.formats import LANGUAGES, exported
from claude_run.scenario.model import (
    Expectation,
    JsonBlock,
    Position,
    Save,
    SystemTurn,
    Text,
    TextBlock,
    ToolResult,
    ToolResults,
    Turn,
    UserTurn,
)


def exported_everywhere(text: str) -> str:
    """Return the programs of all languages; the text is a variable, so that no part of it is a template."""
    return "\n".join(
        exported(hostile_conversation(text), language, description=text) for language in LANGUAGES
    )


def hostile_conversation(text: str, *, longest: int = 100_000) -> Conversation:
    """Return the conversation; a very long text stands in one place only, to save time."""
    # What cannot be sent is refused before.
    text = text.encode("utf-8", "replace").decode()
    place = Position(path=text, line=1, column=1)
    said = Text(source="{{ text }}", position=place)
    read = Text(source="{{ text }}{{ saved.kept }}{{ text }}", position=place)
    identity = Identity.of(scenario=text, path=text, case=text, variant=None, model=text, model_label=text)
    if len(text) > longest:
        return Conversation(
            identity=Identity.of(scenario="s", path="s", case=None, variant=None, model="m", model_label="m"),
            position=place,
            params={"max_tokens": 1, "metadata": {"user_id": text}},
            turns=(UserTurn(content=Text(source="a", position=place), position=place),),
        )
    condition = (
        Expectation(kind="contains", value={"any": ["{{ text }}", "x"]}, position=place),
        Expectation(kind="equals", value={"text": "{{ text }}"}, position=place),
    )
    turns: tuple[Turn, ...] = (
        UserTurn(
            content=said,
            save=(Save(name="kept", pattern="a|{{ text or 'x' }}", position=place),),
            position=place,
        ),
        UserTurn(content=(TextBlock(text=read, extra={text: text}),), condition=condition, position=place),
        SystemTurn(content=read, position=place),
        UserTurn(content=(JsonBlock(value={"type": text, text: [text]}),), position=place),
    )
    results = (ToolResult(when={text: "{{ text }}"}, json={text: "{{ text }}"}, position=place),)
    return Conversation(
        identity=identity,
        position=place,
        vars={"text": text},
        system=said,
        params={
            "max_tokens": 1,
            text or "x": {text: text},
            "tools": [{"name": text}],
            "metadata": {text: text},
        },
        turns=turns,
        expect=(Expectation(kind="contains", value=text, position=place),),
        tool_results=ToolResults(by_tool={text: results}),
    )
