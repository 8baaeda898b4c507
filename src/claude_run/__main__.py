"""The process: arguments in, exit code out. `--version` answers before anything else is imported."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from claude_run import __version__  # noqa: PLC0415 - the one thing that this answer needs

        try:
            sys.stdout.write(f"claude-run {__version__}\n")
            sys.stdout.close()
        except OSError as error:
            sys.exit(f"error: {error.strerror}")
        return
    from claude_run.cli.app import run_command_line  # noqa: PLC0415 - costs more than `--version` may

    sys.exit(run_command_line(sys.argv[1:]))


if __name__ == "__main__":
    main()
