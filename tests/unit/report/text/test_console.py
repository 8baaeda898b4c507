"""When to write in colour, and what is loaded for it."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

from claude_run import report
from claude_run.report.text.console import colour_wanted


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
