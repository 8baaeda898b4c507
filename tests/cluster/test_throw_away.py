"""The cluster that the other tests join is there when they begin, and gone when they end."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.cluster.processes import processes_of
from tests.cluster.throw_away import started
from tests.support.command import execute
from tests.system.harness.workspace import until

_DRIVER = """
import sys
import ray

ray.init(sys.argv[1], log_to_driver=False, configure_logging=False, logging_level=40)
print(ray.get(ray.remote(lambda: __import__("os").environ["GIVEN"]).remote()), ray.cluster_resources()["CPU"])
"""


def test_a_driver_joins_and_nothing_is_left_behind(tmp_path: Path) -> None:
    """Workers see the variables that it was started with; then their processes and files are gone."""
    with started({"GIVEN": "by the node"}, cpus=2) as cluster:
        driver = [sys.executable, "-c", _DRIVER, cluster.address]
        result = execute(driver, cwd=tmp_path, env=cluster.environment)
        assert (result.code, result.stdout) == (0, "by the node 2.0\n"), result.stderr
        assert len(processes_of(cluster.pid)) > 2

    until(lambda: not processes_of(cluster.pid))
    assert not Path(cluster.environment["RAY_TMPDIR"]).exists()
