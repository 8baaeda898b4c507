"""Which failed conversations do not fail the run, so that every report says what the exit code says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.conversation.results import Outcome
from claude_run.errors import ExitCode
from claude_run.record.summary import case_name
from claude_run.report.run.wording import rate

if TYPE_CHECKING:
    from claude_run.record.derive import Played
    from claude_run.record.transcripts import Record


class Tolerance:
    """The failures of a run that its pass rates, or its gate against a baseline, let pass."""

    def __init__(self, played: Played) -> None:
        self._gate = played.summary.gate
        self._met = {case.name: rate(case) for case in played.summary.rates if case.met}

    def reason(self, record: Record) -> str | None:
        """Return why the failure of a conversation is tolerated; None where it is not, or did not fail.

        The words may hold names, which are untrusted.
        """
        if record.outcome is not Outcome.FAILED:
            return None
        if self._gate is not None:
            return self._gate.reason if self._gate.code is ExitCode.PASSED else None
        return self._met.get(case_name(record))
