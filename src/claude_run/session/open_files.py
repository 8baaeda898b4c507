"""The limit of open files: how many requests it lets out at a time, and what is said when it is reached."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PER_REQUEST = 2
"""A request's socket, and its other end in the simulator or a second one while an address is tried."""

SPARE = 40
"""For the journal, the reports, certificates, the look-up of addresses, and processes of own checks."""

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


def affordable(wanted: int, warn: Callable[[str], None]) -> int:
    """Return how many requests may be under way at a time, at least one; fewer than wanted with a warning.

    The soft limit of this process is raised first, as far as that is needed and its hard limit allows.
    """
    taken = _open_now() + SPARE
    needed = taken + PER_REQUEST * wanted
    limit = _raised(needed)
    if limit >= needed:
        return wanted
    fit = max(1, (limit - taken) // PER_REQUEST)
    if fit < wanted:
        warn(
            f"warning: {limit} open files allow only {fit} requests at a time, not {wanted}:"
            f" raise the limit with `ulimit -n {needed}`, or pass -j {fit}"
        )
    return min(fit, wanted)


@contextmanager
def exhaustion_said_once(notify: Callable[[str], None]) -> Iterator[None]:
    """Say once that a server can take no further connection, in place of a traceback for each try.

    asyncio tries again by itself, and the client waits meanwhile: nothing is lost by it.
    """
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    said = False

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal said
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in _EXHAUSTED:
            if not said:
                notify(
                    f"warning: no further connection can be taken for now ({error.strerror}):"
                    " raise the limit with `ulimit -n`, or send fewer requests at a time"
                )
            said = True
        # What asyncio has planned after such an error comes too late where the server has ended since.
        elif said and "_start_serving" in str(context.get("message")):
            return
        elif before is not None:
            before(loop, context)
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)
    try:
        yield
    finally:
        # Once it was exhausted, what asyncio has planned may come until the loop itself ends.
        if not said:
            loop.set_exception_handler(before)


def _raised(needed: int) -> int:
    """Return the limit of open files, raised to what is needed as far as that is possible."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return needed if soft == resource.RLIM_INFINITY else soft
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return soft  # some systems have a lower limit than the hard one that they name
    return wanted


def _open_now() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208 - names are counted, not used
