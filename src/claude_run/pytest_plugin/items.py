"""Scenario files as pytest collects them: a test for each case, variant, model and repeat."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.errors import ClaudeRunError, ExitCode, SelectionError
from claude_run.pytest_plugin.talk import first_reason, talk
from claude_run.report.text.safe import safe_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from claude_run.library.values import PlannedConversation
    from claude_run.pytest_plugin.session import ScenarioSession

    Excinfo = pytest.ExceptionInfo[BaseException]


_COLON_BEFORE_COLON = re.compile(":(?=:)")


class ScenarioFile(pytest.File):
    """A scenario file."""

    def __init__(self, *, of: ScenarioSession, **more: Any) -> None:  # noqa: ANN401 - what pytest hands over
        super().__init__(**more)
        self._of = of

    def collect(self) -> Iterator[ScenarioItem]:
        try:
            planned = self._of.planned(os.path.relpath(self.path))
        except SelectionError:
            return
        for each in planned.conversations:
            yield ScenarioItem.from_parent(self, name=_name(each), planned=each, of=self._of)

    def repr_failure(self, excinfo: Excinfo, style: Any = None) -> Any:  # noqa: ANN401, ARG002 - of pytest
        if isinstance(excinfo.value, ClaudeRunError):
            return _said(excinfo.value)
        return super().repr_failure(excinfo)


class ScenarioItem(pytest.Item):
    """A conversation. It is played with all others of the session when the first of them is set up."""

    def __init__(self, *, planned: PlannedConversation, of: ScenarioSession, **more: Any) -> None:  # noqa: ANN401 - same
        super().__init__(**more)
        self.planned = planned
        self.line: Mapping[str, Any] | None = None
        self._of = of
        self.extra_keyword_matches.update([planned.identity.scenario, planned.identity.model, *planned.tags])

    @property
    def duration_s(self) -> float:
        """How long the conversation took, from its first request to its last reply."""
        return ((self.line or {}).get("duration_s")) or 0.0

    def setup(self) -> None:
        """Fail for what could not be measured: before its call a test that fails is an error for pytest."""
        if self.config.getoption("setuponly", default=False):
            return
        run = self._of.run_of(self)
        if isinstance(run, ClaudeRunError):
            pytest.fail(_said(run), pytrace=False)
        self.line = line = self._of.line_of(self.planned.id)
        self.user_properties += [
            ("conversation_id", self.planned.id),
            ("run", str(run.folder)),
            ("cost_usd", "unpriced" if line["cost_usd"] is None else f"{line['cost_usd']:f}"),
            ("simulated", "true" if run.summary["simulated"] else "false"),
        ]
        if line["outcome"] == "skipped":
            why = f"not played to its end: {safe_line(line['error'] or run.summary['exit_reason'])}"
            if run.exit_code is ExitCode.FAILED:
                pytest.skip(why)
            pytest.fail(why, pytrace=False)
        if line["outcome"] == "errored":
            pytest.fail(talk(line), pytrace=False)

    def runtest(self) -> None:
        if self.line is None or self.line["outcome"] == "passed":
            return
        why = self._of.tolerated(self.planned.id)
        if why is not None:
            pytest.xfail(f"{first_reason(self.line)}; tolerated: {safe_line(why)}")
        pytest.fail(talk(self.line), pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.planned.line - 1, self.name


def _name(planned: PlannedConversation) -> str:
    """Return the name of a test: `case/variant[model#repeat]`, or the scenario's where it has no cases."""
    who = planned.identity
    asked = "/".join(part for part in (who.case, who.variant) if part is not None) or who.scenario
    repeat = "" if who.repeat is None else f"#{who.repeat}"
    # Two colons would end the name for those who take a test's id apart, pytest among them; whatever comes
    # after a bracket has to end in one.
    return safe_line(f"{_COLON_BEFORE_COLON.sub(': ', asked)}[{who.model_label}{repeat}]")


def _said(error: ClaudeRunError) -> str:
    """Return what a user is told, safe for a terminal."""
    return "\n".join(safe_line(line) for line in error.told)
