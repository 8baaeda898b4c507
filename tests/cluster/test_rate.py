"""Four players share one rate: that which the headers of the replies tell, whichever of them has got it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.throw_away import started
from tests.cluster.workspace import ClusterWorkspace, credentials, talk
from tests.support.limited_server import LimitedServer, most_within, times_asked

if TYPE_CHECKING:
    from tests.system.harness.workspace import Workspace

PER_MINUTE = 3000
WINDOW_S = 10.0
WITHIN_WINDOW = PER_MINUTE * WINDOW_S / 60
CONVERSATIONS = 400


def test_the_limit_is_kept_and_used(workspace: Workspace) -> None:
    """No window has more requests than the limit allows, hardly any is refused, and all are answered."""
    workspace.write("talk.yaml", talk(CONVERSATIONS))
    with (
        LimitedServer(folder=workspace.folder, requests_per_minute=PER_MINUTE) as api,
        started(credentials(api.base_url)) as cluster,
    ):
        on_cluster = ClusterWorkspace(workspace=workspace, cluster=cluster)
        result = on_cluster.run("talk.yaml", "-o", "out", "-q", "-j", "100", at_most_s=120)
        arrivals = api.arrivals()
    assert result.code == 0, result.stderr
    assert 0.7 * WITHIN_WINDOW < most_within(WINDOW_S, arrivals) <= 1.02 * WITHIN_WINDOW
    refused = times_asked(arrivals, status=429).total()
    assert refused < 0.01 * len(arrivals)
    assert set(times_asked(arrivals, status=200).values()) == {1}
    assert len(arrivals) == 3 * CONVERSATIONS + refused
