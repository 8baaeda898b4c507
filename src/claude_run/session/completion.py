"""What a shell may complete: models, and the tags, names, runs and conversations of the project around it.

Whoever presses a key wants words and no errors: what cannot be read has none. The words come out of files
that other people wrote, and shells evaluate some of what they are given: only words that stand for themselves
in every shell are offered.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from claude_run.errors import ClaudeRunError
from claude_run.record.folder import LATEST, RunFolder, latest, outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from claude_run.scenario.model import Scenario

_SCENARIOS = "scenarios"
_PLAIN = re.compile(r"[\w./+@][\w./+@,-]*")
"""What stands for itself in bash, zsh and fish without quotes, and for one word in a `-k` expression."""
_OPERATORS = frozenset({"and", "or", "not"})


def words(what: str, paths: Sequence[str]) -> Iterator[str]:
    """Yield the words for `what`, a key of `WORDS`; `paths` are scenarios or runs that are named already."""
    with suppress(ClaudeRunError, OSError):
        yield from filter(_PLAIN.fullmatch, dict.fromkeys(WORDS[what](paths)))


def _models(_paths: Sequence[str]) -> Iterator[str]:
    from claude_run.plan.model_rules import known_models  # noqa: PLC0415 - most words need no model

    return (rules.id for rules in known_models())


def _tags(paths: Sequence[str]) -> Iterator[str]:
    for scenario in _scenarios(paths):
        yield from scenario.tags
        for case in scenario.cases:
            yield from case.tags


def _names(paths: Sequence[str]) -> Iterator[str]:
    found: list[str] = []
    for scenario in _scenarios(paths):
        found.append(scenario.name)
        found += [case.id for case in scenario.cases if case.id is not None and not case.numbered]
        found += [variant.id for variant in scenario.variants if variant.id is not None]
    return (name for name in (*found, *_tags(paths)) if name not in _OPERATORS)


def _conversations(named: Sequence[str]) -> Iterator[str]:
    """Yield the ids of a run that is named already, or of the latest and then the runs that may be named."""
    run = RunFolder.open(Path(named[0]) if named else latest()).read_run()
    yield from (conversation.id for conversation in run.conversations)
    if not named:
        yield from _runs(())


def _runs(_paths: Sequence[str]) -> Iterator[str]:
    found = sorted((each.parent for each in outputs().glob("*/run.json")), reverse=True)
    return (str(each) for each in found if each.name != LATEST)


def _scenarios(paths: Sequence[str]) -> Iterator[Scenario]:
    """Yield what can be read, each file by itself: a broken one beside it is no reason to know nothing."""
    from claude_run.scenario.loader import find  # noqa: PLC0415 - models and runs need none
    from claude_run.session.load import load_scenarios  # noqa: PLC0415 - same
    from claude_run.session.request import RunRequest  # noqa: PLC0415 - same

    named = tuple(paths) or ((_SCENARIOS,) if Path(_SCENARIOS).is_dir() else (".",))
    for file in find(named)[0]:
        request = RunRequest(paths=(file.path,))
        with suppress(ClaudeRunError):
            yield from load_scenarios(request, today=date.today()).scenarios  # noqa: DTZ011 - no rule hangs on the hour


WORDS: Mapping[str, Callable[[Sequence[str]], Iterator[str]]] = {
    "MODEL": _models,
    "TAG": _tags,
    "EXPR": _names,
    "[RUN]": _runs,
    "RUN...": _runs,
    "A [B...]": _runs,
    "[RUN] ID": _conversations,
}
"""What finds the words, by how the help calls the value of an option or an argument."""
