"""The reference page of the command line, from the Typer app and the exit codes."""

from __future__ import annotations

import typer.main
from typer.testing import CliRunner

from claude_run.cli.app import app
from claude_run.errors import PRECEDENCE, ExitCode
from tests.docs.tables import table

_HEAD = """\
# Command line

A first argument that is not a command means `run`: `claude-run scenarios/foo.yaml` plays a scenario. Paths,
folders and globs mix. `foo.yaml:12` is the case whose text line 12 lies in, and the whole scenario where it
lies in none; a column may follow, as in messages. Results go to stdout, all talk to stderr; with `--json`
stdout holds JSON only. `claude-run --version` prints the version.
"""

_MEANING = {
    ExitCode.PASSED: "all passed",
    ExitCode.FAILED: "a check failed, in more repeats than `pass_rate` allows; or the gate says regressed",
    ExitCode.USAGE: "a scenario or an option is wrong; nothing was sent",
    ExitCode.NOT_MEASURED: "something could not be measured: API, network, disk",
    ExitCode.CAPPED: "stopped by a cap on cost or time",
    ExitCode.NOTHING_SELECTED: "the options select nothing",
    ExitCode.BUG: "a bug of claude-run; it says where the details were written",
    ExitCode.HUNG_UP: "SIGHUP (the terminal was closed), after a graceful stop",
    ExitCode.INTERRUPTED: "SIGINT (Ctrl-C), after a graceful stop",
    ExitCode.TERMINATED: "SIGTERM, after a graceful stop",
}

_ENVIRONMENT = """\
## Environment

| variable | does |
| --- | --- |
| `ANTHROPIC_API_KEY` | the key; the SDK's other ways to log in work too |
| `ANTHROPIC_AUTH_TOKEN` | a token in place of the key, for a [gateway](../how-to/behind-a-gateway.md) |
| `ANTHROPIC_CUSTOM_HEADERS` | headers of every request, one `Name: value` a line |
| `ANTHROPIC_BASE_URL` | another server that speaks the Messages API; set to nothing it counts as unset |
| `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY` | an http proxy (no SOCKS), and hosts that need none |
| `SSL_CERT_FILE`, `SSL_CERT_DIR` | the certificates to trust in place of the system's |
| `CI` | where it is set, baselines are read and never written, and progress is told in lines |
| `GITHUB_STEP_SUMMARY` | the file that the summary of a run is appended to |
| `GITHUB_ACTIONS` | where it is `true`, annotations go to stderr, for whatever any command ends with |
| `NO_COLOR`, `FORCE_COLOR`, `CLICOLOR_FORCE` | colours of the terminal; `--color` wins over them |

With `--simulate` none of those above `CI` is read. The variables of `--provider` stand in
[its how-to](../how-to/providers.md); `--env-file` reads variables from [a file](env-file.md).
"""


def page() -> str:
    """Return docs/reference/cli.md."""
    return "\n".join([_HEAD, _help(), *map(_command, commands()), _exit_codes(), _ENVIRONMENT])


def commands() -> tuple[str, ...]:
    """Return the names of all commands, in the order of the help text."""
    group = typer.main.get_group(app)
    return tuple(group.commands)


def _command(name: str) -> str:
    return f"## claude-run {name}\n\n{_help(name)}"


def _help(*arguments: str) -> str:
    # COLUMNS holds the width, whatever terminal this runs in.
    runner = CliRunner(env={"COLUMNS": "100", "NO_COLOR": "1"})
    result = runner.invoke(app, [*arguments, "--help"], prog_name="claude-run")
    text = "\n".join(line.rstrip() for line in result.output.strip().splitlines())
    return f"```text\n{text}\n```\n"


def _exit_codes() -> str:
    rows = [[str(int(code)), _MEANING[code]] for code in ExitCode]
    order = " > ".join(str(int(code)) for code in PRECEDENCE)
    return "\n".join(
        [
            "## Exit codes\n",
            table(["code", "meaning"], rows),
            f"\nWhere several hold, the first of these wins: {order}.\n",
        ]
    )
