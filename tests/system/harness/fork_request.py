"""What the process that forks is told: a command to run in a world of its own, or a child to wait for."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field

ESCAPED = 99
"""The exit code of a child that an exception got out of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A command to run, or a child to wait for.

    `crash_at` and `tear` are those of `CrashingDisk`, `fault_at`, `fault_code` and `short` those of
    `FaultDisk`; `count_to` is a file for the names of the disk's operations. `file_size` is the largest file
    that the process may write, in bytes. `streams` are the files for stdout and stderr. The disk is not
    waited for, since no test loses power, but where `durable` says so.
    """

    wait: int = 0
    arguments: list[str] = field(default_factory=list)
    folder: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    streams: tuple[str, str] = (os.devnull, os.devnull)
    crash_at: int = 0
    tear: bool = False
    fault_at: int = 0
    fault_code: int = 0
    short: bool = False
    count_to: str = ""
    file_size: int = 0
    durable: bool = False

    def to_line(self) -> str:
        """Return the order as it is written to the zygote."""
        return json.dumps(asdict(self)) + "\n"
