"""A Messages API with a rate limit, in a process of its own that outlives those who load it.

Several processes may do so at once:

    python -m tests.support.limited_server arrivals.jsonl --requests-per-minute 6000 --latency-s 0.05

It prints its address. Equal requests get equal replies. Each arrival becomes a line of the file before it is
answered: when, in seconds of the machine's monotonic clock, the digest of what was asked, and the status.

The limit of each model is a bucket of tokens that holds those of a minute, as the headers tell, and over any
second it lets in a tenth more than a sixtieth of it. What is refused counts against nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import math
import os
import subprocess
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.support.scripted_server import events_of, message_for, sse

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

ROOT = Path(__file__).parents[2]
TOLERANCE = 1.1
MINUTE_S = 60.0
_TOKENS = {"tokens": 12_000_000, "input-tokens": 10_000_000, "output-tokens": 2_000_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One request as the server has seen it."""

    at_s: float
    key: str
    status: int


@dataclass(kw_only=True, eq=False)
class LimitedServer:
    """A context manager around the process; its arrivals can be read at any time, and afterwards."""

    folder: Path
    requests_per_minute: int
    latency_s: float = 0.05

    @property
    def base_url(self) -> str:
        """Where it listens, for `ANTHROPIC_BASE_URL`."""
        return self._base_url

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.support.limited_server", str(self._log)]
        command += ["--requests-per-minute", str(self.requests_per_minute)]
        command += ["--latency-s", str(self.latency_s)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._base_url = self._process.stdout.readline().strip()
        assert self._base_url, "the server of the tests did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def arrivals(self) -> Sequence[Arrival]:
        """Return all requests so far, in the order of their arrival."""
        return [Arrival(**json.loads(line)) for line in self._log.read_text().splitlines()]

    def count(self) -> int:
        """Return how many there were so far."""
        return self._log.read_bytes().count(b"\n")

    @property
    def _log(self) -> Path:
        return self.folder / "arrivals.jsonl"


def most_within(seconds: float, arrivals: Sequence[Arrival]) -> int:
    """Return how many requests the fullest window has, whatever they were answered."""
    most = first = 0
    for number, last in enumerate(arrivals):
        while arrivals[first].at_s < last.at_s - seconds:
            first += 1
        most = max(most, number + 1 - first)
    return most


def times_asked(arrivals: Sequence[Arrival], *, status: int | None = None) -> Counter[str]:
    """Return how often each request came, or how often it was answered with this status."""
    return Counter(each.key for each in arrivals if status is None or each.status == status)


@dataclass(kw_only=True)
class Limit:
    """The limit of one model. `now` is in seconds of the monotonic clock."""

    per_minute: int
    tokens: float
    filled_at: float
    let_in: deque[float] = field(default_factory=deque)

    def refuses_s(self, now: float) -> float:
        """Let a request in, or return for how many seconds it is refused."""
        a_second = self.per_minute / MINUTE_S
        self.tokens = min(self.per_minute, self.tokens + a_second * (now - self.filled_at))
        self.filled_at = now
        while self.let_in and self.let_in[0] <= now - 1:
            self.let_in.popleft()
        if len(self.let_in) >= math.ceil(TOLERANCE * a_second):
            return self.let_in[0] + 1 - now
        if self.tokens < 1:
            return (1 - self.tokens) / a_second
        self.tokens -= 1
        self.let_in.append(now)
        return 0.0

    def headers(self) -> dict[str, str]:
        """Return what an answer says of it; the bucket is full again at its reset."""
        full_s = (self.per_minute - self.tokens) * MINUTE_S / self.per_minute
        reset = datetime.now(UTC) + timedelta(seconds=math.ceil(full_s))
        told = {"requests": (self.per_minute, int(self.tokens))}
        told |= {kind: (limit, limit) for kind, limit in _TOKENS.items()}
        names = "anthropic-ratelimit"
        return {
            name: value
            for kind, (limit, remaining) in told.items()
            for name, value in (
                (f"{names}-{kind}-limit", str(limit)),
                (f"{names}-{kind}-remaining", str(remaining)),
                (f"{names}-{kind}-reset", reset.strftime("%Y-%m-%dT%H:%M:%SZ")),
            )
        }


class _Api:
    """What answers; each arrival goes into the file at once, so that it is there whoever is killed."""

    def __init__(self, log: Path, *, requests_per_minute: int, latency_s: float) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._requests_per_minute = requests_per_minute
        self._latency_s = latency_s
        self._limits: dict[str, Limit] = {}

    async def answer(self, request: web.BaseRequest) -> web.Response:
        body: dict[str, Any] = json.loads(await request.read())
        streamed = body.pop("stream", False)
        key = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        now = time.monotonic()
        limit = self._limit(body["model"], now)
        refused_s = limit.refuses_s(now)
        status = 429 if refused_s else 200
        os.write(self._log, b'{"at_s": %.6f, "key": "%s", "status": %d}\n' % (now, key.encode(), status))
        headers = {"request-id": f"req_{key[:20]}", **limit.headers()}
        if refused_s:
            headers["retry-after"] = str(math.ceil(refused_s))
            error = {"type": "rate_limit_error", "message": "This request would exceed the rate limit."}
            return _json({"type": "error", "error": error}, status=429, headers=headers)
        await asyncio.sleep(self._latency_s)
        reply = message_for(body)
        if not streamed:
            return _json(reply, headers=headers)
        return web.Response(body=sse(events_of(reply)), content_type="text/event-stream", headers=headers)

    def _limit(self, model: str, now: float) -> Limit:
        if model not in self._limits:
            per_minute = self._requests_per_minute
            self._limits[model] = Limit(per_minute=per_minute, tokens=per_minute, filled_at=now)
        return self._limits[model]


def _json(value: object, *, status: int = 200, headers: dict[str, str]) -> web.Response:
    content = json.dumps(value).encode()
    return web.Response(body=content, status=status, content_type="application/json", headers=headers)


async def main(arguments: argparse.Namespace) -> None:
    """Serve until the process is ended."""
    api = _Api(
        arguments.log,
        requests_per_minute=arguments.requests_per_minute,
        latency_s=arguments.latency_s,
    )
    runner = web.ServerRunner(web.Server(api.answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    host, port = runner.addresses[0]
    print(f"http://{host}:{port}", flush=True)  # noqa: T201 - whoever started it reads the address
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("log", type=Path)
    parser.add_argument("--requests-per-minute", type=int, required=True)
    parser.add_argument("--latency-s", type=float, default=0.05)
    asyncio.run(main(parser.parse_args()))
