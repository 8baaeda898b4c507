"""`output_config`: how much effort, and the JSON Schema of a reply, written out or in a file of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from claude_run.scenario import keys
from claude_run.scenario.blocks import file_path
from claude_run.scenario.diagnostics import InvalidScenarioError
from claude_run.scenario.fields import conforms, is_own
from claude_run.scenario.output_schema import untaken
from claude_run.scenario.yaml_reader import parse
from claude_run.scenario.yaml_tree import (
    Entry,
    MappingNode,
    ScalarNode,
    UnknownNode,
    descend,
    describe,
    to_json,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.scenario.fields import ReadContext
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.model import Position
    from claude_run.scenario.source import Source
    from claude_run.scenario.vocabulary import Problem, ValuePath
    from claude_run.scenario.yaml_tree import Node

_HINT = "write {type: json_schema, schema: {file: answer.schema.json}}"
_CHECK = "json"  # the expectation that knows what a JSON Schema may say


def output_config(context: ReadContext, entry: Entry) -> Json:
    """Read `output_config`, the schema of its `format` put in its place; None where it has problems."""
    if not conforms(context.report, entry.value, keys.PARAMS["output_config"].schema, what="`output_config`"):
        return None
    whole = cast("MappingNode", entry.value)
    value = {each.key: to_json(each.value) for each in whole.entries}
    form = whole.get("format")
    if form is None or (isinstance(form.value, ScalarNode) and form.value.value is None):
        return value
    schema = form.value.get("schema") if isinstance(form.value, MappingNode) else None
    if schema is None or not isinstance(schema.value, MappingNode):
        found = schema or form
        what = "`schema`" if schema else "`format`"
        if not isinstance(found.value, UnknownNode):
            lacks = isinstance(found.value, MappingNode)
            told = "has no `schema`" if lacks else f"must be a mapping, not {describe(found.value)}"
            context.report.node(found.value, f"{what} {told}", hint=_HINT)
        return None
    read = _schema(context, schema.value)
    if read is None:
        return None
    return {**value, "format": {**cast("JsonObject", to_json(form.value)), "schema": read}}


def _schema(context: ReadContext, node: MappingNode) -> JsonObject | None:
    """Read the schema; what is wrong with it is told at its place, in the scenario or in its file."""
    written = [each.key for each in node.entries if not is_own(each.key)]
    if written != ["file"]:
        schema = cast("JsonObject", to_json(node))
        return schema if _judge(context, schema, context.report.source, node) else None
    entry = file_path(context, node, what="`schema`")
    if entry is None:
        return None
    name = str(to_json(entry.value))
    hint = 'write a JSON Schema: {"type": "object", ...}'
    read = context.file(entry.value, lambda: context.files.json(name, hint=hint))
    if read is None:
        return None
    source, found = read
    if not isinstance(found, dict):
        context.report.node(entry.value, f"{name} is not a JSON Schema: it is no object", hint=hint)
        return None
    context.sources[source.path] = source
    return found if _judge(context, found, source, _tree(source)) else None


def _tree(source: Source) -> Node | None:
    """Return the tree of a JSON text, to find places in it; None where it is no YAML, as a few are not."""
    try:
        return parse(source).root
    except InvalidScenarioError:
        return None


def _judge(context: ReadContext, schema: JsonObject, source: Source, tree: Node | None) -> bool:
    """Report what makes it no schema, and keep what the API is known to refuse; return whether it is one."""

    def place(path: ValuePath) -> tuple[Position, int]:
        found = descend(tree, path) if tree is not None else None
        if found is None:
            return source.position(0), 1
        node = found.value if isinstance(found, Entry) else found
        if isinstance(node, ScalarNode):
            return node.position, max(1, node.end - node.start)
        return found.position, len(found.key) if isinstance(found, Entry) else 1

    wrong: Sequence[Problem] = ()
    if context.vocabulary.knows(_CHECK):
        wrong = context.vocabulary.problems(_CHECK, {"schema": schema}, place="turn")
    for problem in wrong:
        position, length = place(problem.path[1:])
        source.report(context.problems, position, problem.message, hint=problem.hint, length=length)
    for refusal in () if wrong else untaken(schema):
        position, length = place(refusal.path)
        found = source.problem(position, refusal.message, hint=refusal.hint, length=length)
        if found not in context.refusals:
            context.refusals.append(found)
    return not wrong
