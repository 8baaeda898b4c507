"""How scenarios are played in a session of pytest, from its command line and its configuration."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.errors import ClaudeRunError
from claude_run.session.options import read_arguments
from claude_run.session.request import RunRequest

if TYPE_CHECKING:
    from collections.abc import Mapping


def given_to(config: pytest.Config) -> Mapping[str, Any]:
    """Return the options of a run that were given to pytest, by name; UsageError where they make no sense."""
    given: dict[str, Any] = {}
    for text in (config.getini("claude_run_options"), config.getoption("--claude-run-options")):
        try:
            given |= read_arguments(RunRequest, shlex.split(text or ""))
        except (ClaudeRunError, ValueError) as error:
            raise pytest.UsageError(f"claude-run options {text!r}: {error}") from error
    if "shard" in given:
        # Each file is planned by itself while it is collected, so that a part of it is no part of the whole.
        raise pytest.UsageError(
            "--shard makes no shard under pytest, and nothing that could be merged: play shards with"
            " `claude-run --shard I/N`, or spread the tests over processes with pytest-xdist"
        )
    if config.getoption("--claude-run-simulate"):
        given["simulate"] = True
    return given
