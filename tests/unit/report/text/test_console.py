"""When to write in colour, and what is loaded for it."""

from __future__ import annotations

import io
import pkgutil
import subprocess
import sys

import pytest

from claude_run import report
from claude_run.report.text.console import colour_wanted, open_console, print_escaped
from tests.unit.report.builders import Tty


@pytest.mark.parametrize(
    ("flag", "env", "isatty", "wanted"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ("auto", {"FORCE_COLOR": "1"}, False, True),
        ("auto", {"CLICOLOR_FORCE": "1"}, False, True),
        ("auto", {"FORCE_COLOR": "0", "CLICOLOR_FORCE": ""}, False, False),
        ("auto", {"FORCE_COLOR": "1", "TERM": "dumb"}, True, True),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_the_flag_beats_the_environment_beats_the_terminal(
    flag: str, env: dict[str, str], *, isatty: bool, wanted: bool
) -> None:
    """The flag decides, then NO_COLOR, then what forces colour, then whether a terminal reads."""
    assert colour_wanted(flag, env, isatty=isatty) is wanted


def test_importing_the_room_is_cheap() -> None:
    """Neither rich nor Jinja2 is loaded before something is shown."""
    modules = [module.name for module in pkgutil.walk_packages(report.__path__, "claude_run.report.")]
    assert "claude_run.report.compare.html" in modules
    lines = [f"import {name}" for name in modules]
    code = "\n".join([*lines, "import sys", "sys.exit(bool({'rich', 'jinja2'} & set(sys.modules)))"])
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("lead", "line", "shown"),
    [
        ("", "short", ["short"]),
        ("FAIL   ", "one two three four five", ["FAIL   one two three", "       four five"]),
        ("FAILED", ": one two three four", ["FAILED: one two", "  three four"]),
        ("", "    one two three four five", ["    one two three", "      four five"]),
        ("", "  got | one two three four", ["  got | one two", "      | three four"]),
        ("", "see /a/very/long/path/that/stays now", ["see", "  /a/very/long/path/that/stays", "  now"]),
        ("", "/a/very/long/path/that/stays now", ["/a/very/long/path/that/stays", "  now"]),
        ("", "one\n\ntwo", ["one", "", "two"]),
        ("", "it says that all ::error::x", ["it says that all", "  \\x3a:error::x"]),
        ("", "a b c d e f g h \u4f60\u597d\u4f60 z", ["a b c d e f g h", "  \u4f60\u597d\u4f60 z"]),
    ],
)
def test_a_terminal_gets_whole_words(
    lead: str, line: str, shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines go on below their beginning, and a word that is too long for any line stays whole."""
    monkeypatch.setenv("COLUMNS", "20")
    terminal, file = Tty(), io.StringIO()
    print_escaped(open_console(terminal, colour=False), line, lead=lead)
    assert terminal.getvalue().split("\n") == [*shown, ""]
    print_escaped(open_console(file, colour=False), line, lead=lead)
    assert file.getvalue() == f"{lead}{line}\n"
