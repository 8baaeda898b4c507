"""Holds what a server has seen against the journal of a run that lost processes on its way."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.limited_server import Arrival
    from tests.system.harness.workspace import Workspace

_LAG_S = 2.0
"""How long after a kill a request may arrive that had left before, or that a player sent without a driver."""


def assert_promises_kept(
    workspace: Workspace, arrivals: Sequence[Arrival], kills: Sequence[float], *, turns: int, under_way: int
) -> int:
    """Assert that no reply was lost and nothing was paid twice without need; return what was asked again.

    `kills` are the moments of death, on the clock of the arrivals. A request may come again where its attempt
    stands open in the journal, once for each of those, and after a death; no more than were `under_way` may.
    """
    replies = workspace.events("reply")
    attempts = Counter(event["key"] for event in workspace.events("attempt"))
    assert len(replies) == len({event["key"] for event in replies}) == turns

    # The id of a reply begins like the digest of its request: by it a key of the journal is found there.
    at_server: dict[str, list[float]] = defaultdict(list)
    for arrival in arrivals:
        at_server[f"msg_{arrival.key[:12]}"].append(arrival.at_s)
    assert set(at_server) == {event["body"]["id"] for event in replies}

    for event in replies:
        times = at_server[event["body"]["id"]]
        # Everything was announced, and the reply is that to the last attempt: none was asked again.
        assert len(times) <= attempts[event["key"]] == event["n"]
        for first, second in pairwise(times):
            assert any(first - _LAG_S < moment < second for moment in kills)

    asked_again = len(arrivals) - turns
    left_open = attempts.total() - turns
    assert asked_again <= left_open <= len(kills) * under_way
    return asked_again
