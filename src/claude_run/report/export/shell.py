"""A conversation as a shell script with curl and jq."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from claude_run.conversation.exchange import HEADER_PARAMS, header_value
from claude_run.report.export import program
from claude_run.report.export.literals import comment
from claude_run.report.export.patterns import NotCarriedError
from claude_run.report.export.script import Reading, Saved
from claude_run.report.text.safe import escaping_environment
from claude_run.text.strict_json import readable_json, readable_json_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from claude_run.report.export.conditions import Counts, Looks
    from claude_run.report.export.patterns import Dialect, Pattern
    from claude_run.report.export.script import AskedTurn, Part, Script

_VERSION = "2026-10-21"
_NEEDS = (
    "It needs curl 7.76 and jq 1.6, or newer ones. Run it: sh program.sh",
    "The key is read from ANTHROPIC_API_KEY, the address, where it is another one, from ANTHROPIC_BASE_URL.",
)
_WHOLE = "It asks for whole replies, where claude-run lets replies of this length come as a stream."
_RELATIONS = {
    "contains": "contains({each})",
    "equals": ". == {each}",
    "starts_with": "startswith({each})",
    "ends_with": "endswith({each})",
}
_BEGINNING, _END = r'sub("\\A\\s+"; "")', r'sub("\\s+\\z"; "")'
_TRIMS = {"equals": f"{_BEGINNING} | {_END}", "starts_with": _BEGINNING, "ends_with": _END}


def shell_program(script: Script) -> str:
    """Return the script; InvalidScenarioError for what jq cannot say."""
    program.refuse_long_numbers(script, "jq")
    found = program.patterns(script, "jq")
    decided = program.conditions(script, _Words())
    body = dict(script.request)
    headers = {"anthropic-version": _VERSION, **script.headers}
    headers.update(
        {header: header_value(body.pop(name)) for name, header in HEADER_PARAMS.items() if name in body}
    )
    filters: dict[str, Callable[..., str]] = {
        "comment": comment,
        "name": str,
        "json": readable_json,
        "quoted": _quoted,
        "before": lambda turn: _fed("say", program.messages_of(turn)),
        "asked": _asked,
        "kept": lambda keep: " ".join(map(_quoted, (keep.name, found[keep].source, found[keep].flags))),
        "condition": lambda turn: _quoted(decided[turn.number]),
    }
    reasons = (*program.REASONS, "pause_turn") if script.may_pause else program.REASONS
    template = escaping_environment(filters, {}).get_template("program.sh.j2")
    return template.render(
        script=script,
        heading=program.heading(script, (*_NEEDS, _WHOLE) if script.streamed else _NEEDS),
        path="/v1/messages?beta=true" if script.is_beta else "/v1/messages",
        request=body,
        history=program.messages_of(script.turns[0]),
        usage=json.dumps(dict.fromkeys(program.USAGE, 0)),
        answers=program.answer_rows(script.answers),
        headers=list(headers.items()),
        reasons=" | ".join(reasons),
        reads=bool(script.keeps or script.conditions),
        loops=script.has_calls or script.may_pause,
        may_end_early=script.may_end_early,
        pauses=program.PAUSES,
    )


class _Words:
    """Conditions in jq: `$text` is what the last reply says, `$reason` how it ended."""

    dialect: Dialect = "jq"

    def looks(self, condition: Looks) -> str:
        if condition.fold and not all(map(str.isascii, condition.texts)):
            raise NotCarriedError("jq ignores the case of ASCII letters alone")
        texts = [text.lower() if condition.fold else text for text in condition.texts]
        trim = _TRIMS.get(condition.relation)
        steps = ["$text", *([trim] if trim else []), *(["ascii_downcase"] if condition.fold else [])]
        relation = _RELATIONS[condition.relation]
        if len(texts) == 1:
            return f"({' | '.join([*steps, relation.format(each=readable_json_line(texts[0]))])})"
        one = relation.format(each="$each")
        how = "all" if condition.every else "any"
        return f"({' | '.join(steps)} | {how}({readable_json_line(texts)}[] as $each | {one}; .))"

    def matches(self, pattern: Pattern) -> str:
        return f"($text | test({readable_json_line(pattern.source)}; {readable_json_line(pattern.flags)}))"

    def counts(self, condition: Counts) -> str:
        words = r'([$text | splits("\\s+") | select(. != "")] | length)'
        size = words if condition.what == "words" else "($text | length)"
        return f"{size} {'>=' if condition.at_least else '<='} {condition.number}"

    def ended(self, reasons: Sequence[str]) -> str:
        return " or ".join(f"$reason == {readable_json_line(each)}" for each in reasons)

    def negated(self, expression: str) -> str:
        return f"(({expression}) | not)"

    def joined(self, expressions: Sequence[str], *, every: bool) -> str:
        return f"({(' and ' if every else ' or ').join(f'({each})' for each in expressions)})"


def _asked(turn: AskedTurn) -> str:
    """Return the lines that say a turn; where it has a condition they stand in a block."""
    said: list[Part] = [{"role": "user", "content": turn.content}]
    said += [{"role": "system", "content": each} for each in turn.instructions]
    return _fed("ask", said, indent="  " if turn.condition else "")


def _fed(command: str, said: Sequence[Part], *, indent: str = "") -> str:
    """Return the lines that give messages to a function of the script."""
    if not _reads(said):
        return f"{indent}{command} <<'JSON'\n{readable_json(said)}\nJSON"
    # A text that reads what was saved is an expression of jq.
    program_of_jq = f"$saved[0] as $saved | {_expression(said)}"
    return "\n".join(
        [
            f"{indent}cat >\"$work/turn.jq\" <<'JQ'\n{program_of_jq}\nJQ",
            f'{indent}jq -n --slurpfile saved "$work/saved.json" -f "$work/turn.jq" >"$work/turn.json"',
            f'{indent}{command} <"$work/turn.json"',
        ]
    )


def _reads(part: Part) -> bool:
    if isinstance(part, Mapping):
        return any(map(_reads, part.values()))
    if isinstance(part, Sequence) and not isinstance(part, str):
        return any(map(_reads, part))
    return isinstance(part, Reading)


def _expression(part: Part) -> str:
    """Return a value as jq writes it: as JSON, but for the texts that read what was saved."""
    if isinstance(part, Reading):
        inside = "".join(
            f"\\($saved[{readable_json_line(piece.name)}])"
            if isinstance(piece, Saved)
            else readable_json_line(piece)[1:-1]
            for piece in part.pieces
        )
        return f'"{inside}"'
    if isinstance(part, Mapping):
        entries = (f"{readable_json_line(name)}: {_expression(each)}" for name, each in part.items())
        return f"{{{', '.join(entries)}}}"
    if isinstance(part, Sequence) and not isinstance(part, str):
        return f"[{', '.join(map(_expression, part))}]"
    return readable_json_line(part)


def _quoted(text: str) -> str:
    """Return a text as one word of a shell."""
    return shlex.quote(text)
