"""Declared options as Typer reads them, and the options that only say how a result is shown."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from claude_run.session.option_kinds import COUNT, NUMBER, PATH, PATHS, SWITCH, TEXT, TEXTS, choice
from claude_run.session.options import build, option, options_of
from claude_run.session.request import RunRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from claude_run.session.options import Option
    from claude_run.session.world import World

    Body = Callable[..., int]

OUTPUT = "Output"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """How the end of a run is told."""

    junit: Path | None = option(
        "--junit", kind=PATH, metavar="FILE", panel=OUTPUT, help="Write the results as JUnit XML too."
    )
    comment: Path | None = option(
        "--comment",
        kind=PATH,
        metavar="FILE",
        panel=OUTPUT,
        help="Write a comment for a pull request, in Markdown, too.",
    )
    html: bool = option(
        "--html", kind=SWITCH, default=False, panel=OUTPUT, help="Write report.html, the run as a page, too."
    )
    redact: bool = option(
        "--redact",
        kind=SWITCH,
        default=False,
        panel=OUTPUT,
        help="The same without a word of what was said.",
    )
    json: bool = option(
        "--json", kind=SWITCH, default=False, panel=OUTPUT, help="Print the summary as JSON on stdout."
    )
    color: str = option(
        "--color",
        kind=choice("auto", "always", "never"),
        shown="auto",
        panel=OUTPUT,
        help="auto, always or never.",
    )
    quiet: bool = option(
        "-q", "--quiet", kind=SWITCH, default=False, panel=OUTPUT, help="Say no more than how it ended."
    )
    verbose: int = option(
        "-v",
        "--verbose",
        kind=COUNT,
        default=0,
        panel=OUTPUT,
        help="Show the replies that failed; -vv in full.",
    )

    @property
    def page(self) -> bool:
        """Whether there will be a page, with all that was said or without."""
        return self.html or self.redact


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """What the command does other than to play once: it tells what would be played, or plays after saves."""

    dry_run: bool = option(
        "--dry-run",
        kind=SWITCH,
        default=False,
        help="Play nothing; say what would be played, and its likely and its highest cost.",
    )
    list_only: bool = option(
        "--list", kind=SWITCH, default=False, help="Print the ids of the conversations and stop."
    )
    watch: bool = option(
        "--watch",
        kind=SWITCH,
        default=False,
        help="Play, then wait: each save plays what it changed, and sends only what is new.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """How closely scenarios are looked at."""

    examples: bool = option(
        "--examples",
        kind=SWITCH,
        default=False,
        help="Try each expectation on its example, and on replies that say nothing.",
    )
    format: str = option(
        "--format",
        kind=choice("text", "github", "json"),
        shown="text",
        help="text, github (annotations at the lines) or json.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunArgument:
    """The run that a command is about."""

    path: Path | None = option(kind=PATH, metavar="[RUN]", help="A run folder; without it the latest.")


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonOption:
    """Whether a result is printed as JSON."""

    json: bool = option("--json", kind=SWITCH, default=False, help="Print JSON on stdout.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowOptions(JsonOption):
    """Which conversation is shown."""

    given: tuple[str, ...] = option(
        kind=TEXTS,
        metavar="[RUN] ID",
        default=(),
        help="Its id, or a part that no other has; before it a run folder, without one the latest.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions(JsonOption):
    """What is compared, and the form in which it is printed."""

    runs: tuple[Path, ...] = option(
        kind=PATHS,
        metavar="A [B...]",
        default=(),
        help="Run folders, or first a baseline file; one alone: its models or variants.",
    )
    markdown: bool = option(
        "--markdown", kind=SWITCH, default=False, help="Print it for a pull request comment."
    )
    html: bool = option(
        "--html", kind=SWITCH, default=False, help="Print it as one self-contained HTML page."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeOptions:
    """What is merged, and whether it is gone on with."""

    runs: tuple[Path, ...] = option(
        kind=PATHS, metavar="RUN...", default=(), help="The run folders of all shards, in any order."
    )
    resume: bool = option(
        "--resume",
        kind=SWITCH,
        default=False,
        help="Where cases look broken, play fresh attempts as `resume` would, and tell that verdict only.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsOptions(JsonOption):
    """Which models are told of, and whether the API is asked."""

    ids: tuple[str, ...] = option(
        kind=TEXTS, metavar="[ID...]", default=(), help="Models to tell all of; without one a table of all."
    )
    refresh: bool = option(
        "--refresh",
        kind=SWITCH,
        default=False,
        help="Ask the Models API, and say in what it differs; no file is changed.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What a conversation is exported to, and where it is written."""

    language: str = option(
        "--to",
        kind=choice("python", "typescript", "curl", "json"),
        shown="python",
        help="python, typescript, curl or json.",
    )
    out: Path | None = option("-o", "--out", kind=PATH, metavar="FILE", help="Write it there, not to stdout.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewOptions(JsonOption):
    """Whether the changes are only listed."""

    pending: bool = option(
        "--pending", kind=SWITCH, default=False, help="List what is open, and ask nothing."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptOptions:
    """Why a run is accepted, and whether failures may be without anybody being asked."""

    reason: str | None = option(
        "--reason", kind=TEXT, help="Why it is accepted: a line that stands in the baseline."
    )

    with_failures: bool = option(
        "--with-failures",
        kind=SWITCH,
        default=False,
        help="Accept conversations that failed too; ask nothing.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsArgument:
    """The file of labelled replies."""

    labels: str = option(
        kind=TEXT, metavar="LABELS.jsonl", default="", help="Replies with the labels of people."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateOptions:
    """What the simulator answers with, and where it listens."""

    paths: tuple[str, ...] = option(
        kind=TEXTS, metavar="[PATH...]", default=(), help="Scenarios whose examples are the replies."
    )
    port: int = option(
        "--port",
        kind=NUMBER,
        shown="8080",
        least=0,
        most=65535,
        help="Port on 127.0.0.1; 0 for any free one.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderArgument:
    """Where a project is started."""

    folder: Path = option(kind=PATH, metavar="[DIR]", shown=".", help="The project's folder.")
    ci: str | None = option(
        "--ci", kind=choice("github", "gitlab"), help="Write the workflow of a CI service, and no more."
    )
    skill: bool = option(
        "--skill",
        kind=SWITCH,
        default=False,
        help="Write what a coding agent should know, as a skill, and no more.",
    )


@dataclass(frozen=True, slots=True)
class Pick:
    """The options of a dataclass that a command takes; all of them where none is named.

    With `as_given` the command gets the values that the user gave, by name, in place of an instance with
    defaults; with `later` it gets a function that makes the instance, with the defaults that hold when it is
    called, and raises what is wrong with them.
    """

    cls: type
    names: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    as_given: bool = False
    later: bool = False


def pick(cls: type, *names: str, required: tuple[str, ...] = ()) -> Pick:
    """Take some options of a dataclass; the others keep their defaults."""
    return Pick(cls, names, required)


def changes(cls: type) -> Pick:
    """Take the options that may be given anew when a run goes on: those that do not shape it."""
    return Pick(
        cls, tuple(each.name for each in options_of(cls) if not each.shapes and each.saved), as_given=True
    )


def later(cls: type, *names: str, required: tuple[str, ...] = ()) -> Pick:
    """Take some options of a dataclass as a function, which makes the instance whenever it is called."""
    return Pick(cls, names, required, later=True)


def takes(*picks: Pick) -> Callable[[Body], Body]:
    """Give a command these options: its body is called with the world and an instance for each pick."""

    def decorate(body: Body) -> Body:
        def command(context: typer.Context, **read: Any) -> int:  # noqa: ANN401 - whatever Typer read
            world: World = context.obj
            given = {
                name: value
                for name, value in read.items()
                if value not in _NOT_GIVEN and _was_given(context, name)
            }
            return body(world, *(_argument(each, given) for each in picks))

        # Typer reads the parameters of a command from its signature.
        parameters = [inspect.Parameter("context", _BY_NAME, annotation=typer.Context)]
        for each in picks:
            declared = {one.name: one for one in options_of(each.cls) if not one.project_only}
            names = each.names or tuple(declared)
            parameters += [
                _parameter(declared[name], required=name in each.required, as_given=each.as_given)
                for name in names
            ]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # read by `inspect`
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        command.__doc__ = body.__doc__
        return command

    return decorate


_BY_NAME = inspect.Parameter.KEYWORD_ONLY
_NOT_GIVEN: tuple[object, ...] = (None, False, [], ())


def _was_given(context: typer.Context, name: str) -> bool:
    """Return whether a value stands on the command line, be it the same as the default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _argument(picked: Pick, given: Mapping[str, Any]) -> object:
    return partial(_value, picked, given) if picked.later else _value(picked, given)


def _value(picked: Pick, given: Mapping[str, Any]) -> object:
    if picked.as_given:
        declared = {each.name: each for each in options_of(picked.cls)}
        return {name: declared[name].read(given[name]) for name in picked.names if name in given}
    if picked.cls is not RunRequest:
        return build(picked.cls, given)
    # What is asked of a run has its defaults from the project of the scenarios.
    from claude_run.session.project_file import requested  # noqa: PLC0415 - the help needs no TOML

    return requested(given)


def _parameter(declared: Option, *, required: bool, as_given: bool) -> inspect.Parameter:
    """Return the parameter that makes Typer collect what was given; what it means, the option itself reads.

    Typer would keep the last of two values without a word, and take for a number whatever Python does.
    """
    kind = declared.kind
    given: Any = kind.given
    default: Any = None if as_given else declared.shown
    if declared.flags:
        info = typer.Option(
            *declared.flags,
            help=declared.help if declared.most is None else f"{declared.help} {_range(declared)}",
            metavar=declared.metavar or kind.metavar,
            count=kind is COUNT,
            show_default=kind is not COUNT,
            autocompletion=_completes(declared),
            rich_help_panel=declared.panel or None,
        )
        default = default and [default]
    else:
        info = typer.Argument(
            metavar=declared.metavar, help=declared.help, autocompletion=_completes(declared)
        )
    if kind is SWITCH:
        default = False
    elif kind is COUNT:
        default = 0
    else:
        given = list[given] if declared.flags or kind.several else given
        if required:
            default = inspect.Parameter.empty
        elif default is None:
            given = given | None
    return inspect.Parameter(declared.name, _BY_NAME, default=default, annotation=Annotated[given, info])


def _range(declared: Option) -> str:
    return f"From {declared.least} to {declared.most}."


_LOOKED_UP = frozenset({"MODEL", "TAG", "EXPR", "[RUN]", "RUN...", "A [B...]", "[RUN] ID"})
"""The values whose words are looked up in the project: the keys of `session.completion.WORDS`."""


def _completes(declared: Option) -> Callable[[typer.Context, str], list[str]] | None:
    """Return what completes the value of an option; None for what the shell does itself, or nobody."""
    known, what = declared.kind.words, declared.metavar or ""
    if not known and what not in _LOOKED_UP:
        return None

    def complete(context: typer.Context, incomplete: str) -> list[str]:
        words: Iterable[str] = known
        if not known:
            from claude_run.session.completion import words as found  # noqa: PLC0415 - only a shell asks for it

            named = context.params.get("paths") or context.params.get("given") or ()
            words = found(what, [str(each) for each in named])
        return [word for word in words if word.startswith(incomplete)]

    return complete
