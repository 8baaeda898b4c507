"""How tests are spread over the workers of xdist where scenarios are among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from xdist.scheduler import LoadFileScheduling, LoadGroupScheduling, LoadScopeScheduling

if TYPE_CHECKING:
    from collections.abc import Mapping

_SUFFIXES = (".yaml", ".yml")


def scope_of(nodeid: str, other: str) -> str:
    """Return what is played by one worker: all scenarios together, or the `other` scope of a test."""
    return "claude-run" if nodeid.partition("::")[0].endswith(_SUFFIXES) else other


class _EachTest(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Spreads test by test, as `--dist load` does."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid, nodeid)


class _ByFile(LoadFileScheduling):  # type: ignore[misc] # same
    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid, super()._split_scope(nodeid))


class _ByScope(LoadScopeScheduling):  # type: ignore[misc] # same
    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid, super()._split_scope(nodeid))


class _ByGroup(LoadGroupScheduling):  # type: ignore[misc] # same
    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid, super()._split_scope(nodeid))


_SCHEDULERS: Mapping[str, type[LoadScopeScheduling]] = {
    "load": _EachTest,
    "worksteal": _EachTest,
    "loadfile": _ByFile,
    "loadscope": _ByScope,
    "loadgroup": _ByGroup,
}


def scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:  # noqa: ANN401 - of xdist
    """Return the scheduler of a session; UsageError for a way to spread that would pay several times."""
    dist = config.getvalue("dist")
    if dist not in _SCHEDULERS:
        raise pytest.UsageError(f"--dist {dist} would play each conversation on each worker: leave it out")
    return _SCHEDULERS[dist](config, log)
