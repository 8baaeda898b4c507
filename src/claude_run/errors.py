"""The exceptions that a user may meet; anything else that escapes is a bug of ours.

    ClaudeRunError
    ├── InputError           a scenario, case file or option is wrong: nothing was sent (exit 2)
    ├── MeasureError         something could not be measured: API, network, disk (exit 3)
    │   ├── CredentialsError no way to authenticate was found
    │   └── StorageError     the run folder cannot be written or read
    └── SelectionError       the options select nothing (exit 5)

A failed check is data (`conversation.results.CheckResult`), never an exception.
"""


class ClaudeRunError(Exception):
    """Base of every error whose text is written for the user: what, where, and how to mend it."""


class InputError(ClaudeRunError):
    """The user's files or options are wrong."""


class MeasureError(ClaudeRunError):
    """Something could not be measured."""


class CredentialsError(MeasureError):
    """No API credentials were found, or they were refused."""


class StorageError(MeasureError):
    """A run folder cannot be created, written or read."""


class SelectionError(ClaudeRunError):
    """The options select no conversation."""
