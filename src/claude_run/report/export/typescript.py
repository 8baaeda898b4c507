"""A conversation as a TypeScript program with Anthropic's SDK."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.report.export import program
from claude_run.report.export.literals import TYPESCRIPT, Name, comment, typescript_text, value
from claude_run.report.export.python import BETA_PARAMS, PARAMS
from claude_run.report.text.safe import escaping_environment
from claude_run.scenario.diagnostics import Diagnostic, InvalidScenarioError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from claude_run.report.export.conditions import Counts, Looks
    from claude_run.report.export.patterns import Dialect, Pattern
    from claude_run.report.export.script import AskedTurn, Part, Script

_NEEDS = (
    "It needs the SDK: npm install @anthropic-ai/sdk",
    "Node runs a file program.mts as it is from 22.18 on; before, npx tsx program.mts does.",
    "The key is read from ANTHROPIC_API_KEY, the address, where it is another one, from ANTHROPIC_BASE_URL.",
)
_RELATIONS = {
    "contains": "{said}.includes({each})",
    "equals": "{said} === {each}",
    "starts_with": "{said}.startsWith({each})",
    "ends_with": "{said}.endsWith({each})",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Types:
    """The SDK's names of the types that a program mentions."""

    message: str = "Anthropic.MessageParam"
    content: str = 'Anthropic.MessageParam["content"]'
    system: str = "Anthropic.TextBlockParam[]"
    tools: str = "Anthropic.ToolUnion[]"
    call: str = "Anthropic.ToolUseBlock"
    result: str = "Anthropic.ToolResultBlockParam"


_BETA = _Types(
    message="Anthropic.Beta.BetaMessageParam",
    content='Anthropic.Beta.BetaUserMessageParam["content"]',
    system="Anthropic.Beta.BetaTextBlockParam[]",
    tools="Anthropic.Beta.BetaToolUnion[]",
    call="Anthropic.Beta.BetaToolUseBlock",
    result="Anthropic.Beta.BetaToolResultBlockParam",
)


def typescript_program(script: Script) -> str:
    """Return the program; InvalidScenarioError for what JavaScript cannot say."""
    program.refuse_long_numbers(script, "JavaScript")
    blobs = program.Blobs()
    types = _BETA if script.is_beta else _Types()
    _refuse_names(script)
    found = program.patterns(script, "javascript")
    decided = program.conditions(script, _Words())
    loops = script.has_calls or script.may_pause
    request = {name: blobs.taken_out(each) for name, each in script.request.items()}
    history = blobs.taken_out(program.messages_of(script.turns[0]))
    turns = blobs.taken_out([turn.content for turn in script.turns])

    constants: list[tuple[str, str, Part | Name]] = []
    if "system" in request:
        constants.append(("SYSTEM", types.system, request["system"]))
    if "tools" in request:
        constants.append(("TOOLS", types.tools, request["tools"]))
    if script.answers:
        results = blobs.taken_out(program.answer_rows(script.answers))
        constants.append(("TOOL_RESULTS", "Record<string, ToolResult[]>", results))
    if script.is_plain and len(script.turns) > 1:
        constants.append(("TURNS", f"{types.content}[]", turns))

    filters: dict[str, Callable[..., str]] = {
        "comment": comment,
        "name": str,
        "literal": lambda part, column=0: value(part, TYPESCRIPT, column=column),
        "member": _member,
        "arguments": "\n".join,
        "messages": lambda turn: value(blobs.taken_out(program.messages_of(turn)), TYPESCRIPT),
        "pattern": lambda keep: _literal(found[keep]),
        "condition": lambda turn: decided[turn.number],
        "result": lambda turn: _asked(script, turn, _said(blobs, turn)),
    }
    told = "{ text: said, reason: reply.stop_reason }" if script.reads_reason else "said"
    returned = "{ text, reason: reply.stop_reason }" if script.reads_reason else "text"
    template = escaping_environment(filters, {}).get_template("program.ts.j2")
    return template.render(
        script=script,
        types=types,
        heading=program.heading(script, _NEEDS),
        constants=list(_declared([*((name, "", data) for name, data in blobs.constants), *constants])),
        history=history,
        usage=dict.fromkeys(program.USAGE, 0),
        reasons=(*program.REASONS, "pause_turn") if script.may_pause else program.REASONS,
        nested=program.has_conditions(script),
        beta=".beta" if script.is_beta else "",
        arguments=list(_arguments(script, request)),
        headers=dict(script.headers),
        instructions=any(turn.instructions for turn in script.turns),
        loops=loops,
        may_end_early=script.may_end_early,
        pauses=program.PAUSES,
        told=told,
        returned="{ reply, text }" if loops else returned,
        declared=_declared_first(script),
    )


def _declared(constants: Sequence[tuple[str, str, Part | Name]]) -> Iterator[tuple[str, str]]:
    """Yield what declares each constant, its name and its type where it has one, with its literal."""
    for name, kind, data in constants:
        declaration = f"{name}: {kind}" if kind else name
        yield declaration, value(data, TYPESCRIPT, column=len(f"const {declaration} = "))


def _arguments(script: Script, request: Mapping[str, Part | Name]) -> Iterator[str]:
    """Yield the fields of a request as lines; what the SDK does not know is passed beside its types."""
    known = BETA_PARAMS if script.is_beta else PARAMS
    unknown: dict[str, Part] = {}
    for name, each in request.items():
        if name in {"system", "tools"}:
            yield f"    {name}: {name.upper()},"
        elif name in known:
            yield f"    {name}: {value(each, TYPESCRIPT, indent=4, column=6 + len(name))},"
        else:
            unknown[name] = each  # type: ignore[assignment] # a name is a value
    if unknown:
        yield f"    ...({value(unknown, TYPESCRIPT, indent=4, column=8)} as object),"


class _Words:
    """Conditions in JavaScript: `text` is what the last reply says, `reason` how it ended."""

    dialect: Dialect = "javascript"

    def looks(self, condition: Looks) -> str:
        texts = [text.upper() if condition.fold else text for text in condition.texts]
        ends = {"equals": ".trim()", "starts_with": ".trimStart()", "ends_with": ".trimEnd()"}
        said = "text" + ends.get(condition.relation, "") + (".toUpperCase()" if condition.fold else "")
        if len(texts) == 1:
            return _RELATIONS[condition.relation].format(said=said, each=typescript_text(texts[0]))
        one = _RELATIONS[condition.relation].format(said=said, each="each")
        return f"{value(texts, TYPESCRIPT)}.{'every' if condition.every else 'some'}((each) => {one})"

    def matches(self, pattern: Pattern) -> str:
        return f"{_literal(pattern)}.test(text)"

    def counts(self, condition: Counts) -> str:
        words = r"text.split(/\s+/).filter(Boolean).length"
        size = words if condition.what == "words" else "[...text].length"
        return f"{size} {'>=' if condition.at_least else '<='} {condition.number}"

    def ended(self, reasons: Sequence[str]) -> str:
        return f'{value(list(reasons), TYPESCRIPT)}.includes(reason ?? "")'

    def negated(self, expression: str) -> str:
        return f"!{expression}" if expression.startswith("(") else f"!({expression})"

    def joined(self, expressions: Sequence[str], *, every: bool) -> str:
        return f"({(' && ' if every else ' || ').join(expressions)})"


def _refuse_names(script: Script) -> None:
    for keep in script.keeps:
        if keep.name == "__proto__":
            message = "`__proto__` is no name for what is saved in JavaScript"
            problem = Diagnostic(position=keep.position, message=message, hint="call it something else")
            raise InvalidScenarioError([problem])


def _is_constant(script: Script) -> bool:
    """Return whether only one reply is read, one that is always there."""
    heard = [turn for turn in script.turns if turn.number in script.heard]
    return len(heard) == 1 and not heard[0].condition


def _declared_first(script: Script) -> str:
    """Return the variables for what is read of several replies, with their types."""
    if not script.heard or _is_constant(script):
        return ""
    return "text: string, reason: string | null" if script.reads_reason else "text: string"


def _asked(script: Script, turn: AskedTurn, said: str) -> str:
    """Return the statement that asks, and keeps the answer where somebody reads it."""
    call = f"await ask({said})"
    if turn.number not in script.heard:
        return call
    names = "{ text, reason }" if script.reads_reason else "text"
    if _is_constant(script):
        return f"const {names} = {call}"
    return f"({names} = {call})" if script.reads_reason else f"{names} = {call}"


def _said(blobs: program.Blobs, turn: AskedTurn) -> str:
    parts = (turn.content, *turn.instructions)
    return ", ".join(value(blobs.taken_out(part), TYPESCRIPT, column=10) for part in parts)


def _literal(pattern: Pattern) -> str:
    return f"/{pattern.source or '(?:)'}/{pattern.flags}u"


def _member(name: str) -> str:
    return f".{name}"
