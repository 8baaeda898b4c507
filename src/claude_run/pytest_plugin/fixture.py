"""The fixture `claude_run`: a scenario is played from within a test."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.errors import ClaudeRunError, InputError
from claude_run.library.calls import played
from claude_run.library.options import read, run_request
from claude_run.pytest_plugin.settings import given_to
from claude_run.scenario.yaml_reader import MAX_DEPTH
from claude_run.scenario.yaml_writer import yaml_text
from claude_run.session.options import options_of
from claude_run.session.request import HOW, LIMITS, RECORDED, RunRequest

if TYPE_CHECKING:
    from os import PathLike
    from typing import Unpack

    from claude_run.library.options import RunOptions
    from claude_run.library.values import Run
    from claude_run.scenario.json_values import Json

# How to play is said for a session. What to play, what it is held against and where it lands, each call says.
_HOW_TO_PLAY = {each.name for each in options_of(RunRequest) if each.panel in {HOW, RECORDED, LIMITS}} | {
    "models"
}


class Play:
    """Plays a scenario when it is called; `on` says whether it may send requests."""

    def __init__(self, request: pytest.FixtureRequest, *, on: bool) -> None:
        self._request = request
        self._on = on

    def __call__(
        self, scenario: str | PathLike[str] | Mapping[str, Any], /, **options: Unpack[RunOptions]
    ) -> Run:
        """Play a file, or a mapping with the keys of one; the options stand before those of pytest."""
        __tracebackhide__ = True
        try:
            return self._played(scenario, options)
        except ClaudeRunError as error:
            # What went wrong stands in its words, and not in where we noticed it.
            raise error.with_traceback(None) from None

    def _played(self, scenario: str | PathLike[str] | Mapping[str, Any], options: Mapping[str, Any]) -> Run:
        of_session = {
            name: value for name, value in given_to(self._request.config).items() if name in _HOW_TO_PLAY
        }
        own = read(RunRequest, options)
        # Of two sources of replies the test's own counts.
        if own.keys() & {"replay", "simulate"}:
            of_session = {key: of_session[key] for key in of_session.keys() - {"replay", "simulate"}}
        path = self._written(scenario) if isinstance(scenario, Mapping) else scenario
        request = run_request([path], {}, {**of_session, **own})
        if not self._on and not request.simulate and request.replay is None:
            pytest.skip("it would send requests: pass --claude-run, or --claude-run-simulate")
        return played(request)

    def _written(self, scenario: Mapping[str, Any]) -> PathLike[str]:
        """Write a scenario into the test's own folder; the same one has the same name, whenever it is played.

        So a replay knows again what it has recorded.
        """
        text = yaml_text({_key(key, "the scenario"): _plain(value, key) for key, value in scenario.items()})
        folder = self._request.getfixturevalue("tmp_path") / "claude-run"
        folder.mkdir(exist_ok=True)
        content = text.encode()
        path: PathLike[str] = folder / f"scenario-{hashlib.sha256(content).hexdigest()[:8]}.yaml"
        with open(path, "wb") as file:  # noqa: PTH123 - a path of pytest
            file.write(content)
        return path


def _plain(value: Any, place: str, level: int = 1) -> Json:  # noqa: ANN401 - whatever a test gives
    """Return a value of a scenario as JSON; InputError for what no file could hold."""
    if level > MAX_DEPTH:
        raise InputError(f"{place}: lists and mappings nest deeper than {MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        return {_key(key, place): _plain(part, f"{place}.{key}", level + 1) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part, f"{place}[{number}]", level + 1) for number, part in enumerate(value)]
    if isinstance(value, str):
        odd = next((sign for sign in value if sign == "\0" or "\ud800" <= sign <= "\udfff"), None)
        if odd is not None:
            what = "NUL" if odd == "\0" else f"half of a surrogate pair, U+{ord(odd):04X}"
            raise InputError(f"{place} holds {what}, which no file can hold: take it out")
        return value
    if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise InputError(
        f"{place} is {value!r:.60}, which no scenario can hold: write a text, a number, a boolean, None, a"
        " list or a mapping"
    )


def _key(key: Any, place: str) -> str:  # noqa: ANN401 - same
    if not isinstance(key, str) or _plain(key, place) != key:
        raise InputError(f"{place} has the key {key!r:.60}, and a key must be a text")
    return key
