"""What the tests of a run on a cluster start from: Ray, which only `make test-cluster` has.

No module here imports Ray at its top, so that where Ray is not each test is counted and told as left out.
"""

from __future__ import annotations

import signal
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from tests.cluster.throw_away import keeping_to_itself, started
from tests.cluster.workspace import ClusterWorkspace, credentials, echo
from tests.system.faults.api import Api, ok
from tests.system.harness.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.cluster.throw_away import RayCluster
    from tests.system.harness.fork_server import ForkServer
    from tests.system.harness.workspace import Workspace


@pytest.fixture(scope="session", autouse=True)
def ray_environment() -> Iterator[Mapping[str, str]]:
    """Return the variables for a command that starts a Ray of its own; skip where there is no Ray."""
    if find_spec("ray") is None:
        pytest.skip("Ray is not installed here: `make test-cluster` runs these")
    with keeping_to_itself() as environment:
        yield environment


@pytest.fixture(scope="session", autouse=True)
def _signals_are_not_ignored() -> None:
    """Let commands take SIGINT, though the tests may run in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def workspace(tmp_path: Path, fork_server: ForkServer) -> Iterator[Workspace]:
    """Return a folder to run the real command in; the key must not be found in it afterwards."""
    with open_workspace(tmp_path, fork_server) as opened:
        yield opened


@pytest.fixture(scope="session")
def served_api(ray_environment: Mapping[str, str]) -> Iterator[Api]:  # noqa: ARG001 - skips where there is no Ray
    """Return the API that the workers of `ray_cluster` ask."""
    with Api(answer=lambda _: ok()) as server:
        yield server


@pytest.fixture(scope="session")
def ray_cluster(served_api: Api) -> Iterator[RayCluster]:
    """Return a cluster that runs already, one for all tests that a process runs."""
    with started(credentials(served_api.url)) as cluster:
        yield cluster


@pytest.fixture
def api(served_api: Api) -> Api:
    """Return that API, which answers by the request alone and has forgotten what came before."""
    served_api.reset(echo)
    return served_api


@pytest.fixture
def on_cluster(workspace: Workspace, ray_cluster: RayCluster) -> ClusterWorkspace:
    """Return what runs the command on that cluster."""
    return ClusterWorkspace(workspace=workspace, cluster=ray_cluster)
