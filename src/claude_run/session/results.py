"""Runs that were played before: read again, written anew, and whether all of their files are whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.record.derive import read_played, verify, write_derived
from claude_run.record.folder import RunFolder, latest
from claude_run.session.play import RunResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from claude_run.record.derive import Played, Sections
    from claude_run.session.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What is wrong with a run folder, in words, and what its journal tells."""

    problems: tuple[str, ...]
    result: RunResult


def read_run(path: Path | None, world: World, sections: Sections | None = None) -> RunResult:
    """Read a run, the latest one without a path; InputError where there is none.

    `sections` make the pieces of the files of reports, which will all be written anew.
    """
    folder = RunFolder.open(path or latest(), disk=world.disk)
    return RunResult(folder=folder, played=read_played(folder, sections))


def write_files(result: RunResult, rendered: Mapping[str, Iterable[bytes]]) -> None:
    """Write every derived file anew: the transcripts and the summary, and those of reports, by name."""
    write_derived(result.folder, result.played)
    for name, parts in rendered.items():
        result.folder.write(name, parts)


def verify_run(
    path: Path | None, derived: Mapping[str, Callable[[Played], Iterable[bytes]]], world: World
) -> Verified:
    """Compare a run folder with its own journal; `derived` makes the content of the files of reports."""
    folder = RunFolder.open(path or latest(), disk=world.disk)
    played, problems = verify(folder, derived)
    return Verified(problems=problems, result=RunResult(folder=folder, played=played))
