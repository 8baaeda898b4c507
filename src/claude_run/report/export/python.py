"""A conversation as a Python program with Anthropic's SDK."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from claude_run.report.export import program
from claude_run.report.export.literals import PYTHON, Name, comment, python_text, value
from claude_run.report.text.safe import escaping_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from claude_run.report.export.conditions import Counts, Looks
    from claude_run.report.export.patterns import Dialect, Pattern
    from claude_run.report.export.script import AskedTurn, Part, Script

PARAMS = frozenset(
    {"model", "max_tokens", "cache_control", "container", "diagnostics", "inference_geo", "metadata"}
    | {"output_config", "service_tier", "speed", "stop_sequences", "system", "thinking", "tool_choice"}
    | {"tools", "user_profile_id", "workspace_id"}
)
"""The parameters that `messages.create` and `messages.stream` of the SDK take by name."""

BETA_PARAMS = PARAMS | frozenset(
    {"betas", "billing_policy", "compaction", "context_management", "fallback_credit_token", "fallbacks"}
    | {"mcp_servers", "thread"}
)
"""Those of `beta.messages`."""

_CONSTANTS = {"system": "SYSTEM", "tools": "TOOLS"}
_RELATIONS = {
    "contains": "{each} in {said}",
    "equals": "{said} == {each}",
    "starts_with": "{said}.startswith({each})",
    "ends_with": "{said}.endswith({each})",
}
_NEEDS = (
    'It needs the SDK: pip install "anthropic>=2.12,<3"',
    "The key is read from ANTHROPIC_API_KEY, the address, where it is another one, from ANTHROPIC_BASE_URL.",
)


def python_program(script: Script) -> str:
    """Return the program; InvalidScenarioError for patterns that Python cannot say."""
    blobs = program.Blobs()
    loops = script.has_calls or script.may_pause
    found = program.patterns(script, "python")
    decided = program.conditions(script, _Words())
    request = {name: blobs.taken_out(each) for name, each in script.request.items()}
    first = program.messages_of(script.turns[0])
    history = blobs.taken_out(first)
    turns = blobs.taken_out([turn.content for turn in script.turns])
    constants: list[tuple[str, Part | Name]] = [
        (_CONSTANTS[name], each) for name, each in request.items() if name in _CONSTANTS
    ]
    if script.answers:
        constants.append(("TOOL_RESULTS", blobs.taken_out(program.answer_rows(script.answers))))
    if script.is_plain and len(script.turns) > 1:
        constants.append(("TURNS", turns))
    filters: dict[str, Callable[..., str]] = {
        "comment": comment,
        "name": str,
        "literal": lambda part, column=0: value(part, PYTHON, column=column),
        "arguments": "\n".join,
        "messages": lambda turn: value(blobs.taken_out(program.messages_of(turn)), PYTHON),
        "said": partial(_said, blobs),
        "pattern": lambda keep: _source(found[keep]),
        "condition": lambda turn: decided[turn.number],
        "result": lambda turn: _result(script) if turn.number in script.heard else "",
    }
    template = escaping_environment(filters, {}).get_template("program.py.j2")
    return template.render(
        script=script,
        heading=program.heading(script, _NEEDS),
        constants=[
            (name, value(each, PYTHON, column=len(name) + 3)) for name, each in [*blobs.constants, *constants]
        ],
        history=history,
        usage=dict.fromkeys(program.USAGE, 0),
        reasons=(*program.REASONS, "pause_turn") if script.may_pause else program.REASONS,
        nested=program.has_conditions(script),
        beta=".beta" if script.is_beta else "",
        arguments=list(_arguments(script, request)),
        instructions=any(turn.instructions for turn in script.turns),
        loops=loops,
        may_end_early=script.may_end_early,
        pauses=program.PAUSES,
        returned="reply, text" if loops else "text, reply.stop_reason" if script.reads_reason else "text",
    )


def _arguments(script: Script, request: Mapping[str, Part | Name]) -> Iterator[str]:
    """Yield the arguments of a request as lines; what the SDK does not know by name goes into the body."""
    known = BETA_PARAMS if script.is_beta else PARAMS
    unknown: dict[str, Part] = {}
    for name, each in request.items():
        if name not in known:
            unknown[name] = each  # type: ignore[assignment] # a name is a value
            continue
        shown = Name(text=_CONSTANTS[name]) if name in _CONSTANTS else each
        yield f"        {name}={value(shown, PYTHON, indent=8, column=9 + len(name))},"
    if unknown:
        yield f"        extra_body={value(unknown, PYTHON, indent=8, column=19)},"
    if script.headers:
        yield f"        extra_headers={value(dict(script.headers), PYTHON, indent=8, column=22)},"


def _result(script: Script) -> str:
    """Return what an answer that somebody reads is assigned to, with the sign behind it."""
    return "text, reason = " if script.reads_reason else "text = "


class _Words:
    """Conditions in Python: `text` is what the last reply says, `reason` how it ended."""

    dialect: Dialect = "python"

    def looks(self, condition: Looks) -> str:
        texts = [text.casefold() if condition.fold else text for text in condition.texts]
        ends = {"equals": ".strip()", "starts_with": ".lstrip()", "ends_with": ".rstrip()"}
        said = "text" + ends.get(condition.relation, "") + (".casefold()" if condition.fold else "")
        if len(texts) == 1:
            return _RELATIONS[condition.relation].format(said=said, each=python_text(texts[0]))
        one = _RELATIONS[condition.relation].format(said=said, each="each")
        return f"{'all' if condition.every else 'any'}({one} for each in {value(texts, PYTHON)})"

    def matches(self, pattern: Pattern) -> str:
        return f"re.search({_source(pattern)}, text)"

    def counts(self, condition: Counts) -> str:
        size = "len(text.split())" if condition.what == "words" else "len(text)"
        return f"{size} {'>=' if condition.at_least else '<='} {condition.number}"

    def ended(self, reasons: Sequence[str]) -> str:
        if len(reasons) == 1:
            return f"reason == {python_text(reasons[0])}"
        return f"reason in {value(list(reasons), PYTHON)}"

    def negated(self, expression: str) -> str:
        return f"not {expression}" if expression.startswith("(") else f"not ({expression})"

    def joined(self, expressions: Sequence[str], *, every: bool) -> str:
        return f"({(' and ' if every else ' or ').join(expressions)})"


def _said(blobs: program.Blobs, turn: AskedTurn) -> str:
    parts = [value(blobs.taken_out(part), PYTHON, column=11) for part in (turn.content, *turn.instructions)]
    return ", ".join(parts)


def _source(pattern: Pattern) -> str:
    source = pattern.source
    quote = next((mark for mark in "\"'" if mark not in source), None)
    return f"r{quote}{source}{quote}" if quote and "\\" in source else python_text(source)
