"""System prompts and the content of turns: text, files, and content blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.scenario.blocks import BLOCK_HINT, Allowed, block, file_path, text_of
from claude_run.scenario.diagnostics import InvalidScenarioError
from claude_run.scenario.fields import Template, sequence
from claude_run.scenario.files import FileProblemError
from claude_run.scenario.model import Content, Position, Text
from claude_run.scenario.paths import taken_files, whose
from claude_run.scenario.template_language import is_template
from claude_run.scenario.yaml_tree import ListNode, MappingNode, ScalarNode, to_json

if TYPE_CHECKING:
    from claude_run.scenario.fields import ReadContext
    from claude_run.scenario.settings import Settings
    from claude_run.scenario.source import Source
    from claude_run.scenario.yaml_tree import Entry


def system_prompt(context: ReadContext, entry: Entry) -> Content | None:
    """Read a system prompt: text, `{file: path}`, or a list of text blocks; None where it has problems."""
    if isinstance(entry.value, MappingNode):
        return _text_file(context, entry.value, what="`system`", turn=0)
    return content(context, entry, allowed="text", turn=0)


def content(context: ReadContext, entry: Entry, *, allowed: Allowed, turn: int) -> Content | None:
    """Read a content: text, `{file: path}`, or a list of blocks; None where it has problems."""
    node = entry.value
    if isinstance(node, ListNode):
        blocks = [
            block(context, item, allowed=allowed, turn=turn)
            for item in sequence(context.report, node, what=f"`{entry.key}`") or ()
        ]
        whole = tuple(each for each in blocks if each is not None)
        return whole if whole and len(whole) == len(blocks) else None
    if isinstance(node, MappingNode) and node.get("file"):
        return _text_file(context, node, what=f"`{entry.key}`", turn=turn)
    if isinstance(node, MappingNode):
        hint = f"write {{file: path}} for a text in a file; {BLOCK_HINT}"
        context.report.node(node, f"`{entry.key}` must be a text or a list of blocks", hint=hint)
        return None
    return text_of(context, entry, turn=turn)


def _text_file(context: ReadContext, node: MappingNode, *, what: str, turn: int) -> Text | None:
    """Read a text that stands in a file, or one for each path that a template becomes."""
    entry = file_path(context, node, what=what)
    if entry is None or not isinstance(entry.value, ScalarNode):
        return None
    path = str(to_json(entry.value))
    if not is_template(path):
        return _text_in(context, entry.value, path, turn=turn)

    files = taken_files(context, path, entry.value)
    if files is None:
        return None
    versions: dict[str, Text] = {}
    for filled, taken in files.items():
        text = _text_in(context, entry.value, filled, turn=turn, settings=taken.settings)
        if text is not None:
            versions[filled] = text
    if not versions or len(versions) < len(files):
        return None
    return Text(source=path, position=entry.value.position, versions=versions)


def _text_in(
    context: ReadContext, node: ScalarNode, path: str, *, turn: int, settings: Settings | None = None
) -> Text | None:
    """Read one file; `settings` are those whose path it is, named where they are not all."""
    source: Source | None = None
    try:
        source = context.files.prompt(path)
    except FileProblemError as error:
        context.report.node(node, error.message + whose(settings), hint=error.hint)
    except InvalidScenarioError as error:
        context.problems.merge(error.problems)
    if source is None:
        context.unread.append(path)
        return None
    if not source.text.strip():
        message = f"{path} is empty{whose(settings)}"
        context.report.node(node, message, hint="write the text into it")
        return None
    context.sources[source.path] = source
    template = Template(text=source.text, source=source, scalar=None, turn=turn, settings=settings)
    context.templates.append(template)
    return Text(source=source.text, position=Position(path=source.path, line=1, column=1))
