"""`--watch`: what a save has changed, what of it is played, and where its replies come from.

A session is a row of rounds. Each is a run in a folder of its own that has every reply of the session at
hand, so that only requests which were never answered are sent.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from claude_run.conversation.results import Outcome
from claude_run.errors import ClaudeRunError, ExitCode, StorageError
from claude_run.record.disk import read_file
from claude_run.record.folder import RunFolder, latest, standing
from claude_run.record.recording import Recording
from claude_run.scenario.at_line import split_line
from claude_run.scenario.beside import baseline_path
from claude_run.scenario.diagnostics import InvalidScenarioError
from claude_run.scenario.loader import looked_at
from claude_run.session.load import load_scenarios
from claude_run.session.next_command import next_command, play_command
from claude_run.session.play import RunInputs, play_new
from claude_run.session.prepare import plan_loaded, recorded, with_standing_runs
from claude_run.session.project_file import project_files_for
from claude_run.session.request import BESIDE
from claude_run.session.run import run_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from claude_run.conversation.identity import Identity
    from claude_run.record.summary import RunSummary
    from claude_run.session.load import Loaded
    from claude_run.session.play import RunObserver, RunResult
    from claude_run.session.prepare import Prepared
    from claude_run.session.request import RunRequest
    from claude_run.session.world import World

    Stamps = Mapping[Path, object]

_RESTLESS = 5  # looks after which nobody waits any longer for files to lie still


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """What the files were when they were read.

    `scenarios` has a version of each, by path: another text is another version. `shared` is what all of them
    have in common: the options, own checks, a baseline that was named.
    """

    scenarios: Mapping[str, str] = field(default_factory=dict)
    shared: object = None

    def changed_since(self, before: Versions) -> frozenset[str]:
        """Return the paths of the scenarios that are new or changed; all where what they share is."""
        if self.shared != before.shared:
            return frozenset(self.scenarios)
        known = before.scenarios
        return frozenset(path for path, version in self.scenarios.items() if known.get(path) != version)


@dataclass(kw_only=True, eq=False)
class Round:
    """A round that was played: its folder, and what came to its end there and in no later one."""

    folder: RunFolder
    newest_of: frozenset[str]
    has_paid: bool


def superseded(rounds: Sequence[Round]) -> Iterator[Round]:
    """Yield the rounds that tell nothing any more: they paid nothing, and all of them was played again."""
    return (each for each in rounds if not each.has_paid and not each.newest_of)


def failed_cases(summary: RunSummary) -> Mapping[str, bool]:
    """Return of each case that was played whether `--lf` would play it again."""
    broke = frozenset(summary.must_failed)
    found = {rate.name: not rate.settled for rate in summary.rates}
    return found | {each.case_name: True for each in summary.run.conversations if each.id in broke}


def stamps(paths: Iterable[Path]) -> Stamps:
    """Return what changes when a file, or the list of files in a folder, is written; None where none is."""

    def stamp(path: Path) -> object:
        try:
            found = path.stat()
        except (OSError, ValueError):
            return None
        return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino

    return {path: stamp(path) for path in paths}


class Watching:
    """A session: what was read, and what its rounds came to.

    `ask` makes the request anew, for the project file may change, and `look` takes the stamps of files. The
    `request` is that of the beginning.
    """

    def __init__(
        self,
        ask: Callable[[], RunRequest],
        world: World,
        *,
        look: Callable[[Iterable[Path]], Stamps] = stamps,
    ) -> None:
        self._ask = ask
        self._world = world
        self._look = look
        # The files, as they were before they were read and when they were looked at last.
        self._files: set[Path] = set()
        self._read_at: Stamps = {}
        self._last_look: Stamps = {}
        self._restless = 0
        # The plan of all that is selected, of files that were sound.
        self.request = with_standing_runs(ask())
        self._versions = Versions()
        # The scenarios that the newest plan has no more.
        self.gone: tuple[str, ...] = ()
        self._loaded: Loaded | None = None
        self._whole: Prepared | None = None
        # What was played, and whether what is played next asks again for answers that are of no use.
        self._asks_again = False
        self._recording = Recording([])
        self._rounds: list[Round] = []
        self._failed: dict[str, bool] = {}
        self._unplayed = frozenset[str]()
        self._attempts = 0
        self.spent_usd = Decimal(0)

    def start(self, told: Callable[[str], None]) -> Prepared:
        """Plan all; raises what `prepare` does, and what reading the replies of an earlier run does."""
        for history in recorded(self.request, told):
            self._recording.add(history)
        return self._planned()

    def next_command(self, result: RunResult) -> str | None:
        """Return what follows the last round, as its user may type it; nothing is paid twice then."""
        request = self.request
        if request.replay is None and not request.simulate:
            request = replace(request, reuse=result.folder.path)
        # All of a part may have passed, and others that were played before it have not.
        if self.failed and result.played.summary.exit_code is ExitCode.PASSED:
            return play_command(replace(request, last_failed=True))
        return next_command(result, asked=request)

    @property
    def watched(self) -> int:
        """How many files are looked at."""
        return len({path.resolve() for path in self._files if path.is_file()})

    @property
    def failed(self) -> int:
        """How many of the cases that are planned now did not pass when they were played last."""
        return len(self._failed_now())

    def was_saved(self) -> bool:
        """Return whether a file was written since all were read, and none since the last such question.

        Where something always moves, such as a folder in which others work, it is looked at now and then.
        """
        now = self._look(self._files)
        is_still, self._last_look = now == self._last_look, now
        self._restless = 0 if is_still else self._restless + 1
        return (is_still or self._restless >= _RESTLESS) and now != self._read_at

    def saved(self) -> Prepared | None:
        """Read all anew and plan what has changed; None where that is nothing.

        InputError and SelectionError where nothing can be played as the files are now.
        """
        self._asks_again = False
        names = self._changed()
        # What could not be played waits for a save of something, be it of what was in its way.
        names |= self._unplayed if names else frozenset()
        return self._part(lambda each: each.path in names)

    def all(self) -> Prepared:
        """Plan all anew; raises what `saved` does."""
        self._asks_again = True
        return self._planned()

    def only_failed(self) -> Prepared | None:
        """Plan what did not pass when it was played last, and what was just saved; None for nothing.

        Raises what `saved` does.
        """
        self._asks_again = True
        paths, names = self._changed() | self._unplayed, self._failed_now()
        return self._part(lambda each: each.path in paths or each.case_name in names)

    async def play(self, prepared: Prepared, observer: RunObserver) -> RunResult:
        """Play a round: what this session was answered is not asked again, and what it spent counts."""
        if prepared.request.replay is None:
            # Whoever resumes the round alone, should it be killed, takes replies from the newest run that
            # brought any, and from those which that names in turn: from all rounds, and what they began with.
            paid = (each.folder.path for each in reversed(self._rounds) if each.has_paid)
            reuse = next(paid, prepared.request.reuse)
            prepared = replace(prepared, request=replace(prepared.request, reuse=reuse))
        inputs = RunInputs(
            prepared=prepared,
            recording=self._recording,
            spent_usd=self.spent_usd,
            attempts=self._attempts,
            ask_again=self._asks_again,
        )
        name = run_name(list(prepared.plan.pass_rates))
        before = _newest()
        try:
            result = await play_new(inputs, observer, self._world, name=name, out=None)
        except ClaudeRunError:
            self._unplayed |= frozenset(prepared.plan.files)
            # What was paid, say before the disk was full, counts.
            if (newest := _newest()) is not None and newest != before:
                with suppress(ClaudeRunError):
                    self._rounds.append(self._paid(RunFolder(newest), frozenset(), request=prepared.request))
            raise
        self._unplayed -= frozenset(prepared.plan.files)
        return result

    def settle(self, result: RunResult) -> None:
        """Learn from a round whose files are written, and remove those before it that tell nothing more.

        StorageError where it cannot be read again.
        """
        summary = result.played.summary
        self._failed.update(failed_cases(summary))
        ended = frozenset(
            each.planned.id for each in result.played.records if each.outcome is not Outcome.SKIPPED
        )
        try:
            newest = self._paid(result.folder, ended, request=self.request)
        except StorageError:
            # Its replies are lost, and were paid; which of them came from earlier rounds nobody can say.
            totals = summary.totals
            self.spent_usd += (totals.cost_usd or 0) + (totals.judge_cost_usd or 0) + totals.uncertain_usd
            self._attempts += totals.replies + totals.judge_replies
            raise
        for earlier in self._rounds:
            earlier.newest_of -= ended
        for old in tuple(superseded(self._rounds)):
            old.folder.remove_unpaid()
            self._rounds.remove(old)
        self._rounds.append(newest)

    def _paid(self, folder: RunFolder, ended: frozenset[str], *, request: RunRequest) -> Round:
        """Take in what a round was answered and what it cost."""
        history = folder.read_history()
        # The simulator answers anew in every round, for an example may have been edited: nobody pays for it.
        has_paid = history.attempts() > 0 and not request.simulate
        if has_paid:
            self._recording.add(history)
            self.spent_usd += history.spent_usd()
            self._attempts += history.attempts()
        return Round(folder=folder, newest_of=ended, has_paid=has_paid)

    def _changed(self) -> frozenset[str]:
        """Plan all anew, and return the paths of the scenarios that are not what they were."""
        before = self._versions
        self._planned()
        return self._versions.changed_since(before)

    def _planned(self) -> Prepared:
        """Read all files and plan what the request selects; what is known stays as it is where that fails."""
        self.gone = ()
        loaded, request = self._read()
        whole = plan_loaded(request, loaded)
        self._versions = Versions(
            scenarios={
                each.path: f"{each.sha256} {_digest(baseline_path(each.path))}" for each in loaded.scenarios
            },
            shared=(request, [_digest(path) for path in _shared_files(request)]),
        )
        if (before := self._loaded) is not None:
            now = {each.path for each in loaded.scenarios}
            self.gone = tuple(each.path for each in before.scenarios if each.path not in now)
        self._loaded, self._whole = loaded, whole
        return whole

    def _read(self) -> tuple[Loaded, RunRequest]:
        # What is written from here on is another save. What is found only when it is read has no stamp, so
        # that it is read once more as soon as somebody waits.
        self._files.update(_files_around(self.request))
        before = self._look(self._files)
        try:
            request = self._asked()
            self._files.update(_files_around(request))
            before = {**self._look(self._files), **before}
            loaded = load_scenarios(request, today=self._world.today)
            self._files.update(path for each in loaded.scenarios for path in each.files)
        except InvalidScenarioError as error:
            self._files.update(error.files)
            raise
        finally:
            self._read_at = self._last_look = before
            self._restless = 0
        return loaded, request

    def _asked(self) -> RunRequest:
        """Return the request as it is now; the runs that it names stay those of the beginning."""
        request, first = self._ask(), self.request
        request = replace(request, replay=first.replay, reuse=first.reuse, baseline=first.baseline)
        if first.baseline is None:
            return request
        # Fresh attempts are paid for, and a save of an expectation costs nothing.
        return replace(request, gate=replace(request.gate, no_confirm=True))

    def _part(self, wanted: Callable[[Identity], bool]) -> Prepared | None:
        """Plan those of all conversations that are wanted; None where none is."""
        whole, loaded = self._whole, self._loaded
        assert whole is not None  # noqa: S101 - whoever asks has just planned all
        assert loaded is not None  # noqa: S101 - same
        ids = frozenset(each.id for each in whole.plan.identities if wanted(each))
        if len(ids) == len(whole.plan.identities):
            return whole
        # It says of itself that it has left some out, as a run of what failed does.
        request = replace(whole.request, last_failed=True)
        return plan_loaded(request, loaded, ids=ids) if ids else None

    def _failed_now(self) -> frozenset[str]:
        planned = self._whole.plan.identities if self._whole is not None else ()
        return frozenset(each.case_name for each in planned if self._failed.get(each.case_name))


def _files_around(request: RunRequest) -> Iterator[Path]:
    """Yield what a request reads besides the files that scenarios name."""
    for path in looked_at(request.paths):
        yield path
        if not path.is_dir():
            yield baseline_path(str(path))
    yield from _shared_files(request)
    yield from project_files_for(request.paths)


def names_line(path: str) -> bool:
    """Return whether a path of a request names a line of a file."""
    return split_line(path)[1] is not None


def _newest() -> Path | None:
    return standing(latest()) if latest().is_symlink() else None


def _shared_files(request: RunRequest) -> Iterator[Path]:
    """Yield the files that may change what comes of every scenario."""
    yield from request.own_checks
    if request.baseline is not None and request.baseline != BESIDE:
        yield request.baseline


def _digest(path: Path) -> str | None:
    with suppress(OSError):
        return hashlib.sha256(read_file(path)).hexdigest()
    return None
