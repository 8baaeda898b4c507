"""What a shell may complete: models, and the tags, names and runs of the project that it stands in.

Whoever presses a key wants words and no errors: what cannot be read has none.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from claude_run.errors import ClaudeRunError
from claude_run.record.folder import LATEST, outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from claude_run.scenario.model import Scenario

_SCENARIOS = "scenarios"


def words(what: str, paths: Sequence[str]) -> Iterator[str]:
    """Yield the words for `what`, a key of `WORDS`; `paths` are the scenarios that are named already."""
    with suppress(ClaudeRunError, OSError):
        yield from dict.fromkeys(WORDS[what](paths))


def _models(_paths: Sequence[str]) -> Iterator[str]:
    from claude_run.plan.model_rules import known_models  # noqa: PLC0415 - most words need no model

    return (rules.id for rules in known_models())


def _tags(paths: Sequence[str]) -> Iterator[str]:
    for scenario in _scenarios(paths):
        yield from scenario.tags
        for case in scenario.cases:
            yield from case.tags


def _names(paths: Sequence[str]) -> Iterator[str]:
    for scenario in _scenarios(paths):
        yield scenario.name
        yield from (case.id for case in scenario.cases if case.id is not None and not case.numbered)
        yield from (variant.id for variant in scenario.variants if variant.id is not None)
    yield from _tags(paths)


def _runs(_paths: Sequence[str]) -> Iterator[str]:
    found = sorted((each.parent for each in outputs().glob("*/run.json")), reverse=True)
    return (str(each) for each in found if each.name != LATEST)


def _scenarios(paths: Sequence[str]) -> Sequence[Scenario]:
    from claude_run.session.load import load_scenarios  # noqa: PLC0415 - models and runs need none
    from claude_run.session.request import RunRequest  # noqa: PLC0415 - same

    named = tuple(paths) or ((_SCENARIOS,) if Path(_SCENARIOS).is_dir() else (".",))
    return load_scenarios(RunRequest(paths=named), today=date.today()).scenarios  # noqa: DTZ011 - no rule hangs on the hour


WORDS: Mapping[str, Callable[[Sequence[str]], Iterator[str]]] = {
    "MODEL": _models,
    "TAG": _tags,
    "EXPR": _names,
    "[RUN]": _runs,
}
"""What finds the words, by how the help calls the value of an option or an argument."""
