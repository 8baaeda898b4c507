"""The process: arguments in, exit code out. `--version` answers before the commands are imported."""

from __future__ import annotations

import sys

from claude_run.errors import ExitCode
from claude_run.process import LastingStream, Signals, open_streams, relax_collector


def main() -> None:
    """Run the command line and exit with its code."""
    # Streams and signals first: from here on the process ends with an exit code that says why.
    open_streams()
    signals = Signals()
    signals.listen()
    relax_collector()
    if sys.argv[1:] in (["--version"], ["-V"]):
        sys.exit(_print_version())
    from claude_run.cli.app import run_command_line  # noqa: PLC0415 - costs more than `--version` may
    from claude_run.session.world import World  # noqa: PLC0415 - same

    code = run_command_line(sys.argv[1:], World(signals=signals))
    signals.close()
    sys.exit(signals.code or code)


def _print_version() -> int:
    from claude_run import __version__  # noqa: PLC0415 - the one thing that this answer needs

    stdout = LastingStream(sys.stdout)
    stdout.write(f"claude-run {__version__}\n")
    stdout.flush()
    if stdout.failure is None:
        return ExitCode.PASSED
    LastingStream(sys.stderr).write(f"error: stdout: {stdout.failure.strerror}\n")
    return ExitCode.NOT_MEASURED


if __name__ == "__main__":
    main()
