"""Exit codes, and the exceptions that a user may meet; anything else that escapes is a bug of ours.

    ClaudeRunError
    ├── InputError           a scenario, case file or option is wrong: nothing was sent (exit 2)
    ├── MeasureError         something could not be measured: API, network, disk (exit 3)
    │   ├── CredentialsError no way to authenticate was found
    │   ├── SetupError       the environment names no way to the API that can be used
    │   └── StorageError     the run folder cannot be written or read
    └── SelectionError       the options select nothing (exit 5)

A failed check is data (`conversation.results.CheckResult`), never an exception.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process tells CI. Where several hold, the first of `PRECEDENCE` wins."""

    PASSED = 0
    FAILED = 1
    USAGE = 2
    NOT_MEASURED = 3
    CAPPED = 4
    NOTHING_SELECTED = 5
    BUG = 70
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


PRECEDENCE = (
    ExitCode.INTERRUPTED,
    ExitCode.TERMINATED,
    ExitCode.HUNG_UP,
    ExitCode.BUG,
    ExitCode.USAGE,
    ExitCode.NOT_MEASURED,
    ExitCode.CAPPED,
    ExitCode.FAILED,
    ExitCode.NOTHING_SELECTED,
    ExitCode.PASSED,
)


class ClaudeRunError(Exception):
    """Base of every error whose text is written for the user: what, where, and how to mend it."""

    exit_code = ExitCode.BUG
    prefix = "error: "

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines to show. Whatever a text holds it is one, unless the error itself makes several."""
        return (str(self),)

    @property
    def told(self) -> tuple[str, ...]:
        """The lines as a command shows them."""
        first, *more = self.lines
        return (f"{self.prefix}{first}", *more)


class InputError(ClaudeRunError):
    """The user's files or options are wrong."""

    exit_code = ExitCode.USAGE


class MeasureError(ClaudeRunError):
    """Something could not be measured."""

    exit_code = ExitCode.NOT_MEASURED


class CredentialsError(MeasureError):
    """No API credentials were found, or they were refused."""


class SetupError(MeasureError):
    """An address, a proxy or a certificate file of the environment cannot be used."""


class StorageError(MeasureError):
    """A run folder cannot be created, written or read."""


class SelectionError(ClaudeRunError):
    """The options select no conversation."""

    exit_code = ExitCode.NOTHING_SELECTED
