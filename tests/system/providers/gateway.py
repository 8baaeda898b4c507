"""A gateway with a certificate of its own, and a proxy in front of it: real sockets, real TLS."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.support.scripted_server import RawServer
from tests.support.threaded import ThreadedServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NAME = "gateway.example"


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Return a certificate for the gateway's name, which nobody has signed, and its key."""
    certificate, key = folder / "gateway-ca.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


@dataclass(kw_only=True, eq=False)
class Gateway(RawServer):
    """A scripted server behind TLS."""

    certificate: tuple[Path, Path]

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[int]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificate)
        server = await asyncio.start_server(self._handle, "127.0.0.1", self.port, ssl=context)
        yield server.sockets[0].getsockname()[1]
        server.close()


@dataclass(kw_only=True, eq=False)
class Tunnels(ThreadedServer):
    """A proxy that makes tunnels, all of them to one port of this machine; `asked` are the heads it got."""

    to_port: int
    asked: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._tunnel, "127.0.0.1", self.port)
        yield server.sockets[0].getsockname()[1]
        server.close()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
            there, answer = await asyncio.open_connection("127.0.0.1", self.to_port)
            writer.write(b"HTTP/1.1 200 Tunnel\r\n\r\n")
            await asyncio.gather(_carry(reader, answer), _carry(there, writer))
        writer.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
        writer.close()
