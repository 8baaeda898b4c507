"""The process: arguments in, exit code out. `--version` answers before the commands are imported."""

from __future__ import annotations

import sys

from claude_run.errors import ExitCode
from claude_run.process import LastingStream, open_streams


def main() -> None:
    """Run the command line and exit with its code."""
    open_streams()
    if sys.argv[1:] in (["--version"], ["-V"]):
        sys.exit(_print_version())
    from claude_run.cli.app import run_command_line  # noqa: PLC0415 - costs more than `--version` may

    sys.exit(run_command_line(sys.argv[1:]))


def _print_version() -> int:
    from claude_run import __version__  # noqa: PLC0415 - the one thing that this answer needs

    stdout = LastingStream(sys.stdout)
    stdout.write(f"claude-run {__version__}\n")
    stdout.flush()
    if stdout.failure is None:
        return ExitCode.PASSED
    LastingStream(sys.stderr).write(f"error: {stdout.failure.strerror}\n")
    return ExitCode.NOT_MEASURED


if __name__ == "__main__":
    main()
