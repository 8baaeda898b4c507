"""Every scenario of the repository, exported: the program sends the same, and prints what came."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.command import SCENARIOS
from tests.system.export.side_by_side import PROGRAMS, examples, play, play_exported
from tests.system.harness.sweeps import spread

if TYPE_CHECKING:
    from tests.system.harness.workspace import Workspace

SHIPPED = sorted(SCENARIOS.glob("*.yaml"))


# What a program says of a conversation that ends with a call.
ENDED = {"order-support": "the reply ends with a call that nothing answers\n"}


PLAYED = [
    *((path.stem, "python") for path in SHIPPED),
    *((path.stem, "typescript") for path in spread(SHIPPED, one_in=3)),
    *((path.stem, "curl") for path in spread(SHIPPED, one_in=4, first=1)),
]


@pytest.mark.parametrize(("name", "language"), PLAYED)
def test_exported_programs_do_what_claude_run_does(name: str, language: str, workspace: Workspace) -> None:
    """The request bodies are equal, and so are the replies and the totals that are printed."""
    scenario = SCENARIOS / f"{name}.yaml"
    book = examples(scenario)
    expected = play(workspace, scenario, book)
    assert expected.result.code == 0, expected.result.stdout

    played = play_exported(workspace, PROGRAMS[language](workspace, scenario), book)

    assert played.requests == expected.requests
    assert (played.printed, played.result.stderr, played.result.code) == (
        expected.printed,
        ENDED.get(name, ""),
        0,
    )
