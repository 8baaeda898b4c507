"""What most likely went wrong where the YAML parser gave up, in words for the user."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from claude_run.scenario.source import Source

_HINTS = (
    ("mapping values are not allowed", "quote the text: it holds `: `, or this line is indented too far"),
    ("block sequence entries are not allowed", "put the list on the next line, or quote the text"),
    ("found unexpected end of stream", "a quote was opened and not closed"),
    ("unknown escape character", "write the backslash twice, or use single quotes"),
    ("invalid Unicode character escape", "write the character itself"),
    ("did not find expected ',' or", "a bracket was opened and not closed, or a comma is missing"),
    ("did not find expected key", "check the indentation of this line, and the quotes of the line before"),
    ("did not find expected '-' indicator", "check the indentation: this line does not continue the list"),
    ("could not find expected ':'", "a key needs a colon and a space after it"),
)
_TEMPLATE_FIRST = re.compile(r"(:|-)\s+\{[{%#]")
_TAB_INDENT = re.compile(r" *\t")


def hint_for(source: Source, index: int, *, problem: str) -> str | None:
    """Return a hint for a syntax error at an index of the text, or None."""
    line = source.line(source.position(index).line)
    if _TAB_INDENT.match(line):
        return "indent with spaces: YAML takes no tabs here"
    if _TEMPLATE_FIRST.search(line):
        return "quote a text that begins with `{`"
    if "cannot start any token" in problem:
        return f"quote the text: it cannot begin with `{source.text[index : index + 1]}`"
    return next((hint for start, hint in _HINTS if start in problem), None)
