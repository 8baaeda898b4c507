"""The commands and their options; each body hands over to the module of its command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from claude_run.cli import flags  # noqa: TC001 - Typer reads the annotations when the process starts
from claude_run.cli.options import (
    GateOptions,
    RunOptions,
    check_combination,
    read_duration,
    read_money,
    read_overrides,
)
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
        "Exit codes: 0 all passed; 1 a check or the gate failed; 2 invalid scenario or option, nothing was"
        " sent; 3 something could not be measured; 4 stopped by a cap; 5 nothing selected; 70 a bug of"
        " claude-run; 130/143 interrupted."
    ),
    add_completion=True,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.command(RUN)
def run_command(
    context: typer.Context,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH...", help="Scenario files, folders or globs.")
    ] = None,
    models: flags.Models = None,
    repeat: flags.Repeat = None,
    concurrency: flags.Concurrency = 20,
    expression: flags.Expression = None,
    tags: flags.Tags = None,
    last_failed: Annotated[
        bool, typer.Option("--lf", "--last-failed", help="Only what did not pass in the latest run.")
    ] = False,
    overrides: flags.Overrides = None,
    shard: flags.Shard = None,
    file_root: flags.FileRoot = None,
    out: flags.Out = None,
    simulate: flags.Simulate = False,
    faults: flags.Faults = None,
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
    replay: flags.Replay = None,
    reuse: flags.Reuse = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline", metavar="[PATH]", help="Gate against the accepted baseline, or another run."
        ),
    ] = None,
    until_sure: Annotated[
        bool, typer.Option("--until-sure", help="Add repeats until the verdict is sure, at most four times.")
    ] = False,
    alpha: flags.Alpha = 0.05,
    margin: flags.Margin = 0.1,
    min_drop: flags.MinDrop = 0.0,
    on_inconclusive: flags.OnInconclusive = "warn",
    judge_models: flags.JudgeModels = None,
    own_checks: flags.OwnChecks = None,
    junit: flags.Junit = None,
    max_cost: flags.MaxCost = None,
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
    color: flags.Color = "auto",
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = 0,
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
        baseline=baseline,
        until_sure=until_sure,
        gate=_gate(alpha, margin, min_drop=min_drop, on_inconclusive=on_inconclusive),
        judge_models=tuple(judge_models or ()),
        own_checks=tuple(own_checks or ()),
        junit=junit,
        json=as_json,
        quiet=quiet,
        verbose=verbose,
        color=_color(color),
    )
    return _run(options, context.obj, list_only=list_only, dry_run=dry_run)


@app.command("check")
def check_command(
    paths: flags.Paths,
    models: flags.Models = None,
    overrides: flags.Overrides = None,
    file_root: flags.FileRoot = None,
    own_checks: flags.OwnChecks = None,
    quiet: flags.Quiet = False,
) -> int:
    """Find everything that can be found wrong without sending anything."""
    from claude_run.cli.check import check  # noqa: PLC0415 - each command imports what it needs

    options = RunOptions(
        paths=tuple(paths),
        models=tuple(models or ()),
        overrides=read_overrides(overrides or ()),
        file_root=file_root,
        own_checks=tuple(own_checks or ()),
        quiet=quiet,
    )
    return check(options)


@app.command("report")
def report_command(
    run: flags.Run = None,
    junit: flags.Junit = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON on stdout.")] = False,
    color: flags.Color = "auto",
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = 0,
) -> int:
    """Rebuild every derived file of a run from its journal."""
    from claude_run.cli.report import report  # noqa: PLC0415 - each command imports what it needs

    options = RunOptions(color=_color(color), quiet=quiet, verbose=verbose, json=as_json, junit=junit)
    return report(run, options)


@app.command("verify")
def verify_command(
    run: flags.Run = None,
) -> int:
    """Check that a run folder is whole and that its files agree with its journal."""
    from claude_run.cli.verify import verify  # noqa: PLC0415 - each command imports what it needs

    return verify(run)


@app.command("compare")
def compare_command(
    runs: Annotated[
        list[Path], typer.Argument(metavar="A [B...]", help="Run folders; one alone: its models or variants.")
    ],
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print it for a pull request comment.")
    ] = False,
    html: Annotated[bool, typer.Option("--html", help="Print it as one self-contained HTML page.")] = False,
    as_json: flags.AsJson = False,
    alpha: flags.Alpha = 0.05,
    margin: flags.Margin = 0.1,
    min_drop: flags.MinDrop = 0.0,
    on_inconclusive: flags.OnInconclusive = "warn",
    color: flags.Color = "auto",
    verbose: flags.Verbose = 0,
) -> int:
    """Say whether a run is better or worse than another, with the statistics that it rests on."""
    from claude_run.cli.compare import Output, compare_runs  # noqa: PLC0415 - each command imports what it needs

    forms = [name for name, wanted in (("markdown", markdown), ("html", html), ("json", as_json)) if wanted]
    if len(forms) > 1:
        raise InputError(f"--{forms[0]} and --{forms[1]}: choose one form")
    output = Output(form=forms[0] if forms else "text", color=_color(color), verbose=verbose)
    gate = _gate(alpha, margin, min_drop=min_drop, on_inconclusive=on_inconclusive)
    return compare_runs(tuple(runs), gate, output)


@app.command("accept")
def accept_command(context: typer.Context, run: flags.Run = None) -> int:
    """Make a run the baseline of its scenarios: a file beside each, to be committed."""
    from claude_run.cli.accept import accept  # noqa: PLC0415 - each command imports what it needs

    return accept(run, context.obj)


@app.command("review")
def review_command(
    context: typer.Context,
    run: flags.Run = None,
    pending: Annotated[bool, typer.Option("--pending", help="List what is open, and ask nothing.")] = False,
    as_json: flags.AsJson = False,
) -> int:
    """Go through the replies that changed since the baseline: accept, reject or skip each by one key."""
    from claude_run.cli.review import review  # noqa: PLC0415 - each command imports what it needs

    return review(run, context.obj, pending=pending, as_json=as_json)


@app.command("judge-eval")
def judge_eval_command(
    context: typer.Context,
    labels: Annotated[str, typer.Argument(metavar="LABELS.jsonl", help="Replies with the labels of people.")],
    judge_models: flags.JudgeModels = None,
    concurrency: flags.Concurrency = 20,
    simulate: flags.Simulate = False,
    out: flags.Out = None,
    max_cost: flags.MaxCost = None,
    replay: flags.Replay = None,
    reuse: flags.Reuse = None,
    as_json: flags.AsJson = False,
    color: flags.Color = "auto",
    quiet: flags.Quiet = False,
) -> int:
    """Measure how well a judge agrees with people: agreement and Cohen's kappa with their intervals."""
    from claude_run.cli.judge_eval import judge_eval  # noqa: PLC0415 - each command imports what it needs

    options = RunOptions(
        judge_models=tuple(judge_models or ()),
        concurrency=concurrency,
        simulate=simulate,
        out=out,
        max_cost=read_money(max_cost),
        replay=replay,
        reuse=reuse,
        json=as_json,
        color=_color(color),
        quiet=quiet,
    )
    return judge_eval(labels, options, context.obj)


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
    faults: flags.Faults = None,
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
        if list_only or dry_run:
            raise InputError(
                "--list and --dry-run tell what a new run would play, and --resume sends: leave one out"
            )
        from claude_run.cli.resume import resume  # noqa: PLC0415 - each command imports what it needs

        return resume(options, world)
    from claude_run.cli import run  # noqa: PLC0415 - same

    if list_only:
        return run.list_conversations(options)
    if dry_run:
        from claude_run.cli.dry_run import dry_run as say_what  # noqa: PLC0415 - same

        return say_what(options)
    return run.run(options, world)


def _gate(alpha: float, margin: float, *, min_drop: float, on_inconclusive: str) -> GateOptions:
    if on_inconclusive not in {"fail", "warn"}:
        raise InputError(f"--on-inconclusive {on_inconclusive}: choose fail or warn")
    return GateOptions(alpha=alpha, margin=margin, min_drop=min_drop, on_inconclusive=on_inconclusive)


def _color(value: str) -> str:
    if value not in {"auto", "always", "never"}:
        raise InputError(f"--color {value}: choose auto, always or never")
    return value
