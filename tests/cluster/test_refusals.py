"""What a cluster cannot do is told in one line, with what mends it, before anything is sent."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import claude_run
from tests.cluster.throw_away import started
from tests.cluster.workspace import ClusterWorkspace, credentials
from tests.support.command import COMMAND
from tests.support.scripted_server import RawServer, http
from tests.system.faults.api import Api, ok, scenario
from tests.system.harness.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.cluster.throw_away import RayCluster
    from tests.support.command import CommandResult
    from tests.system.harness.workspace import Workspace

_FILLER = """
import ray, sys
ray.init(sys.argv[1], log_to_driver=False, configure_logging=False, logging_level=40)
kept = [ray.put(bytes(1_000_000)) for _ in range(76)]
print("full", flush=True)
sys.stdin.read()
"""


def refusal(result: CommandResult, *, code: int = 3) -> str:
    """Return what a command says that was refused: one error, before it at most what it was about to do."""
    assert result.code == code, result.stderr
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if not line.startswith(("starting ", "joining "))]
    assert len(lines) == 1, result.stderr
    return lines[0]


@pytest.fixture
def written(workspace: Workspace) -> Workspace:
    """Return a workspace with a scenario."""
    workspace.write("s.yaml", scenario("a", "b"))
    return workspace


def test_workers_need_credentials_of_their_own(written: Workspace) -> None:
    """Those of whoever starts the run stay where they are."""
    with started(cpus=1) as cluster:
        on_cluster = ClusterWorkspace(workspace=written, cluster=cluster)
        told = refusal(on_cluster.run("s.yaml", env=credentials("http://127.0.0.1:9")))
    assert told.startswith("error: on ")
    assert "no API credentials were found: set ANTHROPIC_API_KEY" in told


def test_workers_have_the_same_version(written: Workspace, tmp_path: Path) -> None:
    """What one version has packed another one may misread."""
    package = tmp_path / "other" / "claude_run"
    shutil.copytree(Path(claude_run.__file__).parent, package)
    module = package / "__init__.py"
    module.write_text(module.read_text().replace(f'"{claude_run.__version__}"', '"0.0.1"'))
    with started({"PYTHONPATH": str(package.parent)}, cpus=1) as cluster:
        told = refusal(ClusterWorkspace(workspace=written, cluster=cluster).run("s.yaml", "--simulate"))
    assert "have claude-run 0.0.1 on Python" in told
    assert f"and here is claude-run {claude_run.__version__} on Python" in told
    assert "install the same everywhere" in told


@pytest.mark.parametrize("token", [None, "0" * 64], ids=["none", "another"])
def test_a_cluster_lets_in_only_who_has_its_token(
    written: Workspace, ray_cluster: RayCluster, token: str | None
) -> None:
    """It is told at once, and what to set."""
    environment = {} if token is None else {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    engine = f"ray://{ray_cluster.address}"
    running = written.spawn([str(COMMAND), "s.yaml", "--simulate", "--engine", engine], env=environment)
    assert "lets in only who has its token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to it" in refusal(
        running.wait()
    )


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("127.0.0.1:1", "no Ray cluster answers at 127.0.0.1:1 (Connection refused)"),
        ("nowhere.invalid:6379", "no Ray cluster answers at nowhere.invalid:6379 ("),
    ],
    ids=["port", "host"],
)
def test_an_address_where_nobody_answers(written: Workspace, address: str, told: str) -> None:
    """Ray itself would try for minutes."""
    running = written.spawn([str(COMMAND), "s.yaml", "--engine", f"ray://{address}"], env={})
    assert told in refusal(running.wait())


def test_a_server_that_is_no_cluster(written: Workspace) -> None:
    """Something answers, and not as Ray does."""
    with RawServer(respond=lambda _: http(b"What?", status=400)) as server:
        address = server.base_url.removeprefix("http://")
        running = written.spawn([str(COMMAND), "s.yaml", "--engine", f"ray://{address}"], env={})
        assert f"what answers at {address} is no Ray cluster" in refusal(running.wait())


def test_a_folder_whose_path_is_too_long_for_sockets(
    written: Workspace, ray_environment: Mapping[str, str]
) -> None:
    """A Ray that is started puts sockets into it."""
    long = written.folder / ("long" * 20)
    long.mkdir()
    environment = {**ray_environment, "RAY_TMPDIR": str(long)}
    running = written.spawn([str(COMMAND), "s.yaml", "--simulate", "--engine", "ray"], env=environment)
    assert "set RAY_TMPDIR to a folder whose path is shorter" in refusal(running.wait())


def test_no_home_is_needed(written: Workspace, ray_environment: Mapping[str, str]) -> None:
    """Nothing is written there, so that it need not be there."""
    environment = {**ray_environment, "HOME": "/nowhere"}
    command = [str(COMMAND), "s.yaml", "--simulate", "--engine", "ray", "-o", "out"]
    result = written.spawn(command, env=environment).wait()
    assert result.code == 0, result.stderr


def test_without_the_extra_it_is_said_what_to_install(written: Workspace) -> None:
    """An option that cannot be had here is the user's to mend."""
    (written.folder / "ray").mkdir()
    written.write("ray/__init__.py", "raise ImportError('there is no Ray')\n")
    environment = {"PYTHONPATH": str(written.folder)}
    running = written.spawn([str(COMMAND), "s.yaml", "--simulate", "--engine", "ray"], env=environment)
    assert "pip install 'claude-run[cluster]'" in refusal(running.wait(), code=2)


def test_a_full_object_store_ends_a_run_that_can_be_resumed(written: Workspace) -> None:
    """What was written down is used; nothing of it is asked again."""
    # Ray gives way to the disk where its memory is full; here there is no room on it either.
    full = '{"automatic_object_spilling_enabled": false, "local_fs_capacity_threshold": 0.001}'
    written.write("s.yaml", scenario(*"abcdefghij"))
    options = ("--object-store-memory=80000000", f"--system-config={full}")
    with (
        Api(answer=lambda _: ok("long " * 400_000)) as api,
        started(credentials(api.url), *options, cpus=1) as cluster,
    ):
        on_cluster = ClusterWorkspace(workspace=written, cluster=cluster)
        filler = [sys.executable, "-c", _FILLER, cluster.address]
        with subprocess.Popen(
            filler, env={**cluster.environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"full\n"
            result = on_cluster.run("s.yaml", "-o", "out")
            other.communicate(b"")
        assert result.code == 3, result.stderr
        assert "error: the object store of the Ray cluster is full" in result.stderr
        kept = {event["key"] for event in written.events("reply")}
        assert kept
        assert written.run("resume", "out", "--engine", "local", url=api.url).code == 0
    attempts = [event["key"] for event in written.events("attempt")]
    assert all(attempts.count(key) == 1 for key in kept)
