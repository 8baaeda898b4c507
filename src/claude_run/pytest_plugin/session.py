"""A session of pytest that plays scenarios: what it collects, its one run, and what it tells."""

from __future__ import annotations

import shlex
from collections import Counter
from decimal import Decimal
from fnmatch import fnmatch
from math import floor
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.errors import ClaudeRunError, ExitCode
from claude_run.library.calls import planned, played
from claude_run.library.options import run_request
from claude_run.library.thread import RunInterrupt
from claude_run.pytest_plugin.items import ScenarioFile, ScenarioItem
from claude_run.pytest_plugin.settings import given_to
from claude_run.report.text.numbers import usd
from claude_run.report.text.safe import safe_line
from claude_run.session.load import is_meant_as_scenario

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

    from claude_run.library.values import Planned, Run

_SUFFIXES = frozenset({".yaml", ".yml"})
_ROUNDING = 1e-9
_TOLD = "claude_run"  # what a report carries of the run


class ScenarioSession:
    """Registered with pytest where the plugin is on; under xdist in each worker, and where they are led from.

    All conversations that are left after `-k` and the like are played as one run, side by side, when the
    first of them is set up: so its limits hold for all of them, and they wait for their replies together.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._given = dict(given_to(config))
        self._run: Run | ClaudeRunError | None = None
        self._lines: dict[str, int] = {}
        self._told: dict[str, Mapping[str, Any]] = {}

    def planned(self, path: str) -> Planned:
        """Return the conversations of a file; a ClaudeRunError where it is not sound."""
        return planned(run_request([path], {}, self._given))

    def run_of(self, item: ScenarioItem) -> Run | ClaudeRunError:
        """Return the run, played when it is first asked for, or why it could not be."""
        if self._run is None:
            mine = (each for each in item.session.items if isinstance(each, ScenarioItem))
            items = [each for each in mine if each is item or self._will_run(each)]
            paths = list(dict.fromkeys(each.planned.identity.path for each in items))
            try:
                request = run_request(paths, {}, {**self._given, **self._stopping(items)})
                self._run = played(request, frozenset(each.planned.id for each in items))
            except ClaudeRunError as error:
                self._run = error
            except RunInterrupt as interrupt:
                self._interrupted(interrupt.run)
                raise KeyboardInterrupt from None
            else:
                ids = (each["conversation_id"] for each in self._run.conversations)
                self._lines = {name: place for place, name in enumerate(ids)}
        return self._run

    def line_of(self, conversation_id: str) -> Mapping[str, Any]:
        """Return the transcript of a conversation that was played."""
        assert not isinstance(self._run, ClaudeRunError | None)  # noqa: S101 - `run_of` was called
        return self._run.conversations[self._lines[conversation_id]]

    def tolerated(self, conversation_id: str) -> str | None:
        """Return why the failure of a conversation does not fail the run; None where it does."""
        run = self._run
        return None if isinstance(run, ClaudeRunError | None) else run.tolerated.get(conversation_id)

    def _will_run(self, item: pytest.Item) -> bool:
        """Return whether no mark keeps a test from being run, as pytest's own plugin for marks decides it."""
        marks = self._config.pluginmanager.get_plugin("skipping")
        if marks is None:
            return True
        try:
            marks.pytest_runtest_setup(item)
        except (pytest.skip.Exception, pytest.xfail.Exception, pytest.fail.Exception):
            return False
        return True

    def _stopping(self, items: Sequence[ScenarioItem]) -> Mapping[str, str]:
        """Return when nothing more is to be paid for, because pytest stops after some failures.

        What it calls xfail does not count: as many as marks and pass rates may excuse are waited for besides.
        How many a gate excuses is not known before.
        """
        most = self._config.getoption("maxfail", default=0)
        if not most or self._given.keys() & {"fail_fast", "max_failures", "baseline"}:
            return {}
        marked = [each for each in items if each.get_closest_marker("xfail") is not None]
        others = [each.planned for each in items if each not in marked]
        cases = Counter((each.identity.case_name, each.pass_rate) for each in others)
        excused = sum(floor(number * (1 - rate) + _ROUNDING) for (_, rate), number in cases.items())
        return {"max_failures": str(most + len(marked) + excused)}

    def _interrupted(self, run: Run) -> None:
        """Tell at the end how an interrupted run goes on: its tests have no reports that could."""
        told = _told(run)
        told["lines"].append(f"next: claude-run resume {shlex.quote(str(run.folder))}")
        self._told[told["folder"]] = told

    # What pytest calls.

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """Take a file that is named, or that looks like a scenario and lies where those are."""
        if file_path.suffix not in _SUFFIXES:
            return None
        if not parent.session.isinitpath(file_path):
            patterns = self._config.getini("claude_run_files")
            root, here = self._config.rootpath, file_path
            if here.is_relative_to(root):
                here = here.relative_to(root)
            if not any(fnmatch(f"/{here.as_posix()}", f"*/{pattern}") for pattern in patterns):
                return None
            if not is_meant_as_scenario(file_path, top=root):
                return None
        return ScenarioFile.from_parent(parent, path=file_path, of=self)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Let a test take as long as its conversation, and tell of the run, also from another process."""
        report = yield
        if isinstance(item, ScenarioItem):
            decides = report.when == "call" or (report.when == "setup" and not report.passed)
            report.duration = item.duration_s if decides else 0.0
            if decides and not isinstance(self._run, ClaudeRunError | None):
                vars(report)[_TOLD] = _told(self._run)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember which run a report tells of."""
        told = vars(report).get(_TOLD)
        if told is not None:
            self._told[told["folder"]] = told

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a session whose run failed for another reason than a test: a gate may bound the cost."""
        if session.exitstatus == pytest.ExitCode.OK and any(
            each["exit_code"] for each in self._told.values()
        ):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name the run folder, what it cost, and whether that was real."""
        if not self._told:
            return
        terminalreporter.section("claude-run")
        for told in self._told.values():
            for line in told["lines"]:
                terminalreporter.line(safe_line(line))

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> object:  # noqa: ANN401 - of xdist
        """Have all scenarios played by one worker, and all else spread as it was asked for."""
        from claude_run.pytest_plugin.spread import scheduler  # noqa: PLC0415 - where xdist is

        return scheduler(config, log)


def _told(run: Run) -> dict[str, Any]:
    """Return what is told of a run in the end, as JSON."""
    summary, totals = run.summary, run.summary["totals"]
    cost = totals["cost_usd"]
    price = usd(None if cost is None else Decimal(str(cost)))
    code = ExitCode(summary["exit_code"])
    return {
        "folder": str(run.folder),
        "exit_code": int(code),
        "lines": [
            *run.notices,
            *run.warnings,
            f"run {run.folder}: {price}, {summary['exit_reason']} (exit code {int(code)})",
        ],
    }
