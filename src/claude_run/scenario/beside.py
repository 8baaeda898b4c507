"""The baseline of a scenario, a file beside it: where it stands, and what else would be written there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from claude_run.scenario.diagnostics import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from claude_run.scenario.model import Scenario
    from claude_run.scenario.scenario_file import ReadResult

SUFFIXES = (".yaml", ".yml")
"""What the names of scenarios end in."""

_SUFFIX = ".baseline.json"
_RENAME = "give one of the two files another name: each scenario needs a baseline file of its own"


def baseline_path(scenario_path: str) -> Path:
    """Return where the baseline of a scenario file stands: beside it, under its name."""
    return Path(scenario_path).with_suffix(_SUFFIX)


def scenario_beside(baseline: Path) -> str:
    """Return the scenario file that a baseline belongs to: `.yaml`, or `.yml` where only that is there."""
    name = baseline.name.removesuffix(_SUFFIX)
    files = [baseline.with_name(f"{name}{suffix}") for suffix in SUFFIXES]
    return str(next((file for file in files if file.is_file()), files[0]))


def rivals(scenario_path: str) -> Iterator[str]:
    """Yield the other YAML files beside a scenario whose baseline would be the same file as its own."""
    for suffix in SUFFIXES:
        other = Path(scenario_path).with_suffix(suffix)
        if other.is_file() and not other.samefile(scenario_path):
            yield str(other)


def shared_baselines(
    reads: Iterable[ReadResult], *, is_scenario: Callable[[str], bool]
) -> Iterator[Diagnostic]:
    """Find scenarios that share a baseline, and files of scenarios where a baseline would be written.

    `is_scenario` says whether a file that was not read is one.
    """
    known = [(read.scenario, read.used) for read in reads if read.scenario is not None]
    owners: dict[str, Scenario] = {}
    for scenario, _ in known:
        first = owners.setdefault(_place(baseline_path(scenario.path)), scenario)
        if first is not scenario:
            target = baseline_path(scenario.path)
            yield _problem(scenario, f"`{target}` would be the baseline of `{first.path}` too", _RENAME)
    paths = {os.path.realpath(scenario.path) for scenario, _ in known}
    for scenario, used in known:
        for other in rivals(scenario.path):
            if os.path.realpath(other) not in paths and is_scenario(other):
                target = baseline_path(scenario.path)
                yield _problem(scenario, f"`{target}` would be the baseline of `{other}` too", _RENAME)
        if owner := owners.get(_place(Path(scenario.path))):
            yield _problem(
                scenario, f"the baseline of `{owner.path}` would be written over this file", _RENAME
            )
        for file in sorted(used):
            if owner := owners.get(_place(file)):
                message = f"`{file.name}`, which this scenario reads, is the baseline file of `{owner.path}`"
                yield _problem(scenario, message, "give the file that is read another name")


def _place(path: Path) -> str:
    """Return what is equal for two names of one file; not every disk tells capitals from small letters."""
    return str(Path(os.path.realpath(path.parent)) / path.name.casefold())


def _problem(scenario: Scenario, message: str, hint: str) -> Diagnostic:
    return Diagnostic(position=scenario.position, message=message, hint=hint)
