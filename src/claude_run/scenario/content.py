"""System prompts and the content of turns: text, files, and content blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from claude_run.scenario import keys
from claude_run.scenario.diagnostics import InvalidScenarioError
from claude_run.scenario.fields import conforms, is_own, known, mapping, sequence, text, unknown_key
from claude_run.scenario.media import document_block, image_block
from claude_run.scenario.model import EMPTY, Block, Content, JsonBlock, Position, Text, TextBlock
from claude_run.scenario.reading import Template
from claude_run.scenario.yaml_nodes import ListNode, MappingNode, ScalarNode, to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from claude_run.scenario.model import Json, JsonObject
    from claude_run.scenario.reading import Reading
    from claude_run.scenario.source import Source
    from claude_run.scenario.yaml_nodes import Entry, Node

Allowed = Literal["user", "assistant", "text"]
"""Which blocks a content may have: all; text and the API's own JSON; text alone."""

_SUGAR = {"text": keys.TEXT_BLOCK, "image": keys.IMAGE_BLOCK, "document": keys.DOCUMENT_BLOCK}
_BLOCK_HINT = "write `- text: ...`, `- image: path`, `- document: path`, or a block with `type`"


def system_prompt(reading: Reading, entry: Entry) -> Content | None:
    """Read a system prompt: text, `{file: path}`, or a list of text blocks; None where it has problems."""
    if isinstance(entry.value, MappingNode):
        return _text_file(reading, entry.value)
    return content(reading, entry, allowed="text", turn=0)


def content(reading: Reading, entry: Entry, *, allowed: Allowed, turn: int) -> Content | None:
    """Read a content: text or a list of blocks; None where it has problems."""
    node = entry.value
    if isinstance(node, ListNode):
        blocks = [
            _block(reading, item, allowed=allowed, turn=turn)
            for item in sequence(reading.report, node, what=f"`{entry.key}`") or ()
        ]
        whole = tuple(block for block in blocks if block is not None)
        return whole if whole and len(whole) == len(blocks) else None
    if isinstance(node, MappingNode):
        reading.report.node(node, f"`{entry.key}` must be a text or a list of blocks", hint=_BLOCK_HINT)
        return None
    return text_of(reading, entry, turn=turn)


def text_of(reading: Reading, entry: Entry, *, turn: int) -> Text | None:
    """Read a text that is rendered when it is played; None where it has problems."""
    node = entry.value
    if isinstance(node, ScalarNode) and node.value is None:
        reading.report.key(entry, f"`{entry.key}` is empty", hint="write a text, or remove it")
        return None
    source = text(reading.report, entry)
    if source is None or not isinstance(node, ScalarNode):
        return None
    reading.template(source, node, turn=turn)
    return Text(source=source, position=node.position)


def file_path(reading: Reading, node: MappingNode, *, what: str) -> Entry | None:
    """Read the entry of `{file: path}`; None where it has problems."""
    entries = known(reading.report, node, keys=keys.FILE, what=what)
    entry = entries.get("file")
    if entry is None:
        reading.report.node(node, f"{what} has no `file`", hint="write {file: path}")
        return None
    return entry if text(reading.report, entry) is not None else None


def _text_file(reading: Reading, node: MappingNode) -> Text | None:
    entry = file_path(reading, node, what="`system`")
    if entry is None:
        return None
    name = str(to_json(entry.value))
    source: Source | None = None
    try:
        source = reading.file(entry.value, lambda: reading.files.prompt(name))
    except InvalidScenarioError as error:
        reading.problems.extend(error.diagnostics)
    if source is None:
        reading.unread_text = True
        return None
    if not source.text.strip():
        reading.report.node(entry.value, f"{name} is empty", hint="write the prompt into it")
        return None
    reading.templates.append(Template(text=source.text, source=source, scalar=None, turn=0))
    return Text(source=source.text, position=Position(path=source.path, line=1, column=1))


def _block(reading: Reading, node: Node, *, allowed: Allowed, turn: int) -> Block | None:
    whole = mapping(reading.report, node, what="a content block", hint=_BLOCK_HINT)
    if whole is None:
        return None
    if whole.get("type"):
        return _api_block(reading, whole, allowed=allowed, turn=turn)
    sugar = next((name for name in ("image", "document", "text") if whole.get(name)), None)
    if sugar is not None:
        return _sugar_block(reading, whole, sugar=sugar, allowed=allowed, turn=turn)
    _report_shapeless(reading, whole)
    return None


def _sugar_block(
    reading: Reading, node: MappingNode, *, sugar: str, allowed: Allowed, turn: int
) -> Block | None:
    entries = known(reading.report, node, keys=_SUGAR[sugar], what=f"this {sugar} block")
    if sugar == "text":
        return _text_block(reading, entries, turn=turn)
    if allowed != "user":
        message = f"`{sugar}` blocks may stand in user turns only"
        reading.report.key(entries[sugar], message, hint="move it into a user turn")
        return None
    return _file_block(reading, entries, sugar=sugar)


def _api_block(reading: Reading, node: MappingNode, *, allowed: Allowed, turn: int) -> Block | None:
    entries = {entry.key: entry for entry in node.entries if not is_own(entry.key)}
    kind = entries["type"]
    if not conforms(reading.report, kind.value, {"type": "string"}, what="`type`"):
        return None
    if to_json(kind.value) == "text":
        if "text" not in entries:
            reading.report.node(node, "this text block has no `text`", hint="write `- text: ...`")
            return None
        source = text_of(reading, entries["text"], turn=turn)
        rest = {key: to_json(entry.value) for key, entry in entries.items() if key not in {"type", "text"}}
        return TextBlock(text=source, extra=rest or EMPTY) if source else None
    if allowed == "text":
        reading.report.node(kind.value, "only text blocks may stand here", hint="write `- text: ...`")
        return None
    return JsonBlock(value={key: to_json(entry.value) for key, entry in entries.items()})


def _text_block(reading: Reading, entries: Mapping[str, Entry], *, turn: int) -> TextBlock | None:
    source = text_of(reading, entries["text"], turn=turn)
    extra = _extra(reading, entries, but="text")
    return TextBlock(text=source, extra=extra) if source else None


def _file_block(reading: Reading, entries: Mapping[str, Entry], *, sugar: str) -> JsonBlock | None:
    name = text(reading.report, entries[sugar])
    extra = _extra(reading, entries, but=sugar)
    if name is None:
        return None
    make = image_block if sugar == "image" else document_block
    value = reading.file(entries[sugar].value, lambda: make(reading.files.binary(name), name))
    return JsonBlock(value={**value, **extra}) if value is not None else None


def _extra(reading: Reading, entries: Mapping[str, Entry], *, but: str) -> JsonObject:
    extra: dict[str, Json] = {}
    for key, entry in entries.items():
        if key == but:
            continue
        known_key = keys.DOCUMENT_BLOCK.get(key)
        if known_key is None or conforms(reading.report, entry.value, known_key.schema, what=f"`{key}`"):
            extra[key] = to_json(entry.value)
    return extra or EMPTY


def _report_shapeless(reading: Reading, node: MappingNode) -> None:
    entry = next((entry for entry in node.entries if not is_own(entry.key)), None)
    if entry is None:
        reading.report.node(node, "this content block is empty", hint=_BLOCK_HINT)
    else:
        unknown_key(reading.report, entry, keys=("text", "image", "document", "type"), what="a content block")
