"""`accept`: a run becomes the baseline that later runs are held against."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from claude_run.cli.sides import side_of_played
from claude_run.cli.talk import complain
from claude_run.errors import InputError
from claude_run.record.baseline import Baseline, baseline_path, read_baseline, write_baseline
from claude_run.record.derive import read_played
from claude_run.record.folder import RunFolder, latest
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from claude_run.cli.wiring import World
    from claude_run.conversation.attempt import Attempt


def accept(run: Path | None, world: World) -> int:
    """Write the baseline of every scenario of a run beside it; InputError where `CI` is set."""
    refuse_in_ci()
    folder = RunFolder.open(run or latest())
    played = read_played(folder)
    attempts = side_of_played(played, name=str(folder.path)).attempts
    transcripts = [record.transcript for record in played.records]
    lost = sum(transcript is None or transcript.error is not None for transcript in transcripts)
    if lost:
        missing = count(lost, "conversation")
        raise InputError(
            f"{folder.path} is no baseline: {missing} could not be measured;"
            " go on with --resume --retry-errors first"
        )
    for path, rows in by_file(attempts).items():
        target = baseline_path(path)
        kept = _kept(target, path, rows) if _is_selection(folder) else ()
        baseline = Baseline(
            scenario=rows[0].identity.scenario,
            path=path,
            accepted_at=world.clock.now(),
            simulated=played.summary.simulated,
            attempts=(*kept, *rows),
        )
        write_baseline(world.disk, target, baseline)
        passed = sum(attempt.passed is True for attempt in rows)
        complain(f"wrote {target}: {passed} of {count(len(rows), 'attempt')} passed")
    if played.summary.simulated:
        complain("warning: these replies were simulated; accept a real run before you gate on it")
    return 0


def _is_selection(folder: RunFolder) -> bool:
    """Tell whether the run left conversations of its scenarios out."""
    options = folder.read_run().options
    return any(options.get(name) for name in ("expression", "shard", "last_failed"))


def _kept(target: Path, path: str, rows: Sequence[Attempt]) -> tuple[Attempt, ...]:
    """Return what a run of a selection leaves in the baseline: all that it did not play."""
    if not target.exists():
        return ()
    played = {row.identity.name_in_scenario for row in rows}
    known = read_baseline(target, scenario_path=path).attempts
    kept = tuple(attempt for attempt in known if attempt.identity.name_in_scenario not in played)
    names = {attempt.identity.name_in_scenario for attempt in kept}
    complain(f"kept {count(len(names), 'case')} of {target} that were not played")
    return kept


def refuse_in_ci() -> None:
    """Raise InputError where `CI` is set: there nobody looks at what is accepted."""
    if os.environ.get("CI"):
        raise InputError(
            "baselines are not written when CI is set: accept on your machine and commit the file"
        )


def by_file(attempts: Sequence[Attempt]) -> dict[str, list[Attempt]]:
    """Return the attempts of each scenario file."""
    files: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        files.setdefault(attempt.identity.path, []).append(attempt)
    return files
