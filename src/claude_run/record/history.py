"""What a journal tells: the log of each conversation, what was spent, and how the run ended."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from claude_run.conversation.events import Asked, Attempted, Ended, Failed, Replied, SetAside, Started
from claude_run.conversation.log import ConversationLog
from claude_run.errors import ExitCode, StorageError
from claude_run.record.codec import checked_types, decode
from claude_run.record.gated import Gate
from claude_run.record.journal import JournalIndex, read_lines
from claude_run.record.records import Book, Figures
from claude_run.record.summary import Ending

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from claude_run.conversation.events import Event
    from claude_run.record.journal import Line, Seal
    from claude_run.record.numbers import Numbers
    from claude_run.record.run import Run

CUT_OFF = Ending(stop=ExitCode.NOT_MEASURED, reason="the run was cut off before its end")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBatch:
    """A batch that was about to be submitted, and of which no result is known for the requests `keys`.

    `id` is its name at the API, None where nobody lived to learn whether it was taken. `token` begins the ids
    of its requests, `size` is their number and `headers` went out with it. `since` is when the newest batch
    was made that was there before it, by the clock of the API; None where there was none.
    """

    token: str
    id: str | None
    size: int
    keys: frozenset[str]
    headers: Mapping[str, str]
    since: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """What a run has submitted in batches: those that are `open`, and all names that they have at the API.

    `unsent` are the keys of requests that were about to go into a batch which was never submitted.
    """

    open: Sequence[OpenBatch] = ()
    ids: frozenset[str] = frozenset()
    unsent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the `lines` of a journal tell.

    `logs` are by conversation id; `superseded` are those that no longer count, because a scenario was changed
    and planned anew. `batches` is what the run has submitted in batches. `ending` is `CUT_OFF` where the last
    process that played the run did not live to write its end.
    """

    logs: Mapping[str, ConversationLog]
    superseded: Sequence[ConversationLog] = ()
    ending: Ending = CUT_OFF
    lines: int = 0
    batches: Submitted = field(default_factory=Submitted)

    @property
    def all_logs(self) -> Sequence[ConversationLog]:
        """The superseded logs, then those that count."""
        return (*self.superseded, *self.logs.values())

    def spent_usd(self) -> Decimal:
        """Return what all attempts cost, at their worst those without a known end or a known price."""
        return sum((log.attempts.spent_usd for log in self.all_logs), Decimal(0))

    def attempts(self) -> int:
        """Return how often requests were sent, by all processes that played the run."""
        return sum(log.attempts.count for log in self.all_logs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the `lines` of the journal of a run come to: figures in memory, and where the rest is found.

    `uncertain` are the attempts that may have been billed though they brought no reply, superseded ones too.
    """

    figures: Mapping[str, Figures]
    index: JournalIndex
    uncertain: Sequence[Attempted]
    ending: Ending
    lines: int


def read_history(path: Path, run: Run | None = None, *, seal: Seal | None = None) -> History:
    """Read a journal; StorageError where it is missing, damaged, of another version, or of another run.

    `run` and `seal` say what belongs into it; without them it is a journal whose run nobody knows.
    """
    reader = _Reader(run)
    lines = _read(reader, path, seal)
    return History(
        logs=reader.logs,
        superseded=tuple(reader.superseded),
        ending=reader.ending,
        lines=lines,
        batches=reader.batches.submitted(),
    )


def read_told(
    path: Path, run: Run, *, seal: Seal, add_up: Callable[[ConversationLog], Figures], numbers: Numbers
) -> Told:
    """Read a journal as `read_history` does, and keep nothing of a conversation that is over but figures.

    `add_up` makes the figures that count of a log. By the `numbers` of the conversations they are kept.
    """
    index = JournalIndex(path, numbers)
    reader = _FlatReader(run, index, add_up)
    lines = _read(reader, path, seal)
    for name in list(reader.logs):
        reader.close(name)
    uncertain = (*reader.gone, *(each for found in reader.uncertain.values() for each in found))
    return Told(figures=reader.figures, index=index, uncertain=uncertain, ending=reader.ending, lines=lines)


def log_of(index: JournalIndex, conversation_id: str) -> ConversationLog:
    """Return the log of a conversation, read again from its journal."""
    return ConversationLog(map(decode, index.values(conversation_id)))


def _read(reader: _Reader, path: Path, seal: Seal | None) -> int:
    """Let a reader take a whole journal in, and return how many lines it has."""
    number = 0
    for line in read_lines(path, seal):
        number = line.number
        try:
            reader.take(line)
        except (KeyError, TypeError, ValueError) as error:
            raise StorageError(f"{path}:{number}: {error}") from error
    reader.supersede()
    if (stranger := reader.stranger) is not None:
        name, begun = stranger
        raise StorageError(
            f"{path}:{begun}: {name} is not a conversation of this run as run.json plans it: put the files of"
            " one run together again, from a backup"
        )
    return number


_RUN_LINES = frozenset({"started", "ended", "gated"})


class _Batches:
    """Follows which requests are in which batch: each line and each event is looked at once."""

    def __init__(self) -> None:
        self._begun: dict[str, OpenBatch] = {}
        self._ids: dict[str, str] = {}
        self._holder: dict[str, str] = {}
        self._unsent: set[str] = set()

    def take_line(self, value: Mapping[str, Any]) -> bool:
        """Take a line on the run; return whether it is on a batch."""
        token = value.get("batch")
        match value["what"]:
            case "batch_submitting":
                batch = OpenBatch(
                    token=value["batch"],
                    id=None,
                    size=len(value["keys"]),
                    keys=frozenset(value["keys"]),
                    headers=value["headers"],
                    since=value["since"],
                )
                self._begun[batch.token] = checked_types(batch)
                self._holder.update(dict.fromkeys(batch.keys, batch.token))
                self._unsent -= batch.keys
            case "batch_submitted":
                self._ids[self._begun[value["batch"]].token] = str(value["id"])
            case "batch_dropped":
                keys = self._begun[value["batch"]].keys
                released = {key for key in keys if self._holder.get(key) == token}
                self._unsent |= released
                for key in released:
                    del self._holder[key]
            case _:
                return False
        return True

    def take_event(self, event: Event) -> None:
        """Take what happened to a request."""
        match event:
            case Attempted(in_batch=True):
                self._unsent.add(event.key)
            case Replied() | Failed():
                self._unsent.discard(event.key)
                self._holder.pop(event.key, None)

    def submitted(self) -> Submitted:
        """Return how it stands."""
        held: dict[str, set[str]] = {}
        for key, token in self._holder.items():
            held.setdefault(token, set()).add(key)
        return Submitted(
            open=tuple(
                replace(self._begun[token], id=self._ids.get(token), keys=frozenset(keys))
                for token, keys in held.items()
            ),
            ids=frozenset(self._ids.values()),
            unsent=frozenset(self._unsent),
        )


class _Reader:
    """Takes the lines of a journal in order, and refuses each that cannot stand where it does."""

    def __init__(self, run: Run | None) -> None:
        self.logs: dict[str, ConversationLog] = {}
        self.superseded: list[ConversationLog] = []
        self.ending = CUT_OFF
        self._run = run
        self._planned = {each.id: each for each in run.conversations} if run else {}
        self._changes = list(run.changes) if run else []
        self._strangers: dict[str, int] = {}
        self._played_s = 0.0
        self.batches = _Batches()

    def take(self, line: Line) -> None:
        """Take the next line in; ValueError, KeyError or TypeError for what does not fit."""
        self.supersede(before=line.number)
        match line.value["event"]:
            case "journal":
                if line.number > 1:
                    raise ValueError("a journal begins in the middle of this one")
            case "run":
                self._take_run(line.value)
            case _:
                self._take_event(line)

    @property
    def stranger(self) -> tuple[str, int] | None:
        """A conversation that the run did not plan, and the line that it begins at; None for none.

        What a changed scenario has left behind was planned once, and counts no longer.
        """
        return next(iter(self._strangers.items()), None)

    def supersede(self, *, before: int | None = None) -> None:
        """Let what a changed scenario left behind before this line, or at all, count no longer."""
        while self._changes and (before is None or self._changes[0].lines < before):
            for name in self._changes.pop(0).superseded:
                self._supersede(name)

    def _supersede(self, name: str) -> None:
        if name in self.logs:
            self.superseded.append(self.logs.pop(name))
            self._strangers.pop(name, None)

    def _log(self, name: str) -> ConversationLog | None:
        """Return what is known so far of a conversation; None where it never began."""
        return self.logs.get(name)

    def _take_run(self, value: Mapping[str, Any]) -> None:
        """Take in that a process began or ended, or that a gate decided."""
        if self.batches.take_line(value):
            return
        if value["what"] not in _RUN_LINES:
            raise ValueError(f"a run does not write down that it was {value['what']!r}")
        self.ending = _ending(value, self.ending, played_s=self._played_s)
        self._played_s = self.ending.duration_s or self._played_s

    def _take_event(self, line: Line) -> None:
        event = decode(line.value)
        name = event.conversation_id
        log = self._log(name)
        if isinstance(event, Started):
            if log is not None and self._run is not None:
                raise ValueError(f"{name} begins a second time")
            if log is not None:
                self.superseded.append(log)  # of a changed scenario, which only the rest of the run tells
            log = self.logs[name] = ConversationLog()
            if self._run is not None and self._planned.get(name) != event.identity:
                self._strangers[name] = line.number
        elif log is None or log.started is None:
            raise ValueError(f"{name} goes on here, and never began")
        elif not isinstance(event, Ended):
            if not 0 <= event.turn < len(log.started.roles):
                raise ValueError(f"{name} has no turn of index {event.turn}")
            if not isinstance(event, Asked) and (problem := _misplaced(event, log)) is not None:
                raise ValueError(f"{name}: the {problem} of this {line.value['event']} was never made")
        log.append(event)
        self.batches.take_event(event)


class _FlatReader(_Reader):
    """Keeps of a conversation that has ended its figures; one that goes on after that is read again."""

    def __init__(self, run: Run, index: JournalIndex, add_up: Callable[[ConversationLog], Figures]) -> None:
        super().__init__(run)
        self.figures = Book(index.numbers)
        self.uncertain: dict[str, Sequence[Attempted]] = {}
        self.gone: list[Attempted] = []
        self._index = index
        self._add_up = add_up

    def close(self, name: str) -> None:
        """Keep the figures of a conversation in place of its log."""
        log = self.logs.pop(name)
        self.figures[name] = self._add_up(log)
        if log.attempts.uncertain:
            self.uncertain[name] = log.attempts.uncertain

    def _log(self, name: str) -> ConversationLog | None:
        if name in self.figures:
            self.logs[name] = log_of(self._index, name)
            del self.figures[name]
            self.uncertain.pop(name, None)
        return self.logs.get(name)

    def _take_event(self, line: Line) -> None:
        super()._take_event(line)
        name = line.value["conversation_id"]
        self._index.add(name, line.at)
        if self.logs[name].ended is not None:
            self.close(name)

    def _supersede(self, name: str) -> None:
        if self._log(name) is not None:
            self._index.forget(name)
        super()._supersede(name)
        self.gone += [attempt for log in self.superseded for attempt in log.attempts.uncertain]
        self.superseded.clear()


def _misplaced(event: Attempted | Replied | Failed | SetAside, log: ConversationLog) -> str | None:
    """Return what must come before an event and did not: its request, at its turn, its attempt or reply."""
    asked = log.asked(event.key)
    # A judge may be asked the same about several turns, and then it is one request.
    if asked is None or (asked.judge is None and asked.turn != event.turn):
        return "request"
    match event:
        case Attempted():
            return None
        case SetAside():
            return None if log.exchange(event.key) else "reply"
        case _:
            # What was taken from a recording was never attempted, which its number 0 says.
            first = 0 if isinstance(event, Replied) else 1
            return None if first <= event.n <= log.tries(event.key) else "attempt"


def _ending(value: Mapping[str, Any], before: Ending, *, played_s: float) -> Ending:
    """Return how the run stands after a line on it; the time of all its processes adds up."""
    if value.get("what") == "gated":
        return replace(before, gate=Gate.from_json(value))
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
