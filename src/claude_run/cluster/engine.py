"""The only importer of Ray: starts or joins a cluster, and starts the actors of a run in it."""

from __future__ import annotations

import asyncio
import os
import pickle
import re
import secrets
import shutil
import sys
import tempfile
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claude_run.cluster.actors import ActorLostError
from claude_run.cluster.executor import Cluster, Seat
from claude_run.cluster.pace import Pace
from claude_run.cluster.player import Player, Versions
from claude_run.cluster.recorder import Recorder
from claude_run.errors import ClaudeRunError, CredentialsError, InputError, MeasureError, SetupError
from claude_run.text.visible import count as counted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from claude_run.cluster.actors import Actor
    from claude_run.cluster.player import Hello, Kit
    from claude_run.play.ports import Clock
    from claude_run.process import Signals

PLAN, KIT, CHECKS = "plan", "plan.pickle", "checks"
"""The folder that travels to the workers, and what it holds: the plan, and own checks by number."""

_RAISED = re.compile(r"(\w+\.)*\w*(Error|Exception): ")
_TOKENS_PLACE = ".ray/auth_token"
_HOW_TO_BRING_ONE = "set RAY_AUTH_TOKEN, or RAY_AUTH_TOKEN_PATH to the file that holds it"
_AT_ONCE = 100_000
"""Calls that an actor may have under way: whoever waits for a lease is one."""
_START_S = 120.0
_RETRY_S = 0.2
_TRIES = 50
_CHANCES = 5
_MOST_CHARACTERS = 20
"""Of a folder for temporary files: a socket's path may have 107, and Ray needs most of them."""
_STORE_BYTES = 200 * 2**20
_STORE_FULL = (
    "the object store of the Ray cluster is full: nothing more can be passed between its processes; make room"
    " there, or start it with a larger --object-store-memory, and go on with the run"
)


class ActorDeadError(ActorLostError):
    """An actor is gone for good; no process takes its place."""


class RayActor:
    """An actor of Ray; satisfies `cluster.actors.Actor`. It may be handed on to other actors."""

    def __init__(self, handle: Any) -> None:  # noqa: ANN401 - Ray has no types
        self.handle = handle

    async def call(self, method: str, *arguments: Any, **keywords: Any) -> Any:  # noqa: ANN401 - as the method
        from ray import exceptions  # noqa: PLC0415 - only the engine needs it

        try:
            return await getattr(self.handle, method).remote(*arguments, **keywords)
        except (exceptions.ObjectStoreFullError, exceptions.OutOfDiskError) as error:
            raise MeasureError(_STORE_FULL) from error
        except exceptions.RayTaskError as error:
            if isinstance(error.cause, ClaudeRunError):
                raise error.cause from None
            raise
        except exceptions.ActorDiedError as error:
            raise ActorDeadError(_why_dead(error)) from error
        except exceptions.RayError as error:
            raise ActorLostError(_first_line(error)) from error

    def end(self) -> None:
        self._kill(no_restart=True)

    def restart(self) -> None:
        self._kill(no_restart=False)

    def _kill(self, *, no_restart: bool) -> None:
        import ray  # noqa: PLC0415 - only the engine needs it

        with suppress(ValueError, ray.exceptions.RayError):  # it is gone already
            ray.kill(self.handle, no_restart=no_restart)


@asynccontextmanager
async def open_cluster(  # noqa: PLR0913 - keywords, but for where and what
    address: str | None,
    kit: Kit,
    checks: Sequence[Path],
    *,
    most: int,
    clock: Clock,
    signals: Signals,
    say: Callable[[str], None],
) -> AsyncIterator[Cluster]:
    """Start a cluster on this machine, or join the one at an address, with at most so many players.

    InputError without the extra; SetupError where the cluster cannot be used, CredentialsError where a worker
    has no credentials: nothing is sent before all is known to be there.
    """
    _bring_token(address)
    ray = _ray()
    if ray.is_initialized():
        raise InputError(
            "this program uses Ray already: play one run on a cluster at a time, and leave Ray to it"
        )
    made = Path(tempfile.mkdtemp(prefix="claude-run-", dir=_near()))
    remove = partial(shutil.rmtree, made, ignore_errors=True)
    try:
        with signals.undoing(remove):
            say(
                "starting Ray on this machine" if address is None else f"joining the Ray cluster at {address}"
            )
            _pack(made / PLAN, kit, checks)
            _connect(ray, address, made)
            cluster = await _start(ray, address, most=most, clock=clock, say=say)
        yield cluster
    finally:
        ray.shutdown()
        remove()


def _bring_token(address: str | None) -> None:
    """Give a Ray that is started here a token of its own; Ray looks for one once, when it is imported.

    Otherwise it would leave a file of it in the home folder. Who joins a cluster brings the user's.
    """
    environment = os.environ
    named = [name for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH") if environment.get(name)]
    if address is None and "ray" not in sys.modules and environment.get("RAY_AUTH_MODE", "token") == "token":
        environment["RAY_AUTH_MODE"] = "token"
        if not named:
            environment["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    elif address is not None and environment.get("RAY_AUTH_MODE") == "token":
        # Without one Ray ends this process, and says nothing that anybody hears.
        if named == ["RAY_AUTH_TOKEN_PATH"] and not _is_there(Path(environment["RAY_AUTH_TOKEN_PATH"])):
            raise SetupError(
                f"RAY_AUTH_TOKEN_PATH names {environment['RAY_AUTH_TOKEN_PATH']}, which is no file"
            )
        if not named and not _is_there(Path(environment.get("HOME") or "/") / _TOKENS_PLACE):
            raise SetupError(f"RAY_AUTH_MODE is token, and there is none: {_HOW_TO_BRING_ONE}")


def cluster_here() -> str:
    """Return the address of the one cluster of this machine; SetupError where there is none, or another."""
    services = _ray()._private.services  # noqa: SLF001 - it knows by the processes that run here
    found = sorted(services.find_gcs_addresses())
    if len(found) == 1:
        return str(found[0])
    there = ", ".join(f"ray://{each}" for each in found) or "none"
    raise SetupError(
        f"ray://auto is for the one Ray cluster of this machine, and here runs {there}: name one"
    )


def _is_there(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError:
        return False


def _ray() -> Any:  # noqa: ANN401 - Ray has no types
    # No figures about its use leave the machine.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # What is played is ours; what else a job brings along, such as packages, stays as it is.
    os.environ.setdefault("RAY_OVERRIDE_JOB_RUNTIME_ENV", "1")
    try:
        import ray  # noqa: PLC0415 - only who plays on a cluster has it
        import ray._private.worker  # noqa: PLC0415 - same
    except ImportError as error:
        raise InputError(
            "--engine ray needs the extra `cluster`: pip install 'claude-run[cluster]'"
        ) from error
    # It prints what befalls workers to stdout, where results go; what matters of it is told by the driver.
    ray._private.worker.listen_error_messages = lambda _worker, stopped: stopped.wait()  # noqa: SLF001 - no other way
    # It would end the process for SIGTERM at once; here what is under way may come to its end first.
    ray._private.utils.set_sigterm_handler = lambda _handler: None  # noqa: SLF001 - same
    return ray


def _pack(folder: Path, kit: Kit, checks: Sequence[Path]) -> None:
    """Lay out what travels to the workers: the plan with all that its files say, and the own checks."""
    from ray import cloudpickle  # noqa: PLC0415 - only who plays on a cluster has it

    folder.mkdir()
    (folder / KIT).write_bytes(cloudpickle.dumps(kit))
    for number, path in enumerate(checks):
        (folder / CHECKS / str(number)).mkdir(parents=True)
        shutil.copyfile(path, folder / CHECKS / str(number) / path.name)


def _connect(ray: Any, address: str | None, folder: Path) -> None:  # noqa: ANN401 - no types
    where: dict[str, Any] = {"address": address}
    if address is None:
        # Players are what this machine is to be busy with; Ray would have them give way to all else.
        os.environ.setdefault("RAY_worker_niceness", "0")
        where |= {
            # All that it keeps of the run lies in a folder that nobody else can enter, and is gone with it.
            "_temp_dir": str(folder / "ray"),
            "address": "local",
            "num_cpus": _cores(),
            "include_dashboard": False,
            "object_store_memory": _STORE_BYTES,
        }
    else:
        _greet(address)
    try:
        ray.init(
            **where,
            runtime_env={"working_dir": str(folder / PLAN)},
            log_to_driver=False,
            configure_logging=False,
            logging_level="ERROR",
        )
    except Exception as error:  # Ray raises whatever comes to hand
        raise SetupError(_no_cluster(address, error)) from error


def _greet(address: str) -> None:
    """Raise SetupError unless a cluster answers there, and to us: Ray would try for 20 s, and not say why."""
    from ray import exceptions  # noqa: PLC0415 - only who plays on a cluster has it
    from ray._raylet import GcsClient  # noqa: PLC0415 - same

    try:
        with _saying_nothing():
            GcsClient(address=address)
    except exceptions.AuthenticationError as error:
        raise SetupError(
            f"the Ray cluster at {address} lets in only who has its token: set RAY_AUTH_MODE=token, and"
            " RAY_AUTH_TOKEN to it, or RAY_AUTH_TOKEN_PATH to the file that holds it"
        ) from error
    except exceptions.RayError as error:
        raise SetupError(_no_cluster(address, error)) from error


@contextmanager
def _saying_nothing() -> Iterator[None]:
    """Keep from the user's terminal what the part of Ray writes to it that is not in Python."""
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


async def _start(
    ray: Any,  # noqa: ANN401 - no types
    address: str | None,
    *,
    most: int,
    clock: Clock,
    say: Callable[[str], None],
) -> Cluster:
    count = min(most, await _free_cores(ray))
    here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
        ray.get_runtime_context().get_node_id(), soft=False
    )
    single = {"num_cpus": 0, "max_concurrency": _AT_ONCE, "max_restarts": 0, "max_task_retries": 0}
    pace = RayActor(ray.remote(Pace).options(**single, scheduling_strategy=here).remote(clock))
    recorder = RayActor(ray.remote(Recorder).options(**single, scheduling_strategy=here).remote())
    player = ray.remote(Player).options(
        num_cpus=1,
        max_concurrency=_AT_ONCE,
        max_restarts=-1,
        max_task_retries=0,
        scheduling_strategy="SPREAD",
    )
    actors = [RayActor(player.remote(clock)) for _ in range(count)]
    setup = _Setup(is_ours=address is None)
    hellos = await asyncio.gather(*map(setup.ready, actors))
    for line in setup.said:
        say(line)
    machines = len({hello.node for hello in hellos})
    say(f"playing on Ray: {counted(count, 'player')} on {counted(machines, 'machine')}")
    seats = [Seat(actor=actor, hello=hello) for actor, hello in zip(actors, hellos, strict=True)]
    return Cluster(seats=seats, pace=pace, recorder=recorder, ready=setup.ready)


@dataclass(slots=True, kw_only=True)
class _Setup:
    """Makes players ready; what they say meanwhile all say. A cluster that we started `is_ours`."""

    is_ours: bool
    said: dict[str, None] = field(default_factory=dict)

    async def ready(self, actor: Actor, lost: str | None = None) -> Hello:
        """Set a player up; one that is lost on the way is started anew by Ray, and set up again."""
        for chances in reversed(range(_CHANCES)):
            try:
                return await self._set_up(actor, lost)
            except ActorLostError as error:
                if isinstance(error, ActorDeadError) or not chances:
                    raise
        raise AssertionError("the last chance returns or raises")

    async def _set_up(self, actor: Actor, lost: str | None) -> Hello:
        hello = await _answering(actor, lost)
        if hello.versions != Versions.here():
            raise SetupError(
                f"the workers on {hello.node} have {hello.versions}, and here is {Versions.here()}: install"
                " the same everywhere"
            )
        try:
            self.said.update(dict.fromkeys(await actor.call("set_up", load_kit)))
        except ActorLostError:
            raise
        except CredentialsError as error:
            where = "" if self.is_ours else "; workers have the environment of `ray start` on their machine"
            raise CredentialsError(f"on {hello.node}: {error}{where}") from error
        except ClaudeRunError as error:
            raise type(error)(f"on {hello.node}: {error}") from error
        return hello


async def _free_cores(ray: Any) -> int:  # noqa: ANN401 - no types
    """Return how many cores nobody uses: what has just been started is counted a little later."""
    for _ in range(_TRIES):
        if (free := int(ray.available_resources().get("CPU", 0))) > 0:
            return free
        await asyncio.sleep(_RETRY_S)
    raise SetupError("no core of the Ray cluster is free: each player takes one")


async def _answering(actor: Actor, lost: str | None) -> Hello:
    """Return who an actor is as soon as it answers, and is no more the player that was lost."""
    loop = asyncio.get_running_loop()
    end = loop.time() + _START_S
    while True:
        try:
            hello: Hello = await asyncio.wait_for(actor.call("hello"), end - loop.time())
            if hello.player != lost:
                return hello
            actor.restart()
        except TimeoutError:
            raise SetupError(f"a worker did not start within {_START_S:g} s") from None
        except ActorLostError as error:
            if isinstance(error, ActorDeadError) or loop.time() >= end:
                raise SetupError(f"a worker does not start: {error}") from error
        await asyncio.sleep(_RETRY_S)


def _near() -> str | None:
    """Return a folder for temporary files whose path leaves room for Ray's sockets; None for the usual."""
    if named := os.environ.get("RAY_TMPDIR"):
        return named
    return None if len(tempfile.gettempdir()) <= _MOST_CHARACTERS else "/tmp"  # noqa: S108 - we make our own in it


def _cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def own_checks_here() -> tuple[Path, ...]:
    """Return the files with own checks that have travelled to the worker that calls this."""
    folders = sorted(Path(CHECKS).glob("*"), key=lambda each: int(each.name))
    return tuple(path.resolve() for folder in folders for path in folder.iterdir())


def _no_cluster(address: str | None, error: Exception) -> str:
    if "Version mismatch" in str(error):
        # Ray wants the same of itself and of Python, to the last figure.
        return f"{' '.join(str(error).split())}: install the same versions on all machines"
    where = "on this machine" if address is None else f"at {address}"
    told = f"Ray cannot be used {where}: {_first_line(error)}"
    if address is None:
        short = "; set RAY_TMPDIR to a folder whose path is shorter" if "AF_UNIX path" in told else ""
        return told + short
    return (
        f"{told}; start the run on a machine of the cluster, with the HOST:PORT that `ray start` names there"
    )


def _why_dead(error: Exception) -> str:
    """Return why an actor is gone: what it raised itself, where it was that."""
    raised = [line for line in str(error).splitlines() if _RAISED.match(line)]
    if any("No module named 'claude_run'" in line for line in raised):
        return "claude-run is not installed there: install the same version, with the extra `cluster`"
    return raised[-1] if raised else _first_line(error)


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def load_kit() -> Kit:
    """Return what travelled to the worker that calls this, by its current folder."""
    kit: Kit = pickle.loads(Path(KIT).read_bytes())  # noqa: S301 - the driver has packed it
    return kit
