"""When to write in colour."""

from __future__ import annotations

import subprocess
import sys

import pytest

from claude_run.report.terminal import colour_wanted


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
    names = "blocks closing console markdown numbers outcome_line progress reasons safe terminal wording"
    lines = [f"import claude_run.report.{name}" for name in names.split()]
    code = "\n".join([*lines, "import sys", "sys.exit(bool({'rich', 'jinja2'} & set(sys.modules)))"])
    subprocess.run([sys.executable, "-c", code], check=True)
