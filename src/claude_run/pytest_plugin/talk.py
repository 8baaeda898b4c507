"""A conversation that did not pass, as pytest shows it: what was asked, what was expected, what came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from claude_run.report.text.blocks import one_text, truncate, value_text
from claude_run.report.text.safe import safe_block, safe_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_TEXT = 2000
_WIDTH = 8


def talk(line: Mapping[str, Any]) -> str:
    """Return what is wrong with a conversation, in a line, and then its turns that went wrong.

    It is safe for a terminal.
    """
    return "\n".join([first_reason(line), *_lines(line)])


def first_reason(line: Mapping[str, Any]) -> str:
    """Return in one line why a conversation did not pass, safe for a terminal.

    What made its outcome counts: where nobody could tell, no check that failed besides.
    """
    found = [(line["error_turn"], line["error"])] if line["error"] else []
    checks = [(turn["index"], check) for turn in line["turns"] for check in turn["checks"]]
    checks += [(None, check) for check in line["checks"]]
    found += [(turn, check["message"]) for turn, check in checks if check["status"] == line["outcome"]]
    turn, message = found[0] if found else (None, line["outcome"])
    place = "" if turn is None else f"turn {turn}: "
    return safe_line(truncate(f"{place}{message}"))


def wrong(checks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the checks that did not pass."""
    return [check for check in checks if check["status"] != "passed"]


def _lines(line: Mapping[str, Any]) -> Iterator[str]:
    of_all = wrong(line["checks"])
    for turn in line["turns"]:
        broke = line["error_turn"] == turn["index"]
        if not (wrong(turn["checks"]) or broke or (of_all and turn["reply"])):
            continue
        yield f"turn {turn['index']}"
        if turn["content"] is not None:
            yield _block(turn["role"], one_text(turn["content"]))
        if turn["reply"] is not None:
            yield _block("reply", turn["reply"]["text"] or "(no text)")
        yield from _checks(turn["checks"])
        if broke:
            yield _block("error", line["error"])
    if of_all:
        yield "conversation"
        yield from _checks(line["checks"])
    if line["error"] is not None and line["error_turn"] is None:
        yield _block("error", line["error"])


def _checks(checks: Sequence[Mapping[str, Any]], depth: int = 1) -> Iterator[str]:
    for check in wrong(checks):
        place = f"{check['position']['path']}:{check['position']['line']}"
        name, state = check["label"] or check["kind"], check["status"]
        yield safe_line(truncate(f"{'  ' * depth}{state}: {name}: {check['message']} ({place})", _TEXT))
        for what in ("expected", "actual"):
            if check[what] is not None:
                yield _block(what, value_text(check[what]), depth + 1)
        yield from _checks(check["children"], depth + 1)


def _block(name: str, text: str, depth: int = 1) -> str:
    """Return a text with a margin before each of its lines: nobody's text can pose as ours."""
    return safe_block(truncate(text, _TEXT), f"{'  ' * depth}{name:<{_WIDTH}} | ")
