"""The real command, monitored: what it asked of the network, what it loaded, its memory, in `monitored.json`.

python -m tests.system.harness.monitored_command -- ARGUMENTS
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

WATCHED_EVENTS = {
    "socket.connect",
    "socket.getaddrinfo",
    "socket.sendto",
    "socket.gethostbyname",
    "socket.bind",
}


def main() -> int:
    """Run the command; leave what it asked of the network, whether it loaded the SDK, its peak memory."""
    asked: list[str] = []

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event in WATCHED_EVENTS:
            asked.append(f"{event} {arguments[1:]!r}")

    sys.addaudithook(watch)
    from claude_run.cli.app import run_command_line  # noqa: PLC0415 - its imports are watched too

    code = run_command_line(sys.argv[sys.argv.index("--") + 1 :])
    heavy = sorted({"anthropic", "aiohttp"} & set(sys.modules))
    seen = {"asked": asked, "loaded": heavy, "peak_mib": _peak_mib()}
    Path("monitored.json").write_text(json.dumps(seen), encoding="ascii")
    return code


def _peak_mib() -> int:
    """Return the most memory that was resident at once; `getrusage` counts the parent's before `exec`."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    sys.exit(main())
