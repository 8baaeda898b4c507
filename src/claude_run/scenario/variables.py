"""Variables: every one that a text uses is defined in every case, and every one that is defined is used."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING

from claude_run.scenario.diagnostics import Diagnostic, Window, did_you_mean
from claude_run.scenario.fields import meant
from claude_run.scenario.model import Position, turn_number
from claude_run.scenario.template_inspection import too_much_code, variables_in
from claude_run.scenario.template_language import MAX_CODE
from claude_run.text.strict_json import read_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from claude_run.scenario.cases import Definition
    from claude_run.scenario.diagnostics import Hint, Problems
    from claude_run.scenario.fields import Template
    from claude_run.scenario.model import Case, Json, JsonObject
    from claude_run.scenario.template_inspection import Inspection, TemplateProblem, Use

_NAMED = 3
_MAX_SLIPS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """A text of the scenario with what it reads, or what is wrong with it."""

    template: Template
    uses: Sequence[Use]
    problems: Sequence[TemplateProblem]


def inspect(templates: Iterable[Template]) -> tuple[Inspected, ...]:
    """Look at each text once, as long as the code in all of them together is not too much."""
    looks: dict[str, Inspection] = {}
    code = 0
    inspected: list[Inspected] = []
    for template in templates:
        if template.text not in looks:
            looks[template.text] = variables_in(template.text) if code <= MAX_CODE else too_much_code()
            code += looks[template.text].code
        look = looks[template.text]
        inspected.append(Inspected(template=template, uses=look.uses, problems=look.problems))
        if code > MAX_CODE and look.problems:
            break
    return tuple(inspected)


def used_names(texts: Iterable[Inspected]) -> dict[str, None]:
    """Return the variables that the texts use, saved ones left out, in the order of their first use."""
    return dict.fromkeys(use.name for text in texts for use in text.uses if not use.saved)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What texts can read: variables of the scenario and the command line, of cases, and saved replies.

    `saves` says for each saved name which turn saves it; `unsure` are those whose turn may be left out.
    """

    everywhere: Mapping[str, object]
    cases: Sequence[Case]
    saves: Mapping[str, int]
    unsure: Collection[str] = ()
    _counts: Counter[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        counts = Counter(name for case in self.cases for name in case.vars)
        object.__setattr__(self, "_counts", counts)

    @property
    def names(self) -> Iterator[str]:
        """All variables, each once."""
        return chain(self.everywhere, (name for name in self._counts if name not in self.everywhere))

    def lacking(self, name: str) -> int:
        """Return how many cases do not have a variable."""
        return 0 if name in self.everywhere else len(self.cases) - self._counts[name]

    def without(self, name: str) -> Iterator[Case]:
        """Yield the cases that do not have a variable."""
        return (case for case in self.cases if name not in case.vars)


def check_templates(texts: Iterable[Inspected], known: Known, problems: Problems) -> None:
    """Report what is wrong with the texts of a scenario and their variables."""
    for text in texts:
        source = text.template.source
        # Found twice rather than kept: a text may have a hundred thousand, whose places are found together.
        places = text.template.positions([offset for offset, *_ in _problems(text, known)])
        for offset, length, message, hint in _problems(text, known):
            source.report(problems, places[offset], message, hint=hint, length=length)


def _problems(text: Inspected, known: Known) -> Iterator[tuple[int, int, str, Hint]]:
    """Yield the offset, the length and the words of each problem of a text."""
    # What is wrong with the text itself; where anything is, it has no uses.
    for each in text.problems:
        yield each.offset, each.length, each.message, each.hint
    # What it reads: a reply that was saved before, or a value that every case must have.
    for use in text.uses:
        said = _saved_problem(use, text.template.turn, known) if use.saved else _undefined(use, known)
        if said is not None:
            yield use.offset, len(use.name) + (len("saved.") if use.saved else 0), *said


def report_unused(
    definitions: Mapping[str, Definition],
    used: Mapping[str, None],
    *,
    spared: frozenset[str],
    problems: Problems,
) -> None:
    """Report each variable that no text uses; nothing is said about those that are spared.

    A variable that an undefined one was surely meant to be is spared as well: that slip is reported at its
    use.
    """
    undefined = (name for name in used if name not in definitions)
    slips = {did_you_mean(name, definitions) for name in islice(undefined, _MAX_SLIPS)}
    for name, definition in definitions.items():
        if name not in used and name not in spared and name not in slips:
            message = f"unused variable `{name}`: no text uses it"
            definition.report(problems, message, hint=f"remove it, or write {{{{ {name} }}}} in a text")


def unknown_overrides(overrides: Mapping[str, str], known: frozenset[str]) -> list[Diagnostic]:
    """Return a problem for each `--set` of a variable that no scenario knows."""
    return [
        Diagnostic(
            position=Position(path="--set", line=1, column=1),
            message=f"no scenario has a variable `{name}`",
            hint=meant(name, sorted(known)) or "see the variables under `vars` and `cases`",
            window=Window.around(f"{name}={value}", 0, length=len(name)),
        )
        for name, value in overrides.items()
        if name not in known
    ]


def overridden(variables: JsonObject, overrides: Mapping[str, str]) -> JsonObject:
    """Return the variables of a conversation with those of `--set`.

    On the command line all is text; what takes the place of a number, true or false is one again where it
    is written as one.
    """
    return {**variables, **{name: _like(variables.get(name), text) for name, text in overrides.items()}}


def _like(before: Json, text: str) -> Json:
    if not isinstance(before, bool | int | float):
        return text
    try:
        value: Json = read_json(text, as_written=True)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float) else text


def _undefined(use: Use, known: Known) -> tuple[str, Hint] | None:
    lacking = known.lacking(use.name)
    if use.optional or not lacking:
        return None
    if lacking < len(known.cases):
        names = ", ".join(f"`{case.id}`" for case in islice(known.without(use.name), _NAMED))
        more = f" and {lacking - _NAMED:,} more" if lacking > _NAMED else ""
        message = f"undefined variable `{use.name}` in case {names}{more}"
        return message, "give it a value there, or a default under `vars`"
    return (
        f"undefined variable `{use.name}`",
        lambda: meant(use.name, known.names) or "define it under `vars` or in every case",
    )


def _saved_problem(use: Use, turn: int, known: Known) -> tuple[str, Hint] | None:
    saved = known.saves.get(use.name)
    if saved is None and not use.optional:
        hint = lambda: meant(use.name, known.saves) or "add `save` to an earlier user turn"  # noqa: E731 - found out only to be shown
        return f"nothing is saved as `{use.name}`", hint
    if saved is not None and saved >= turn:
        message = f"`saved.{use.name}` is not known here: turn {turn_number(saved)} saves it"
        return message, "read it in a turn after that one"
    if saved is not None and use.name in known.unsure and not use.optional:
        message = f"`saved.{use.name}` may be missing: turn {turn_number(saved)}, which saves it, has an `if`"
        default = f"{{{{ saved.{use.name} | default('...') }}}}"
        return message, f"write {default}, or save it in a turn that is always sent"
    return None
