"""The commands and their options; each body hands over to the module of its command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from claude_run.cli.options import RunOptions, check_combination, read_duration, read_money, read_overrides
from claude_run.errors import InputError

if TYPE_CHECKING:
    from claude_run.cli.wiring import World

RUN = "run"

app = typer.Typer(
    name="claude-run",
    help=(
        "Play scripted multi-turn conversations with Claude, check every reply, account for every token.\n\n"
        "claude-run scenarios/foo.yaml plays a scenario: a first argument that is no command means run."
    ),
    epilog=(
        "Exit codes: 0 all passed; 1 a check failed; 2 invalid scenario or option, nothing was sent;"
        " 3 something could not be measured; 4 stopped by a cap; 5 nothing selected; 70 a bug of claude-run;"
        " 130/143 interrupted."
    ),
    add_completion=True,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Paths = Annotated[list[str], typer.Argument(metavar="PATH...", help="Scenario files, folders or globs.")]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "-m", "--model", help="Model to play, instead of the scenario's; repeatable; name=ID labels it."
    ),
]
Repeat = Annotated[
    int | None, typer.Option("-n", "--repeat", min=1, help="Play each conversation so many times.")
]
Expression = Annotated[
    str | None,
    typer.Option(
        "-k", metavar="EXPR", help="Only conversations whose id, tags or model match: 'refund and not sofa'."
    ),
]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="Only scenarios with this tag; repeatable.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Set a variable; repeatable.")
]
Shard = Annotated[str | None, typer.Option("--shard", metavar="I/N", help="Only the I-th of N equal parts.")]
FileRoot = Annotated[
    str | None,
    typer.Option(
        "--file-root", metavar="DIR", help="Files named in scenarios may lie anywhere in this folder."
    ),
]
Color = Annotated[str, typer.Option("--color", help="auto, always or never.")]
Verbose = Annotated[
    int, typer.Option("-v", "--verbose", count=True, help="Show the replies that failed; -vv in full.")
]
Faults = Annotated[
    str | None,
    typer.Option(
        "--faults",
        metavar="SCRIPT",
        help="What the simulator gets wrong: '429@3 529:10% cut@5 latency=50ms..200ms'.",
    ),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say no more than how it ended.")]


@app.command(RUN)
def run_command(
    context: typer.Context,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH...", help="Scenario files, folders or globs.")
    ] = None,
    models: Models = None,
    repeat: Repeat = None,
    concurrency: Annotated[
        int, typer.Option("-j", "--concurrency", min=1, max=1000, help="At most so many requests under way.")
    ] = 20,
    expression: Expression = None,
    tags: Tags = None,
    last_failed: Annotated[
        bool, typer.Option("--lf", "--last-failed", help="Only what did not pass in the latest run.")
    ] = False,
    overrides: Overrides = None,
    shard: Shard = None,
    file_root: FileRoot = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="DIR", help="The run folder itself, without a run yet."),
    ] = None,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Let a local simulator answer; nothing leaves this machine.")
    ] = False,
    faults: Faults = None,
    resume: Annotated[
        Path | None,
        typer.Option("--resume", metavar="[RUN]", help="Go on with a run where it stopped; the latest one."),
    ] = None,
    resume_changed: Annotated[
        bool, typer.Option("--resume-changed", help="Go on though scenarios changed: play those anew.")
    ] = False,
    retry_errors: Annotated[
        bool,
        typer.Option("--retry-errors", help="Go on with a run and try again what could not be measured."),
    ] = False,
    replay: Annotated[
        Path | None,
        typer.Option("--replay", metavar="PATH", help="Answer from a recorded run only; send nothing."),
    ] = None,
    reuse: Annotated[
        Path | None, typer.Option("--reuse", metavar="PATH", help="Take recorded replies, and send the rest.")
    ] = None,
    max_cost: Annotated[
        str | None,
        typer.Option("--max-cost", metavar="USD", help="Send nothing that could cost more in all."),
    ] = None,
    max_time: Annotated[
        str | None, typer.Option("--max-time", metavar="TIME", help="Stop after 90s, 10m or 1h.")
    ] = None,
    max_requests: Annotated[
        int | None, typer.Option("--max-requests", min=1, help="Stop after so many requests.")
    ] = None,
    fail_fast: Annotated[
        bool, typer.Option("-x", "--fail-fast", help="Stop at the first conversation that does not pass.")
    ] = False,
    max_failures: Annotated[
        int | None, typer.Option("--max-failures", min=1, help="Stop when so many did not pass.")
    ] = None,
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="TIME", help="How long one attempt at a reply may take.")
    ] = "10m",
    grace: Annotated[
        str, typer.Option("--grace", metavar="TIME", help="How long replies under way may take after a stop.")
    ] = "10s",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Send nothing; say what would be played and its highest cost.")
    ] = False,
    list_only: Annotated[
        bool, typer.Option("--list", help="Print the ids of the conversations and stop.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON on stdout.")] = False,
    color: Color = "auto",
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> int:
    """Play scenarios, check the replies, write transcripts."""
    options = RunOptions(
        paths=tuple(paths or ()),
        models=tuple(models or ()),
        repeat=repeat,
        concurrency=concurrency,
        expression=expression,
        tags=tuple(tags or ()),
        last_failed=last_failed,
        overrides=read_overrides(overrides or ()),
        shard=shard,
        file_root=file_root,
        out=out,
        simulate=simulate,
        faults=faults,
        resume=resume,
        resume_changed=resume_changed,
        retry_errors=retry_errors,
        replay=replay,
        reuse=reuse,
        max_cost=read_money(max_cost),
        max_time_s=read_duration("--max-time", max_time) if max_time else None,
        max_requests=max_requests,
        max_failures=1 if fail_fast else max_failures,
        attempt_s=read_duration("--timeout", timeout),
        grace_s=read_duration("--grace", grace),
        json=as_json,
        quiet=quiet,
        verbose=verbose,
        color=_color(color),
    )
    return _run(options, context.obj, list_only=list_only, dry_run=dry_run)


@app.command("check")
def check_command(
    paths: Paths,
    models: Models = None,
    overrides: Overrides = None,
    file_root: FileRoot = None,
    quiet: Quiet = False,
) -> int:
    """Find everything that can be found wrong without sending anything."""
    from claude_run.cli.check import check  # noqa: PLC0415 - each command imports what it needs

    options = RunOptions(
        paths=tuple(paths),
        models=tuple(models or ()),
        overrides=read_overrides(overrides or ()),
        file_root=file_root,
        quiet=quiet,
    )
    return check(options)


@app.command("report")
def report_command(
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="A run folder; without it the latest.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON on stdout.")] = False,
    color: Color = "auto",
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> int:
    """Rebuild every derived file of a run from its journal."""
    from claude_run.cli.report import report  # noqa: PLC0415 - each command imports what it needs
    from claude_run.cli.terminal import Terminal  # noqa: PLC0415 - same

    terminal = Terminal(color=_color(color), quiet=quiet, verbose=verbose)
    return report(run, terminal, as_json=as_json)


@app.command("verify")
def verify_command(
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="A run folder; without it the latest.")
    ] = None,
) -> int:
    """Check that a run folder is whole and that its files agree with its journal."""
    from claude_run.cli.verify import verify  # noqa: PLC0415 - each command imports what it needs

    return verify(run)


@app.command("schema")
def schema_command() -> int:
    """Print the JSON Schema of scenario files, for editors."""
    from claude_run.cli.schema import schema  # noqa: PLC0415 - each command imports what it needs

    return schema()


@app.command("simulate")
def simulate_command(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATH...]", help="Scenarios whose examples are the replies."),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0 for any free one.")
    ] = 8080,
    faults: Faults = None,
) -> int:
    """Serve a simulated Messages API on this machine until interrupted."""
    from claude_run.cli.simulate import simulate  # noqa: PLC0415 - each command imports what it needs

    return simulate(tuple(paths or ()), port=port, faults=faults or "")


@app.command("init")
def init_command(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="The project's folder.")] = Path(),
) -> int:
    """Start a project: a first scenario, the schema for editors, an ignored outputs folder."""
    from claude_run.cli.init import init  # noqa: PLC0415 - each command imports what it needs

    return init(folder)


COMMANDS = frozenset(command.name for command in app.registered_commands if command.name)


def _run(options: RunOptions, world: World, *, list_only: bool, dry_run: bool) -> int:
    check_combination(options)
    if options.goes_on:
        from claude_run.cli.resume import resume  # noqa: PLC0415 - each command imports what it needs

        return resume(options, world)
    from claude_run.cli import run  # noqa: PLC0415 - same

    if list_only:
        return run.list_conversations(options)
    if dry_run:
        from claude_run.cli.dry_run import dry_run as say_what  # noqa: PLC0415 - same

        return say_what(options)
    return run.run(options, world)


def _color(value: str) -> str:
    if value not in {"auto", "always", "never"}:
        raise InputError(f"--color {value}: choose auto, always or never")
    return value
