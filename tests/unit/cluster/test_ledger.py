"""The money and the number of requests of a run on a cluster, whatever is lost, fails and is retried."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.conversation.events import Attempted
from claude_run.conversation.exchange import Failure
from claude_run.errors import ExitCode
from tests.unit.cluster.fakes import FakeApi, FakeCluster, FakeKit, MixedPrices, Network, echo
from tests.unit.play.fakes import FakeMessages, conversation, failure, user

if TYPE_CHECKING:
    from typing import Any

    from claude_run.conversation.exchange import Request

LOSSES = st.lists(
    st.tuples(st.integers(1, 200), st.integers(0, 2), st.sampled_from(["kill", "cut_off"])),
    min_size=2,
    max_size=8,
)
UNKNOWN = Failure(kind="connection", message="cut off", paid="maybe")


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    losses=LOSSES,
    cap=st.integers(4, 60),
    max_requests=st.none() | st.integers(1, 20),
    failing=st.sampled_from([0.0, 0.3, 0.8]),
    latest_s=st.sampled_from([0.002, 0.2]),
)
def test_what_is_spent_and_leased_stays_within_the_cap(  # noqa: PLR0913 - all that may differ
    *,
    seed: int,
    losses: list[tuple[int, int, str]],
    cap: int,
    max_requests: int | None,
    failing: float,
    latest_s: float,
) -> None:
    """By the API's own account at every moment, and by the journal, which agrees with the pace at the end.

    What nobody knows counts at its worst: requests of players that were lost, replies without a price,
    failures that may have been billed.
    """
    chance = Random(seed)  # noqa: S311 - for tests

    def answer(request: Request, number: int) -> dict[str, Any] | Failure:
        if chance.random() < failing:
            return chance.choice([failure(500), failure(429), UNKNOWN])
        return echo(request, number)

    network = Network(seed=seed, latest_s=latest_s)
    api = FakeApi(FakeMessages(answer=answer), network)
    api.prices = prices = MixedPrices()
    planned = [conversation(f"c{n}", user(f"{seed} of {n}"), user("second")) for n in range(5)]
    with tempfile.TemporaryDirectory() as folder:
        cluster = FakeCluster(
            kit=FakeKit(conversations=planned, api=api, prices=prices),
            folder=Path(folder),
            players=3,
            network=network,
            cap=Decimal(cap) / 100,
            max_requests=max_requests,
        )
        for step, player, fate in losses:
            network.at[step] = partial(cluster.lose, player, fate)
        halt = cluster.play()

        assert api.most_owed <= Decimal(cap) / 100
        assert cluster.booked_usd <= Decimal(cap) / 100
        assert cluster.spending.spent_usd == cluster.booked_usd
        attempts = sum(isinstance(event, Attempted) for event in cluster.events)
        assert len(cluster.requests) <= attempts <= (max_requests or attempts)
        assert cluster.driver.unfinished == 0 or (halt is not None and halt.code is ExitCode.CAPPED)
