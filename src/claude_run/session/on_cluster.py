"""A run on a cluster: what travels to the players, and how the journal is lent to its writer there."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.errors import SetupError
from claude_run.play.runner import PlayContext
from claude_run.play.sender import Sender
from claude_run.session.connect import connect
from claude_run.session.open_files import affordable
from claude_run.session.own_check_files import OwnCheckFiles
from claude_run.session.own_checks import OwnCheckProcesses
from claude_run.session.world import ListPrices, SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractAsyncContextManager, AsyncExitStack

    from claude_run.checks.registry import Registry
    from claude_run.cluster.executor import Cluster
    from claude_run.cluster.player import PlayerPorts
    from claude_run.conversation.script import Conversation
    from claude_run.play.ports import Deadlines
    from claude_run.record.redact import Redactor
    from claude_run.session.request import RunRequest
    from claude_run.session.world import World

_SCHEME = "ray://"
_HOST_PORT = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}")
_CLIENT_PORT = 10001
_REACH_S = 5.0
_WHERE_TO = "write the address that `ray start --head` says, or --engine ray without RAY_ADDRESS for one here"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayersKit:
    """What the players of a run play, and with what; satisfies `cluster.player.Kit`.

    It holds no credential: each machine has its own, in the environment of its workers.
    """

    request: RunRequest
    conversations: Sequence[Conversation]
    registry: Registry
    accepted: Callable[[Conversation, int], str | None]
    deadlines: Deadlines

    async def connect(
        self, stack: AsyncExitStack, redactor: Redactor, say: Callable[[str], None]
    ) -> Callable[[PlayerPorts], PlayContext]:
        from claude_run.cluster.engine import own_checks_here  # noqa: PLC0415 - only a player comes here

        request, clock = self.request, SystemClock()
        # As many files as it may open, for whatever share of the requests comes to this player.
        affordable(request.concurrency, lambda _warning: None)
        # What cannot be loaded here is known before anything is paid for.
        files = OwnCheckFiles.of(own_checks_here())
        if request.own_checks:
            files.describe()
        connected = await connect(request, self.conversations, stack, redactor=redactor, warn=say)
        own_checks = OwnCheckProcesses(
            files, limit_s=request.check_limit_s, clock=clock, tell=say, redactor=redactor
        )
        stack.callback(own_checks.end)

        def context(ports: PlayerPorts) -> PlayContext:
            return PlayContext(
                sender=Sender(
                    messages=connected.messages,
                    recording=ports.recording,
                    prices=ListPrices(),
                    pace=ports.pace,
                    stop=ports.stop,
                    clock=clock,
                    progress=ports.progress,
                    deadlines=self.deadlines,
                ),
                recorder=ports.recorder,
                registry=self.registry,
                stop=ports.stop,
                clock=clock,
                accepted=self.accepted,
                own_checks=own_checks,
                ask_again=ports.ask_again,
            )

        return context


def cluster_of(
    kit: PlayersKit, world: World, say: Callable[[str], None]
) -> AbstractAsyncContextManager[Cluster]:
    """Return the cluster that a request names, with players that are ready for its conversations."""
    from claude_run.cluster.engine import cluster_here, open_cluster  # noqa: PLC0415 - Ray is an extra

    request = kit.request
    address = _address(request.engine)
    if address == "auto":
        address = cluster_here()
    if address is not None:
        _refuse_unreachable(address)
    players = max(1, min(request.concurrency, len(kit.conversations)))
    return open_cluster(
        address,
        kit,
        request.own_checks,
        most=players,
        clock=world.clock,
        signals=world.signals,
        say=say,
    )


def _address(engine: str) -> str | None:
    """Return the HOST:PORT of the cluster that is asked for, or `auto`; None for one that is started here.

    SetupError for an environment that names none.
    """
    if named := engine.removeprefix("ray").removeprefix(_SCHEME.removeprefix("ray")):
        return named
    named = os.environ.get("RAY_ADDRESS", "").strip()
    if named in {"", "local"}:
        return None
    if named == "auto" or _HOST_PORT.fullmatch(named):
        return named
    hint = "HOST:PORT as `ray start --head` names it, or nothing for a Ray of its own on this machine"
    if named.startswith(_SCHEME):
        hint = (
            "the address of Ray's client: the journal is written where the run starts, so start it on a"
            f" machine of the cluster, with {hint}"
        )
    elif "://" in named:
        hint = f"the address of a dashboard: take {hint}"
    else:
        hint = f"no address: take {hint}"
    raise SetupError(f"RAY_ADDRESS is {named!r}, {hint}")


def _refuse_unreachable(address: str) -> None:
    """Raise SetupError where nobody listens: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH_S) as connection:
            answers = _speaks_http2(connection)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SetupError(f"no Ray cluster answers at {address} ({reason}): {_WHERE_TO}") from error
    if not answers:
        raise SetupError(f"what answers at {address} is no Ray cluster: {_WHERE_TO}")


def _speaks_http2(connection: socket.socket) -> bool:
    """Return whether a server answers a greeting of HTTP/2, as gRPC begins with, by its settings."""
    if os.environ.get("RAY_USE_TLS", "0").lower() not in {"", "0", "false"}:
        return True  # it takes another greeting
    settings = b"\0\0\0\4\0\0\0\0\0"
    connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings)
    try:
        return connection.recv(len(settings))[3:4] == settings[3:4]
    except (TimeoutError, ConnectionError):
        return False
