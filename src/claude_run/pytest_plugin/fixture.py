"""The fixture `claude_run`: a scenario is played from within a test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.library.calls import played
from claude_run.library.options import read, run_request
from claude_run.pytest_plugin.settings import given_to
from claude_run.session.request import RunRequest

if TYPE_CHECKING:
    from os import PathLike
    from typing import Unpack

    from claude_run.library.options import RunOptions
    from claude_run.library.values import Run


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
        given = {**given_to(self._request.config), **read(RunRequest, options)}
        if given.get("replay"):
            given.pop("simulate", None)
        path = self._written(scenario) if isinstance(scenario, Mapping) else scenario
        request = run_request([path], {}, given)
        if not self._on and not request.simulate and request.replay is None:
            pytest.skip("it would send requests: pass --claude-run, or --claude-run-simulate")
        return played(request)

    def _written(self, scenario: Mapping[str, Any]) -> PathLike[str]:
        """Write a scenario into the test's own folder: JSON is YAML, too."""
        folder = self._request.getfixturevalue("tmp_path") / "claude-run"
        folder.mkdir(exist_ok=True)
        path: PathLike[str] = folder / f"scenario-{len(list(folder.iterdir())) + 1}.yaml"
        with open(path, "x", encoding="utf-8") as file:  # noqa: PTH123 - a path of pytest
            json.dump(scenario, file, indent=1)
        return path
