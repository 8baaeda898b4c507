"""What the tests of several folders share: the process that forks into commands, and what is left out."""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.system.harness.fork_server import ForkServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def _signals_are_not_ignored() -> None:
    """Let commands take SIGHUP and SIGINT, though the tests may run under `nohup` or in the background."""
    for number in (signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """Return the process that forks into commands."""
    with ForkServer() as process:
        yield process


def pytest_xdist_auto_num_workers() -> int:
    """Return one worker more than there are cores: many tests wait for what they have started."""
    return (os.cpu_count() or 1) + 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once for each reason, however many tests it keeps away, what a run has left out."""
    skipped: list[pytest.TestReport] = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2] for report in skipped if isinstance(report.longrepr, tuple | list))
    for reason, tests in reasons.items():
        terminalreporter.write_line(f"{tests} left out: {reason.removeprefix('Skipped: ')}")
