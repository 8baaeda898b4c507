"""Tools: the API's own list, in the scenario or in a file, and the results that answer their calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from claude_run.scenario import keys
from claude_run.scenario.blocks import SUGAR, file_path
from claude_run.scenario.content import content
from claude_run.scenario.diagnostics import did_you_mean
from claude_run.scenario.fields import NO_TURN, conforms, known, mapping, sequence
from claude_run.scenario.json_values import EMPTY
from claude_run.scenario.model import ToolResult, ToolResults
from claude_run.scenario.template_language import is_template
from claude_run.scenario.vocabulary import Problem
from claude_run.scenario.yaml_tree import ListNode, MappingNode, ScalarNode, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from claude_run.scenario.fields import ReadContext
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.model import Content, Expectation
    from claude_run.scenario.yaml_tree import Entry, Node

RESULT_BLOCKS = frozenset({"text", "image", "document", "search_result", "tool_reference"})
"""The types of the blocks that a `tool_result` may hold (messages-api reference, 1.3)."""

OF_SERVER = frozenset(
    {
        "advisor",
        "web_search",
        "web_fetch",
        "code_execution",
        "bash_code_execution",
        "text_editor_code_execution",
        "tool_search_tool_regex",
        "tool_search_tool_bm25",
    }
)
"""The names under which the API calls its own tools: one in the list may call others, such as a search that
runs code (SDK 2.14.0, `types/beta/beta_server_tool_use_block.py`)."""

CALLS_TOOL = "calls_tool"
"""The kind of the expectations that name tools."""

_NO_RESULTS = "a tool has no `results` of its own"
_RESULTS_HINT = "write them beside `tools`: `tool_results: {name: [...]}`"
_RESULT_HINT = "write `- {when: {id: A-1}, return: {status: shipped}}`"


def tools(context: ReadContext, entry: Entry) -> Json:
    """Read `tools`: a list, or `{file: tools.json}`; None where it has problems."""
    if isinstance(entry.value, MappingNode):
        found = _tools_of_file(context, entry.value)
    else:
        found = _tools_written(context, entry)
    context.unread_tools |= found is None
    return found


def _tools_written(context: ReadContext, entry: Entry) -> Json:
    for tool in entry.value.items if isinstance(entry.value, ListNode) else ():
        results = tool.get("results") if isinstance(tool, MappingNode) else None
        if results is not None:
            context.report.key(results, _NO_RESULTS, hint=_RESULTS_HINT)
            return None
    return to_json(entry.value) if conforms(context.report, entry.value, keys.TOOLS, what="`tools`") else None


def tool_results(context: ReadContext, entries: Mapping[str, Entry]) -> ToolResults:
    """Read `tool_results` and `max_tool_rounds`; results with problems are left out."""
    most = ToolResults().max_rounds
    rounds = entries.get("max_tool_rounds")
    schema = keys.SCENARIO["max_tool_rounds"].schema
    if rounds is not None and conforms(context.report, rounds.value, schema, what="`max_tool_rounds`"):
        most = cast("int", to_json(rounds.value))
    entry = entries.get("tool_results")
    if entry is None:
        if rounds is not None:
            hint = "remove it, or write `tool_results`"
            context.report.key(rounds, "there are no `tool_results` to send", hint=hint)
        return ToolResults(max_rounds=most)
    whole = mapping(
        context.report, entry.value, what="`tool_results`", hint="write `tool_results: {name: [...]}`"
    )
    by_tool = {each.key: _results(context, each) for each in whole.entries} if whole else {}
    return ToolResults(by_tool=by_tool, max_rounds=most)


def check_tool_names(
    context: ReadContext,
    entries: Mapping[str, Entry],
    params: Iterable[JsonObject],
    expectations: Iterable[Expectation],
) -> None:
    """Report each tool that is named by a result or an expectation and that no `tools` has.

    A misspelt name would answer nothing, and a ban of its calls would always hold. What an MCP server or a
    set of tools offers is known to the API alone, and what a list with problems would hold to nobody.
    """
    names = tool_names(params)
    if names is None or context.unread_tools:
        return
    hint = "list it under `tools`"
    results = entries["tool_results"].value if "tool_results" in entries else None
    for entry in results.entries if isinstance(results, MappingNode) else ():
        if entry.key not in names:
            context.report.key(
                entry, f"no tool is called `{entry.key}`", hint=_meant(entry.key, names) or hint
            )
    for expectation in _with_children(expectations):
        for name in named_tools(expectation.value) if expectation.kind == CALLS_TOOL else ():
            if not is_template(name) and name not in names:
                message = f"no tool is called `{name}`"
                context.report.at(
                    expectation.position, message, hint=_meant(name, names) or hint, length=len(CALLS_TOOL)
                )


def tool_names(params: Iterable[JsonObject]) -> frozenset[str] | None:
    """Return the names of the tools in parameters of requests; None where others may be offered besides."""
    params = tuple(params)
    lists = [cast("Sequence[JsonObject]", each.get("tools") or ()) for each in params]
    listed = [tool for each in lists for tool in each]
    typed = [tool for tool in listed if tool.get("type") not in {None, "custom"}]
    if any(each.get("mcp_servers") for each in params) or any("name" not in each for each in typed):
        return None
    named = frozenset(str(tool["name"]) for tool in listed if "name" in tool)
    return named | (OF_SERVER if typed else frozenset())


def unknown_tool(value: Json, names: frozenset[str] | None) -> Problem | None:
    """Return what is wrong with the names in a filled-in value of `calls_tool`, which differ by case."""
    unknown = next((name for name in named_tools(value) if names is not None and name not in names), None)
    if unknown is None:
        return None
    hint = _meant(unknown, names or ()) or "list it under `tools`"
    return Problem(path=(), message=f"names `{unknown}`, and no tool is called so", hint=hint)


def named_tools(value: Json) -> Iterator[str]:
    """Yield the names of tools in the value of a `calls_tool` expectation."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        name = value.get("name")
        yield from [name] if isinstance(name, str) else ()
    elif isinstance(value, list | tuple):
        for each in value:
            yield from named_tools(each)


def _tools_of_file(context: ReadContext, node: MappingNode) -> Json:
    entry = file_path(context, node, what="`tools`")
    if entry is None:
        return None
    name = str(to_json(entry.value))
    hint = "write the list of tools as the API takes it: [{...}, {...}]"
    read = context.file(entry.value, lambda: context.files.json(name, hint=hint))
    if read is None:
        return None
    _, found = read
    if not isinstance(found, list) or not all(isinstance(tool, Mapping) for tool in found):
        context.report.node(entry.value, f"{name} is not a list of tools", hint=hint)
        return None
    if any("results" in tool for tool in found if isinstance(tool, Mapping)):
        context.report.node(entry.value, f"in {name} {_NO_RESULTS}", hint=_RESULTS_HINT)
        return None
    return found


def _results(context: ReadContext, entry: Entry) -> tuple[ToolResult, ...]:
    if isinstance(entry.value, MappingNode):
        nodes: Sequence[Node] = (entry.value,)
    else:
        nodes = sequence(context.report, entry.value, what=f"`{entry.key}`", hint=_RESULT_HINT) or ()
    read = [_result(context, node) for node in nodes]
    found = tuple(each for each in read if each is not None)
    # What always fits answers every call, so that nothing behind it is ever reached.
    always = next((n for n, each in enumerate(read) if each and not each.when and each.times is None), None)
    if always is not None and always + 1 < len(nodes):
        message = "this result is never reached: the one before it answers every call"
        context.report.node(
            nodes[always + 1], message, hint="give that one `when` or `times`, or put it last"
        )
    return found


def _result(context: ReadContext, node: Node) -> ToolResult | None:
    report = context.report
    whole = mapping(report, node, what="a result", hint=_RESULT_HINT)
    if whole is None:
        return None
    entries = known(report, whole, keys=keys.TOOL_RESULT, what="a result")
    if "return" not in entries:
        report.node(whole, "this result has no `return`", hint=_RESULT_HINT)
        return None
    when: JsonObject = EMPTY
    if "when" in entries and conforms(report, entries["when"].value, {"type": "object"}, what="`when`"):
        when = cast("JsonObject", to_json(entries["when"].value))
        _keep_templates(context, entries["when"].value)
    said, plain = _returned(context, entries["return"])
    is_error, times = entries.get("is_error"), entries.get("times")
    for each in (is_error, times):
        if each is not None and not conforms(
            report, each.value, keys.TOOL_RESULT[each.key].schema, what=f"`{each.key}`"
        ):
            return None
    return ToolResult(
        when=when,
        content=said,
        json=plain,
        is_error=is_error is not None and to_json(is_error.value) is True,
        times=cast("int", to_json(times.value)) if times is not None else None,
        position=whole.position,
    )


def _returned(context: ReadContext, entry: Entry) -> tuple[Content | None, Json]:
    """Read what a tool returns: text or blocks, or else JSON."""
    node = entry.value
    is_text = isinstance(node, ScalarNode) and isinstance(node.value, str) and node.value.strip()
    if is_text or (isinstance(node, ListNode) and node.items and all(map(_is_block, node.items))):
        return content(context, entry, allowed="user", turn=NO_TURN), None
    _keep_templates(context, node)
    return None, to_json(node)


def _is_block(node: Node) -> bool:
    """Return whether an entry of a list is a content block, and not just any object."""
    if not isinstance(node, MappingNode):
        return False
    kind = node.get("type")
    if kind is not None:
        return isinstance(kind.value, ScalarNode) and kind.value.value in RESULT_BLOCKS
    written = {entry.key for entry in node.entries}
    return any(name in written and written <= {*table} for name, table in SUGAR.items())


def _keep_templates(context: ReadContext, node: Node) -> None:
    if isinstance(node, ScalarNode) and isinstance(node.value, str):
        context.template(node.value, node, turn=NO_TURN)
    elif isinstance(node, MappingNode):
        for entry in node.entries:
            _keep_templates(context, entry.value)
    elif isinstance(node, ListNode):
        for item in node.items:
            _keep_templates(context, item)


def _meant(name: str, names: Iterable[str]) -> str | None:
    close = did_you_mean(name, names)
    return f"did you mean `{close}`?" if close else None


def _with_children(expectations: Iterable[Expectation]) -> Iterator[Expectation]:
    for expectation in expectations:
        yield expectation
        yield from _with_children(expectation.children)
