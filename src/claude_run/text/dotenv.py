"""The lines of a `.env` file as names and values, read strictly: nothing is guessed or filled in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_BEGIN = re.compile(r"(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*")
_INDENT = re.compile(r"[ \t]*")
_REST = re.compile(r"[^\n]*")
_EMPTY = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_COMMENT = re.compile(r"(?:^|[ \t])#")
_QUOTED = {"'": re.compile(r"'([^']*)'"), '"': re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)}
_FILLED_IN = re.compile(r"(?<!\\)\$\{")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$", "'": "'"}


class DotenvError(ValueError):
    """A line that cannot be read. What stands there may be a secret, so that the words never show it."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def read_dotenv(text: str) -> Mapping[str, str]:
    r"""Return the variables of a file in their order; DotenvError with the line of the first that is wrong.

    A line is `NAME=value`, `export` before it or not, or a comment. A value is what stands there, without
    blanks around it and a comment after a blank; or in single quotes exactly what is between them; or in
    double quotes the same with `\n`, `\r`, `\t`, `\"`, `\\`, `\'` and `\$`. Quoted values may have
    several lines. Nothing is filled in: `${NAME}` is refused outside of single quotes, `$` alone is itself.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    for character, said in (("\0", "a NUL character"), ("\r", "a carriage return without a line feed")):
        if (index := text.find(character)) >= 0:
            raise DotenvError(text.count("\n", 0, index) + 1, f"{said} stands here")

    found: dict[str, str] = {}
    lines: dict[str, int] = {}
    at, line = 0, 1
    while at < len(text):
        begin = at
        if (empty := _EMPTY.match(text, at)) is not None:
            at = empty.end()
        else:
            head = _BEGIN.match(text, _INDENT.match(text, at).end())  # type: ignore[union-attr] # it always matches
            if head is None:
                raise DotenvError(line, "this is neither NAME=value nor a comment, which begins with #")
            name = head["name"]
            if name in found:
                raise DotenvError(line, f"{name} is set twice, in line {lines[name]} too: keep one of them")
            found[name], at = _value(text, head.end(), name, line)
            lines[name] = line
        line += text.count("\n", begin, at)
    return found


def _value(text: str, at: int, name: str, line: int) -> tuple[str, int]:
    """Return the value that begins here, and where the next line does."""
    quote = text[at : at + 1]
    if quote not in _QUOTED:
        rest = _REST.match(text, at)
        whole = "" if rest is None else rest.group()
        comment = _COMMENT.search(whole)
        value = whole[: comment.start()] if comment else whole
        return _unfilled(value.rstrip(" \t"), name, line), at + len(whole) + 1

    quoted = _QUOTED[quote].match(text, at)
    if quoted is None:
        raise DotenvError(line, f"the value of {name} begins with a quotation mark that is never closed")
    end = _EMPTY.match(text, quoted.end())
    if end is None:
        raise DotenvError(line, f"more stands behind the quoted value of {name}: is a quotation mark in it?")
    value = quoted[1]
    return value if quote == "'" else _unescaped(_unfilled(value, name, line), name, line), end.end()


def _unfilled(value: str, name: str, line: int) -> str:
    """Return the value; DotenvError where other readers would fill something in."""
    if _FILLED_IN.search(value):
        message = f"the value of {name} holds ${{...}}, which is not filled in: write what is meant"
        raise DotenvError(line, f"{message}, or put it into single quotes")
    return value


def _unescaped(value: str, name: str, line: int) -> str:
    if any(found[1] not in _ESCAPES for found in _ESCAPE.finditer(value)):
        message = f"a backslash in the value of {name} escapes nothing that is known: write two of them"
        raise DotenvError(line, f"{message}, or single quotes around the value")
    return _ESCAPE.sub(lambda found: _ESCAPES[found[1]], value)
