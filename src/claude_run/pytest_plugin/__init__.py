"""A plugin for pytest, off unless it is asked for: scenario files are collected, each conversation is a test.

pytest loads this module wherever claude-run is installed. So it imports nothing but pytest, and does nothing
without `--claude-run`, `--claude-run-simulate` or `claude_run = true` in the configuration of pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from claude_run.pytest_plugin.fixture import Play

FILES = ("scenarios/*.yaml", "scenarios/*.yml", "*.claude-run.yaml", "*.claude-run.yml")
"""Which files are collected where nothing else is said; a `*` stands for any number of folders, too."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare what turns it on, and how scenarios are played."""
    group = parser.getgroup("claude-run", "scenarios of claude-run")
    group.addoption(
        "--claude-run",
        action="store_true",
        help="Collect scenario files too, and play them: where a key is set that costs money.",
    )
    group.addoption(
        "--claude-run-simulate",
        action="store_true",
        help="The same, answered by a local simulator: nothing leaves this machine.",
    )
    group.addoption(
        "--claude-run-options",
        metavar="OPTIONS",
        help="Options of `claude-run run`, as one text: '-m claude-haiku-5-5 --max-cost 1'.",
    )
    parser.addini(
        "claude_run", "Collect and play scenario files, as --claude-run does.", "bool", default=False
    )
    parser.addini("claude_run_files", "Which files are scenarios.", "args", default=list(FILES))
    parser.addini("claude_run_options", "Options of `claude-run run`, before those of the command line.")


def pytest_configure(config: pytest.Config) -> None:
    """Collect scenarios in this session where that is asked for."""
    if is_on(config):
        from claude_run.pytest_plugin.session import ScenarioSession  # noqa: PLC0415 - only where it is on

        config.pluginmanager.register(ScenarioSession(config), "claude_run_scenarios")


def is_on(config: pytest.Config) -> bool:
    """Return whether scenarios may be played in this session."""
    return bool(
        config.getoption("--claude-run")
        or config.getoption("--claude-run-simulate")
        or config.getini("claude_run")
    )


@pytest.fixture
def claude_run(request: pytest.FixtureRequest) -> Play:
    """Play a scenario, a path or a mapping, with the options of `claude_run.run`, and return its run.

    A test that would send requests is skipped unless the plugin is on; one with `simulate=True` or `replay`
    is not.
    """
    from claude_run.pytest_plugin.fixture import Play  # noqa: PLC0415 - nothing of it where nobody asks

    return Play(request, on=is_on(request.config))
