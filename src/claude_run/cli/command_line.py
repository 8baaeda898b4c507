"""What our command line has that Typer does not: a command that may be left out, and a help in panels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand, TyperGroup

from claude_run.session.request import BESIDE, refuse_slip

if TYPE_CHECKING:
    from collections.abc import Sequence

RUN = "run"


class _AsGiven:
    """Takes values as they stand on the command line: what they mean, each option reads itself.

    Typer would import pydantic for that, which takes longer than all that it does.
    """

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:  # noqa: ANN401, ARG002 - as Typer calls it
        """Return the value; nothing where nothing was given."""
        return () if value is None and (param.multiple or param.nargs == -1) else value


class PanelCommand(TyperCommand):
    """A command whose help lists its options by panel, in the order in which the panels are first named."""

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - Typer keeps its types to itself
        """Return the parameters, each of which takes what was given as it stands."""
        return _taken_as_given(super().get_params(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401 - same
        """Return the line behind `Usage:`, with the arguments as they are declared."""
        arguments = (each for each in self.get_params(ctx) if each.param_type_name == "argument")
        return ["[OPTIONS]", *(str(each.metavar) for each in arguments)]

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - same
        panels: dict[str, list[Any]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            panel = getattr(parameter, "rich_help_panel", None) or "Options"
            if parameter.param_type_name == "argument":
                # Typer would add the type of Python that it reads.
                panel, record = "Arguments", (str(parameter.metavar), record[1])
            panels.setdefault(panel, []).append(record)
        for panel, records in panels.items():
            with formatter.section(panel):
                formatter.write_dl(records)


class CommandGroup(TyperGroup):
    """The commands, of which `run` may be left out: by whoever runs one, and when a shell completes it."""

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - same
        """Return the parameters of all commands, as those of one."""
        return _taken_as_given(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - same
        if not args and not ctx.resilient_parsing:
            args = ["--help"]
        if {"--install-completion", "--show-completion"} & set(args):
            _complete_at_the_first_key()
        return super().parse_args(ctx, _with_values(self._with_command(ctx, args)))

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:  # noqa: ANN401 - same
        """Return what a first argument may be: a command, or an option, of `run` too."""
        found = super().shell_complete(ctx, incomplete)
        if incomplete.startswith("-"):
            run = self.commands[RUN]
            with run.make_context(RUN, [], parent=ctx, resilient_parsing=True) as inner:
                known = {each.value for each in found}
                found += [each for each in run.shell_complete(inner, incomplete) if each.value not in known]
        return found

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 - same
        """Write what each command does in a whole sentence, which Typer would cut off at the first line."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, str(each.help)) for name, each in self.commands.items()])

    def _with_command(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - same
        """Put `run` in front of arguments that begin neither with a command nor with an option of all."""
        ours = {flag for parameter in self.get_params(ctx) for flag in parameter.opts}
        if not args or args[0] in self.commands or args[0] in ours:
            return args
        refuse_slip(args[0], self.commands)
        return [RUN, *args]


def _taken_as_given(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        parameter.get_runtime_param = _AsGiven
    return parameters


def _complete_at_the_first_key() -> None:
    """Have the script for zsh complete when it is loaded: when the key is pressed for the first time.

    Typer's only defines what will complete from then on.
    """
    from typer._completion_shared import _completion_scripts  # noqa: PLC0415 - rarely needed

    _completion_scripts["zsh"] += '\nif [ "$funcstack[1]" = "_%(prog_name)s" ]; then %(complete_func)s; fi\n'


def _with_values(args: Sequence[str]) -> list[str]:
    """Fill in the value of `--baseline` where it is left out, which Typer cannot say."""
    result: list[str] = []
    for index, argument in enumerate(args):
        result.append(argument)
        following = args[index + 1] if index + 1 < len(args) else "-"
        if argument == "--baseline" and not _names_baseline(following):
            result.append(str(BESIDE))
    return result


def _names_baseline(argument: str) -> bool:
    return argument.endswith(".baseline.json") or (Path(argument) / "run.json").exists()
