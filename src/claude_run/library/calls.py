"""The calls: what a program gives is what the command line takes, and what it gets are values."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claude_run.conversation.lazy import LazySequence
from claude_run.errors import InputError, StorageError
from claude_run.library.options import read, run_request
from claude_run.library.thread import Interrupts, in_a_thread
from claude_run.library.values import (
    Compared,
    Loaded,
    LoadedScenario,
    Planned,
    PlannedConversation,
    Run,
)
from claude_run.record import transcripts
from claude_run.report.compare.json import comparison_json
from claude_run.report.run.facts import RunFacts
from claude_run.report.run.formats import FILES, get_ready, render, sections
from claude_run.report.run.progress import UnseenProgress
from claude_run.session import results
from claude_run.session import run as session
from claude_run.session.compare import compare_runs, exit_code_of
from claude_run.session.env_file import enter_environment
from claude_run.session.load import load_scenarios
from claude_run.session.options import build
from claude_run.session.play import RunObserver, RunResult
from claude_run.session.prepare import prepare
from claude_run.session.request import CompareRequest
from claude_run.session.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Unpack

    from claude_run.conversation.script import Conversation
    from claude_run.library.options import CompareOptions, PathText, RunOptions
    from claude_run.record.records import Record
    from claude_run.session.prepare import Prepared
    from claude_run.session.request import RunRequest


def load(*paths: PathText, **options: Unpack[RunOptions]) -> Loaded:
    """Read scenarios, and find everything that can be found wrong with them without sending anything.

    InputError lists every problem of every file.
    """
    with said_as_ours():
        loaded = load_scenarios(run_request(paths, options), today=World().today)
        return Loaded(
            scenarios=tuple(
                LoadedScenario(
                    name=each.name,
                    path=each.path,
                    description=each.description,
                    tags=each.tags,
                    models=tuple(model.id for model in each.models),
                    cases=len(each.cases),
                    turns=len(each.turns),
                )
                for each in loaded.scenarios
            ),
            warnings=loaded.warnings,
        )


def plan(*paths: PathText, **options: Unpack[RunOptions]) -> Planned:
    """Say what `run` would play with the same options; nothing is sent and nothing is written.

    InputError as of `load`, SelectionError where the options leave nothing.
    """
    with said_as_ours():
        return planned(run_request(paths, options))


def run(*paths: PathText, ids: Iterable[str] | None = None, **options: Unpack[RunOptions]) -> Run:
    """Play scenarios in a new run folder, with all its files, and return what it came to.

    With `ids` only the conversations with these ids are played. Failed checks are data: see `Run.exit_code`.
    What cannot be read or measured at all raises a ClaudeRunError.

    Nothing is printed and no signal handler is set: it is played in a thread of its own while this one waits,
    so that it may be called from any thread, and while an event loop runs, which waits as well:
    `await asyncio.to_thread(claude_run.run, ...)` lets it go on. After Ctrl-C nothing more is sent, what is
    under way has `grace_s`, or until the next Ctrl-C, the files are written, and KeyboardInterrupt is raised.
    """
    with said_as_ours():
        return played(run_request(paths, options), None if ids is None else frozenset(ids))


def compare(*runs: PathText, **options: Unpack[CompareOptions]) -> Compared:
    """Say whether runs are better or worse than the first, which may be a baseline file.

    Of a single run its models or variants are compared. InputError where there is nothing to compare.
    """
    with said_as_ours():
        if not runs:
            raise InputError("no run is named: name a run folder, or first a baseline file")
        request = build(CompareRequest, read(CompareRequest, options))
        comparison = compare_runs([Path(each) for each in runs], request)
        return Compared(exit_code=exit_code_of(comparison, request), document=comparison_json(comparison))


def planned(request: RunRequest) -> Planned:
    """Plan what was asked for."""
    prepared = prepare(request, today=World().today)
    pass_rates = prepared.plan.pass_rates

    def described(conversation: Conversation) -> PlannedConversation:
        return PlannedConversation(
            identity=conversation.identity,
            tags=conversation.tags,
            line=conversation.position.line,
            pass_rate=pass_rates[conversation.identity.scenario],
        )

    conversations = LazySequence.over(prepared.plan.conversations, described)
    return Planned(conversations=conversations, warnings=prepared.warnings)


def played(request: RunRequest, ids: frozenset[str] | None = None) -> Run:
    """Play what was asked for, or exactly the conversations with these ids."""
    with said_as_ours():
        interrupts, warnings = Interrupts(), list[str]()
        world = World(signals=interrupts)
        enter_environment(request.env_file, world.redactor)
        prepared = prepare(request, today=world.today, ids=ids)
        warnings += prepared.warnings
        observer = RunObserver(
            progress=UnseenProgress(),
            notify=warnings.append,
            warn=warnings.append,
            sections=sections(),
            get_ready=get_ready,
        )
        return in_a_thread(lambda: _play(prepared, observer, world, warnings), interrupts)


def read_run(path: Path) -> Run:
    """Read a run that was played; InputError where there is none."""
    return _run_of(results.read_run(path, World()), ())


@contextmanager
def said_as_ours() -> Iterator[None]:
    """Raise StorageError for a disk that does not do what it should, as the command line says it."""
    try:
        yield
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        raise StorageError(f"{error.strerror or error}{where}") from error


async def _play(prepared: Prepared, observer: RunObserver, world: World, warnings: list[str]) -> Run:
    result = await session.run(prepared, observer, world)
    facts = RunFacts.of(result.played)
    results.write_files(result, {name: render(name, result.played, facts=facts) for name in FILES})
    return _run_of(result, warnings, facts=facts)


def _run_of(result: RunResult, warnings: Iterable[str], *, facts: RunFacts | None = None) -> Run:
    summary, facts = result.played.summary, facts or RunFacts.of(result.played)

    def line(record: Record) -> Mapping[str, Any]:
        try:
            return transcripts.to_json(record.planned, record.transcript)
        except OSError as error:
            raise StorageError(
                f"{result.folder.path}: what was said in this run cannot be read any more"
                f" ({error.strerror or error}): was it moved or removed, or the working folder changed?"
            ) from error

    return Run(
        folder=result.folder.path,
        run_id=summary.run.run_id or "",
        summary=summary.to_json(),
        conversations=LazySequence.over(result.played.records, line),
        tolerated=facts.tolerance,
        notices=tuple(text for _, text in facts.notices()),
        warnings=tuple(warnings),
    )
