"""Variables: every one that a text uses is defined in every case, and every one that is defined is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.scenario.diagnostics import Diagnostic, did_you_mean
from claude_run.scenario.model import Position
from claude_run.scenario.template import variables_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from claude_run.scenario.cases import Definition
    from claude_run.scenario.fields import Template
    from claude_run.scenario.model import Case
    from claude_run.scenario.template import Use

_NAMED = 3


def check_templates(
    templates: Sequence[Template],
    variables: Iterable[str],
    *,
    cases: Sequence[Case],
    saves: Mapping[str, int],
    given: Iterable[str],
) -> list[Diagnostic]:
    """Return what is wrong with the texts of a scenario and their variables.

    `variables` are those of the scenario itself; `saves` says for each saved name which turn saves
    it; `given` are the variables from the command line, which hold for every case.
    """
    everywhere = {*variables, *given}
    problems: list[Diagnostic] = []
    for template in templates:
        # What is wrong with the text itself; where anything is, it has no uses.
        inspection = variables_in(template.text)
        problems.extend(
            template.problem(found.offset, found.message, hint=found.hint, length=found.length)
            for found in inspection.problems
        )
        # What it reads: a reply that was saved before, or a value that every case must have.
        for use in inspection.uses:
            if use.saved:
                problems.extend(_saved_problems(template, use, saves))
            elif not use.optional and use.name not in everywhere:
                problems.extend(_undefined(template, use, cases=cases, known=everywhere))
    return problems


def used_names(templates: Iterable[Template]) -> frozenset[str]:
    """Return the variables that the texts use, saved ones left out."""
    return frozenset(
        use.name for template in templates for use in variables_in(template.text).uses if not use.saved
    )


def unused(
    definitions: Mapping[str, Definition], used: frozenset[str], *, spared: frozenset[str]
) -> list[Diagnostic]:
    """Return a problem for each variable that no text uses; nothing is said about those that are spared.

    A variable whose name is close to an undefined one is spared as well: that slip is reported at its use.
    """
    undefined = used.difference(definitions)
    return [
        definition.problem(
            f"unused variable `{name}`: no text uses it",
            hint=f"remove it, or write {{{{ {name} }}}} in a text",
        )
        for name, definition in definitions.items()
        if name not in used and name not in spared and not did_you_mean(name, undefined)
    ]


def unknown_overrides(overrides: Mapping[str, str], known: frozenset[str]) -> list[Diagnostic]:
    """Return a problem for each `--set` of a variable that no scenario knows."""
    return [
        Diagnostic(
            position=Position(path="--set", line=1, column=1),
            message=f"no scenario has a variable `{name}`",
            hint=_close(name, known) or "see the variables under `vars` and `cases`",
            source_line=f"{name}={value}",
            length=len(name),
        )
        for name, value in overrides.items()
        if name not in known
    ]


def _undefined(
    template: Template, use: Use, *, cases: Sequence[Case], known: Iterable[str]
) -> Iterator[Diagnostic]:
    missing = [case for case in cases if use.name not in case.vars]
    if not missing:
        return
    if len(missing) < len(cases):
        names = ", ".join(f"`{case.id}`" for case in missing[:_NAMED])
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        message = f"undefined variable `{use.name}` in case {names}{more}"
        hint = "give it a value there, or a default under `vars`"
    else:
        message = f"undefined variable `{use.name}`"
        candidates = {*known, *(name for case in cases for name in case.vars)}
        hint = _close(use.name, candidates) or "define it under `vars` or in every case"
    yield template.problem(use.offset, message, hint=hint, length=len(use.name))


def _saved_problems(template: Template, use: Use, saves: Mapping[str, int]) -> Iterator[Diagnostic]:
    turn = saves.get(use.name)
    length = len("saved.") + len(use.name)
    if turn is None:
        if not use.optional:
            hint = _close(use.name, saves) or "add `save` to an earlier user turn"
            message = f"nothing is saved as `{use.name}`"
            yield template.problem(use.offset, message, hint=hint, length=length)
    elif turn >= template.turn:
        message = f"`saved.{use.name}` is not known here: turn {turn + 1} saves it"
        yield template.problem(use.offset, message, hint="read it in a turn after that one", length=length)


def _close(name: str, known: Iterable[str]) -> str | None:
    close = did_you_mean(name, known)
    return f"did you mean `{close}`?" if close else None
