"""What a journal tells: the log of each conversation, what was spent, and how the run ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from claude_run.conversation.events import Started
from claude_run.conversation.log import ConversationLog
from claude_run.errors import ExitCode, StorageError
from claude_run.record.codec import checked_types, decode
from claude_run.record.journal import read_lines
from claude_run.record.summary import Ending, Gate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from claude_run.conversation.events import Attempted

CUT_OFF = Ending(
    stop=ExitCode.NOT_MEASURED, reason="the run was cut off before its end; go on with `claude-run resume`"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """`logs` by conversation id, from its last start on; `superseded` are those that no longer count.

    Another start followed them, or a line that calls the conversation superseded because its scenario
    changed. `ending` is `CUT_OFF` where the last process that played the run did not live to write its end.
    """

    logs: Mapping[str, ConversationLog]
    superseded: Sequence[ConversationLog] = ()
    ending: Ending = CUT_OFF

    @property
    def all_logs(self) -> Sequence[ConversationLog]:
        """The superseded logs, then those that count."""
        return (*self.superseded, *self.logs.values())

    def spent_usd(self) -> Decimal:
        """Return what all attempts cost, at their worst those without a known end or a known price."""
        return sum((log.attempts.spent_usd for log in self.all_logs), Decimal(0))

    def uncertain(self) -> Sequence[Attempted]:
        """Return the attempts that may have been billed though they brought no reply, superseded ones too."""
        return [attempt for log in self.all_logs for attempt in log.attempts.uncertain]


def read_history(path: Path) -> History:
    """Read a journal; StorageError where it is missing, damaged, or of another version."""
    logs: dict[str, ConversationLog] = {}
    superseded: list[ConversationLog] = []
    ending, played_s = CUT_OFF, 0.0
    for line in read_lines(path):
        if line.value["event"] == "journal":
            continue
        # A line on the run itself: a process began or ended, or a gate decided.
        if line.value["event"] == "run":
            try:
                superseded += [logs.pop(name) for name in line.value.get("superseded", ()) if name in logs]
                ending = _ending(line.value, ending, played_s=played_s)
            except (KeyError, TypeError, ValueError) as error:
                raise StorageError(
                    f"{path}:{line.number}: a line on the run does not fit: {error}"
                ) from error
            played_s = ending.duration_s or played_s
            continue
        # Every other line is an event of a conversation; another start begins its log anew.
        try:
            event = decode(line.value)
        except ValueError as error:
            raise StorageError(f"{path}:{line.number}: {error}") from error
        if isinstance(event, Started) and event.conversation_id in logs:
            superseded.append(logs.pop(event.conversation_id))
        if event.conversation_id not in logs:
            logs[event.conversation_id] = ConversationLog()
        logs[event.conversation_id].append(event)
    # Without a start there is nothing that a transcript could be made of.
    kept = {name: log for name, log in logs.items() if log.started is not None}
    return History(logs=kept, superseded=tuple(superseded), ending=ending)


def _ending(value: Mapping[str, Any], before: Ending, *, played_s: float) -> Ending:
    """Return how the run stands after a line on it; the time of all its processes adds up."""
    if value.get("what") == "gated":
        gate = Gate(code=ExitCode(value["code"]), verdict=str(value["verdict"]), reason=str(value["reason"]))
        return replace(before, gate=gate)
    if value.get("what") != "ended":
        return CUT_OFF
    stop = value.get("stop")
    ending = Ending(
        stop=None if stop is None else ExitCode(stop),
        reason=value.get("reason"),
        at=value.get("at"),
        duration_s=value.get("duration_s"),
    )
    return replace(checked_types(ending), duration_s=round(played_s + (ending.duration_s or 0.0), 3))
