"""What a comparison compares: attempts of a run folder, or of the baselines beside the scenarios."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.cli.options import BESIDE
from claude_run.conversation.attempt import Attempt
from claude_run.errors import InputError
from claude_run.record.attempts import read_attempts
from claude_run.record.baseline import baseline_path, read_baseline
from claude_run.record.folder import RunFolder
from claude_run.verdict.contest import Side, typical

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from claude_run.conversation.script import Conversation
    from claude_run.record.derive import Played


def side_of_run(path: Path) -> Side:
    """Return the attempts of a run folder; InputError where it holds none."""
    return Side(name=str(path), attempts=read_attempts(RunFolder.open(path)))


def side_of_played(played: Played, *, name: str) -> Side:
    """Return the attempts of a run that was read already."""
    transcripts = (record.transcript for record in played.records)
    return Side(name=name, attempts=tuple(Attempt.of(each) for each in transcripts if each is not None))


def side_of_baseline(path: Path, scenarios: Mapping[str, str]) -> Side:
    """Return the accepted attempts of the scenarios (name to file).

    `path` is `BESIDE`, a run folder, or one baseline file. InputError where a scenario has no baseline.
    """
    if path != BESIDE and (path / "run.json").is_file():
        return side_of_run(path)
    if path != BESIDE:
        return _of_files(dict.fromkeys(scenarios, path), scenarios)
    return _of_files({name: baseline_path(file) for name, file in scenarios.items()}, scenarios)


def side_of_accepted(scenarios: Mapping[str, str]) -> Side:
    """Return the accepted attempts of those scenarios that have a baseline beside them."""
    files = {name: baseline_path(file) for name, file in scenarios.items()}
    return _of_files({name: file for name, file in files.items() if file.is_file()}, scenarios)


def accepted_replies(side: Side) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Return the accepted replies by what was asked (`Identity.question_name`), then by model label."""
    rows: dict[str, dict[str, list[Attempt]]] = {}
    for attempt in side.attempts:
        asked = rows.setdefault(attempt.identity.question_name, {})
        asked.setdefault(attempt.identity.model_label, []).append(attempt)
    return {
        name: {label: shown.replies for label, each in asked.items() if (shown := typical(each, passed=True))}
        for name, asked in rows.items()
    }


def scenarios_of(conversations: Iterable[Conversation]) -> Mapping[str, str]:
    """Return the file of each scenario by its name."""
    return {conversation.identity.scenario: conversation.identity.path for conversation in conversations}


def _of_files(files: Mapping[str, Path], scenarios: Mapping[str, str]) -> Side:
    attempts = [
        attempt
        for name, file in files.items()
        for attempt in read_baseline(file, scenario_path=scenarios[name]).attempts
        if attempt.identity.scenario == name
    ]
    known = {attempt.identity.scenario for attempt in attempts}
    unknown = next((name for name in files if name not in known), None)
    if unknown is not None:
        raise InputError(
            f"{files[unknown]} is not the baseline of scenario {unknown!r}, which may have been renamed:"
            " `claude-run accept` writes it anew"
        )
    distinct = dict.fromkeys(map(str, files.values()))
    name = next(iter(distinct)) if len(distinct) == 1 else f"{len(distinct)} accepted files"
    return Side(name=name, attempts=tuple(attempts))
