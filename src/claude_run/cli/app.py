"""The command line: the commands with their options, and the way from arguments to an exit code."""

from __future__ import annotations

import copy
import errno
import os
import sys
from itertools import pairwise, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.main
from typer.exceptions import TyperException

from claude_run import __version__
from claude_run.cli.command_line import RUN, CommandGroup, PanelCommand
from claude_run.cli.options import (
    AcceptOptions,
    CheckOptions,
    CompareOptions,
    ExportOptions,
    FolderArgument,
    JsonOption,
    LabelsArgument,
    MergeOptions,
    ModelsOptions,
    OutputOptions,
    PlanOptions,
    ReviewOptions,
    RunArgument,
    ShowOptions,
    SimulateOptions,
    changes,
    later,
    pick,
    takes,
)
from claude_run.cli.output import (
    guarded_streams,
    print_error,
    print_line,
    print_workflow_command,
    workflow_folder,
)
from claude_run.errors import PRECEDENCE, ClaudeRunError, ExitCode, InputError, StorageError
from claude_run.process import open_streams
from claude_run.session.options import options_of
from claude_run.session.request import (
    ChatRequest,
    CompareRequest,
    ImportRequest,
    ResumeRequest,
    RunRequest,
    check_combination,
    refuse_contradictions,
)
from claude_run.session.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ISSUES = "please report it with that file (look through it first: it may quote your prompts)"

app = typer.Typer(
    name="claude-run",
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Play scripted multi-turn conversations with Claude, check every reply, account for every token.\n\n"
        "claude-run scenarios/foo.yaml plays a scenario: a first argument that is not a command means run,"
        " and claude-run run --help tells its options."
    ),
    epilog=(
        "Exit codes: 0 all passed; 1 a check or the gate failed; 2 invalid scenario or option, nothing was"
        " sent; 3 something could not be measured; 4 stopped by a cap; 5 nothing selected; 70 a bug of"
        " claude-run; 129/130/143 interrupted."
    ),
    add_completion=True,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def all_commands(
    *,
    version: Annotated[
        bool, typer.Option("--version", "-V", help="Print the version and stop.", is_eager=True)
    ] = False,
) -> None:
    """Take what stands before a command."""
    if version:
        print_line(f"claude-run {__version__}")
        raise typer.Exit


@app.command(RUN, cls=PanelCommand)
@takes(later(RunRequest), pick(OutputOptions), pick(PlanOptions))
def run_command(
    world: World, requested: Callable[[], RunRequest], output: OutputOptions, plan: PlanOptions
) -> int:
    """Play scenarios, check the replies, write transcripts."""
    request = requested()
    check_combination(request)
    _enter_environment(request, world)
    if plan.watch:
        from claude_run.cli.watch import watch  # noqa: PLC0415 - the help needs none of it

        return watch(requested, output, plan, world)
    if plan.list_only or plan.dry_run:
        from claude_run.cli.dry_run import dry_run, list_conversations  # noqa: PLC0415 - the help needs none of it

        return (list_conversations if plan.list_only else dry_run)(request, output, world)

    import asyncio  # noqa: PLC0415 - same

    from claude_run.cli import commands  # noqa: PLC0415 - same
    from claude_run.cli.write_reports import finish, refuse_unwritable  # noqa: PLC0415 - same
    from claude_run.session import run as session  # noqa: PLC0415 - same
    from claude_run.session.prepare import prepare  # noqa: PLC0415 - same

    observer = commands.observer(output)
    prepared = prepare(request, today=world.today)
    for warning in prepared.warnings:
        observer.warn(warning)
    refuse_unwritable(output)
    result = asyncio.run(session.run(prepared, observer, world))
    return finish(result, output)


@app.command("resume", cls=PanelCommand)
@takes(pick(RunArgument), pick(ResumeRequest), changes(RunRequest), pick(OutputOptions))
def resume_command(
    world: World, run: RunArgument, going_on: ResumeRequest, given: dict[str, Any], output: OutputOptions
) -> int:
    """Go on with a run where it stopped, under the options it was started with; pay for nothing twice."""
    import asyncio  # noqa: PLC0415 - the help needs none of what follows

    from claude_run.cli import commands  # noqa: PLC0415 - same
    from claude_run.cli.judge_eval import finish_run  # noqa: PLC0415 - same
    from claude_run.cli.write_reports import refuse_unwritable  # noqa: PLC0415 - same
    from claude_run.session import run as session  # noqa: PLC0415 - same

    refuse_unwritable(output)
    result = asyncio.run(
        session.resume(run.path, going_on, given, observer=commands.observer(output), world=world)
    )
    return finish_run(result, output)


@app.command("check", cls=PanelCommand)
@takes(
    later(
        RunRequest,
        "paths",
        "models",
        "overrides",
        "file_root",
        "own_checks",
        "judge_models",
        "no_model_rules",
        required=("paths",),
    ),
    pick(CheckOptions),
    pick(OutputOptions, "quiet"),
)
def check_command(
    world: World, requested: Callable[[], RunRequest], options: CheckOptions, output: OutputOptions
) -> int:
    """Find everything that can be found wrong without sending anything."""
    from claude_run.cli.check import check  # noqa: PLC0415 - each command imports what it needs

    return check(requested, options, output, world)


@app.command("report", cls=PanelCommand)
@takes(pick(RunArgument), pick(OutputOptions))
def report_command(world: World, run: RunArgument, output: OutputOptions) -> int:
    """Rebuild every derived file of a run from its journal."""
    from claude_run.cli.commands import read_run  # noqa: PLC0415 - each command imports what it needs
    from claude_run.cli.judge_eval import finish_run  # noqa: PLC0415 - same

    return finish_run(read_run(run.path, output, world), output)


@app.command("open", cls=PanelCommand)
@takes(pick(RunArgument))
def open_command(world: World, run: RunArgument) -> int:
    """Show a run in the browser: its report.html, made where there is none."""
    from claude_run.cli.commands import open_page  # noqa: PLC0415 - each command imports what it needs

    return open_page(run.path, world)


@app.command("show", cls=PanelCommand)
@takes(pick(ShowOptions, "given", "json"), pick(OutputOptions, "color", "quiet"))
def show_command(world: World, options: ShowOptions, output: OutputOptions) -> int:
    """Show one conversation of a run as a talk: questions, replies, tools, checks, numbers."""
    from claude_run.cli.show import show  # noqa: PLC0415 - each command imports what it needs

    return show(options, output, world)


@app.command("merge", cls=PanelCommand)
@takes(pick(MergeOptions, required=("runs",)), pick(RunRequest, "out"), pick(OutputOptions))
def merge_command(world: World, merged: MergeOptions, request: RunRequest, output: OutputOptions) -> int:
    """Join the shards of a run into one run folder; hold it against the baseline that they were given."""
    from claude_run.cli.commands import merge  # noqa: PLC0415 - each command imports what it needs
    from claude_run.cli.write_reports import finish, refuse_unwritable  # noqa: PLC0415 - same

    refuse_unwritable(output)
    return finish(merge(merged, request.out, output, world), output)


@app.command("verify", cls=PanelCommand)
@takes(pick(RunArgument))
def verify_command(world: World, run: RunArgument) -> int:
    """Check that a run folder is whole and that its files agree with its journal."""
    from claude_run.cli.commands import verify  # noqa: PLC0415 - each command imports what it needs

    return verify(run.path, world)


@app.command("compare", cls=PanelCommand)
@takes(
    pick(CompareOptions, "runs", "markdown", "html", "json", required=("runs",)),
    pick(CompareRequest),
    pick(OutputOptions, "color", "verbose"),
)
def compare_command(
    _world: World, compared: CompareOptions, request: CompareRequest, output: OutputOptions
) -> int:
    """Say whether a run is better or worse than another, with the statistics that it rests on."""
    from claude_run.cli.compare import compare  # noqa: PLC0415 - each command imports what it needs

    return compare(compared, request, output)


@app.command("accept", cls=PanelCommand)
@takes(pick(RunArgument), pick(AcceptOptions))
def accept_command(world: World, run: RunArgument, options: AcceptOptions) -> int:
    """Make a run the baseline of its scenarios: a file beside each, to be committed."""
    from claude_run.cli.commands import accept  # noqa: PLC0415 - each command imports what it needs

    return accept(run.path, options, world)


@app.command("review", cls=PanelCommand)
@takes(pick(RunArgument), pick(ReviewOptions, "pending", "json"))
def review_command(world: World, run: RunArgument, options: ReviewOptions) -> int:
    """Go through the replies that changed since the baseline: accept, reject or skip each by one key."""
    from claude_run.cli.review import review  # noqa: PLC0415 - each command imports what it needs

    return review(run.path, options, world)


@app.command("judge-eval", cls=PanelCommand)
@takes(
    pick(LabelsArgument, required=("labels",)),
    pick(
        RunRequest,
        "judge_models",
        "concurrency",
        "simulate",
        "provider",
        "env_file",
        "out",
        "max_cost",
        "replay",
        "reuse",
    ),
    pick(JsonOption),
    pick(OutputOptions, "color", "quiet"),
)
def judge_eval_command(
    world: World, given: LabelsArgument, request: RunRequest, form: JsonOption, output: OutputOptions
) -> int:
    """Measure how well a judge agrees with people: agreement and Cohen's kappa with their intervals."""
    from claude_run.cli.judge_eval import judge_eval  # noqa: PLC0415 - each command imports what it needs

    refuse_contradictions(request)
    _enter_environment(request, world)
    return judge_eval(given.labels, request, output, world, as_json=form.json)


@app.command("chat", cls=PanelCommand)
@takes(
    pick(ChatRequest),
    pick(
        RunRequest,
        "models",
        "expression",
        "overrides",
        "file_root",
        "simulate",
        "faults",
        "provider",
        "attempt_s",
        "allowed_models",
        "no_model_rules",
        "env_file",
        "max_cost",
    ),
    pick(OutputOptions, "quiet"),
)
def chat_command(world: World, asked: ChatRequest, request: RunRequest, output: OutputOptions) -> int:
    """Talk with Claude, from scratch or on from the turns of a scenario; `quit` ends it."""
    from claude_run.cli.chat import chat  # noqa: PLC0415 - each command imports what it needs

    _enter_environment(request, world)
    return chat(asked, request, world, quiet=output.quiet)


@app.command("models", cls=PanelCommand)
@takes(pick(ModelsOptions, "ids", "refresh", "json"), pick(RunRequest, "simulate", "provider", "env_file"))
def models_command(world: World, options: ModelsOptions, request: RunRequest) -> int:
    """Say what is known of the models: sizes, prices, what each refuses, when it retires."""
    from claude_run.cli.models import models  # noqa: PLC0415 - each command imports what it needs

    return models(options, request, world)


@app.command("export", cls=PanelCommand)
@takes(
    pick(ExportOptions),
    pick(
        RunRequest,
        "paths",
        "models",
        "expression",
        "overrides",
        "file_root",
        "own_checks",
        "judge_models",
        "no_model_rules",
        "no_cache",
        required=("paths",),
    ),
    pick(OutputOptions, "quiet"),
)
def export_command(world: World, options: ExportOptions, request: RunRequest, output: OutputOptions) -> int:
    """Write a conversation as a program of its own: Python, TypeScript or shell; or as JSON."""
    from claude_run.cli.export import export  # noqa: PLC0415 - each command imports what it needs

    return export(options, request, output, world)


@app.command("import", cls=PanelCommand)
@takes(
    pick(ImportRequest, required=("sources",)),
    pick(RunRequest, "file_root"),
    pick(JsonOption),
    pick(OutputOptions, "quiet"),
)
def import_command(
    world: World, asked: ImportRequest, request: RunRequest, form: JsonOption, output: OutputOptions
) -> int:
    """Make scenarios of promptfoo configurations, Pipecat evals, `messages` JSONL or MT-Bench questions."""
    from claude_run.cli.imports import import_scenarios  # noqa: PLC0415 - each command imports what it needs

    return import_scenarios(asked, world, file_root=request.file_root, as_json=form.json, quiet=output.quiet)


@app.command("schema", cls=PanelCommand)
@takes(pick(RunRequest, "own_checks"))
def schema_command(_world: World, request: RunRequest) -> int:
    """Print the JSON Schema of scenario files, for editors."""
    from claude_run.cli.commands import schema  # noqa: PLC0415 - each command imports what it needs

    return schema(request)


@app.command("simulate", cls=PanelCommand)
@takes(pick(SimulateOptions), pick(RunRequest, "faults"))
def simulate_command(world: World, options: SimulateOptions, request: RunRequest) -> int:
    """Serve a simulated Messages API on this machine until interrupted."""
    from claude_run.cli.commands import simulate  # noqa: PLC0415 - each command imports what it needs

    return simulate(options, request, world)


@app.command("init", cls=PanelCommand)
@takes(pick(FolderArgument))
def init_command(_world: World, project: FolderArgument) -> int:
    """Start a project: a first scenario, the schema for editors, an ignored outputs folder."""
    from claude_run.cli.commands import init  # noqa: PLC0415 - each command imports what it needs

    return init(project)


_PROJECT_ONLY = frozenset(each.flag for each in options_of(RunRequest) if each.project_only)
COMMANDS = frozenset(command.name for command in app.registered_commands if command.name)


def run_command_line(arguments: Sequence[str], world: World | None = None) -> int:
    """Run one command and return the exit code of its process: errors become one clear text each."""
    world = world or World()
    open_streams()
    with world.signals.heard(), guarded_streams(world) as streams:
        try:
            code = _dispatch(arguments, world)
            sys.stdout.flush()
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last resort: no traceback is a message
            code = int(_explain(error, arguments, world))

        # What could not be said is a failure too, though the run is whole; a signal counts before all.
        for name, stream in zip(("stdout", "stderr"), streams, strict=True):
            if stream.failure is not None:
                print_error(f"error: {name}: {stream.failure.strerror}")
                code = int(min(ExitCode(code), StorageError.exit_code, key=PRECEDENCE.index))
        ended, signal = world.signals.code, world.signals.first
        if signal is not None and ended not in {None, code}:
            print_error(f"stopped by {signal.name} (exit code {ended:d})")
        return int(ended or code)


def _enter_environment(request: RunRequest, world: World) -> None:
    if request.env_file is not None:
        from claude_run.session.env_file import enter_environment  # noqa: PLC0415 - most commands name none

        enter_environment(request.env_file, world.redactor)


def _dispatch(arguments: Sequence[str], world: World) -> int:
    try:
        result = _asked(arguments)(
            args=list(arguments), standalone_mode=False, prog_name="claude-run", obj=world
        )
    except typer.Exit as stop:
        return stop.exit_code
    except typer.Abort:
        raise KeyboardInterrupt from None
    except SystemExit as leaving:
        # Typer leaves like this when it has completed a word or said how, and for a broken pipe, which is
        # an error of ours: both streams outlive their readers.
        if isinstance(leaving.__context__, OSError):
            raise OSError(errno.EPIPE, os.strerror(errno.EPIPE)) from leaving
        return int(leaving.code or ExitCode.PASSED)
    except TyperException as error:
        message = error.format_message().rstrip(".")
        # Only an option that is unknown has others that may be meant.
        unknown = hasattr(error, "possibilities")
        option = str(getattr(error, "option_name", "")) if unknown else ""
        if option in _PROJECT_ONLY:
            raise InputError(
                f"{option} is set for all runs alike, under [gate] of the project file:"
                f" {option.removeprefix('--').replace('-', '_')} = ..."
            ) from error
        owner = _owner_of(option) if unknown else None
        hint = f"did you mean `claude-run {owner}`?" if owner else "see claude-run --help"
        raise InputError(f"{message}; {hint}") from error
    return int(result or ExitCode.PASSED)


def _asked(arguments: Sequence[str]) -> typer.Typer:
    """Return the command line with no other command than the one that the arguments begin with, if they do.

    Typer makes every parameter of every command that it has.
    """
    named = [each for each in app.registered_commands if arguments and each.name == arguments[0]]
    if not named:
        return app
    alone = copy.copy(app)
    alone.registered_commands = named
    return alone


def _owner_of(option: str) -> str | None:
    """Return the command that an unknown option is called like, or else the first that has it."""
    commands = typer.main.get_group(app).commands
    if option.removeprefix("--") in commands:
        return option.removeprefix("--")
    return next((name for name, each in commands.items() if any(option in p.opts for p in each.params)), None)


def _explain(error: BaseException, arguments: Sequence[str], world: World) -> ExitCode:
    """Say on stderr what went wrong, and wherever else it is looked for, and return the code for it."""
    if isinstance(error, OSError):
        where = f": {error.filename}" if error.filename else ""
        error = StorageError(f"{error.strerror or error}{where}")
    match error:
        case ClaudeRunError():
            code, lines = error.exit_code, list(error.told)
        case KeyboardInterrupt():
            code, lines = ExitCode.INTERRUPTED, ["interrupted"]
        case _:
            told = f"error: this is a bug in claude-run; {_details(error, world)}"
            code, lines = ExitCode.BUG, [told]
    print_error(*lines)
    if isinstance(error, ClaudeRunError) and os.environ.get("GITHUB_ACTIONS") == "true":
        _annotate(error)
    if (comment := _comment_file(arguments)) is not None:
        from claude_run.cli.write_reports import comment_failure  # noqa: PLC0415 - seldom asked for

        comment_failure(comment, code, lines, world)
    return code


def _comment_file(arguments: Sequence[str]) -> Path | None:
    """Return the FILE of `--comment`, also of arguments that make no sense besides; None for none."""
    found = None
    for here, following in pairwise([*takewhile(lambda each: each != "--", arguments), ""]):
        name, _, value = here.partition("=")
        if name == "--comment":
            found = value or following or None
    return Path(found) if found else None


def _annotate(error: ClaudeRunError) -> None:
    from claude_run.report.run.github import failure_annotations  # noqa: PLC0415 - only GitHub needs it

    for line in failure_annotations(error, folder=workflow_folder()):
        print_workflow_command(line)


def _details(error: BaseException, world: World) -> str:
    """Write down what a report of a bug needs, and say where it is; in one line where that cannot be done."""
    import tempfile  # noqa: PLC0415 - seldom needed
    import traceback  # noqa: PLC0415 - same

    text = world.redactor.text("".join(traceback.format_exception(error)))
    try:
        with tempfile.NamedTemporaryFile(
            "w",
            prefix="claude-run-bug-",
            suffix=".txt",
            delete=False,
            encoding="utf-8",
            errors="backslashreplace",
        ) as file:
            file.write(text)
    except OSError as refused:
        return f"its details cannot be written ({refused.strerror}), please report it with this: {error!r}"
    return f"the details are in {file.name}: {_ISSUES}"
