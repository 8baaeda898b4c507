"""What the tests of a run on a cluster start from: Ray, which only `make test-cluster` has.

No module here imports Ray at its top, so that where Ray is not each test is counted and told as left out.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from tests.cluster.throw_away import keeping_to_itself, started

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.cluster.throw_away import RayCluster


@pytest.fixture(scope="session", autouse=True)
def ray_environment() -> Iterator[Mapping[str, str]]:
    """Return the variables for a command that starts a Ray of its own; skip where there is no Ray."""
    if find_spec("ray") is None:
        pytest.skip("Ray is not installed here: `make test-cluster` runs these")
    with keeping_to_itself() as environment:
        yield environment


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[RayCluster]:
    """Return a cluster that runs already, one for all tests that a process runs."""
    with started() as cluster:
        yield cluster
