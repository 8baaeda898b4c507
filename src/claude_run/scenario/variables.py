"""Variables: every one that a text uses is defined in every case, and every one that is defined is used."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import TYPE_CHECKING

from claude_run.scenario.diagnostics import Diagnostic, Window, did_you_mean
from claude_run.scenario.fields import NO_TURN, meant
from claude_run.scenario.model import Position, turn_number
from claude_run.scenario.template_inspection import too_much_code, variables_in
from claude_run.scenario.template_language import MAX_CODE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from claude_run.scenario.cases import Definition
    from claude_run.scenario.diagnostics import Hint, Problems
    from claude_run.scenario.fields import Template
    from claude_run.scenario.model import Case, Variant
    from claude_run.scenario.settings import Settings
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
    """What texts can read: variables of the scenario and the command line, of cases and variants, replies.

    `saves` says for each saved name which turn saves it; `unsure` says of those that may be missing, why.
    """

    settings: Settings
    saves: Mapping[str, int]
    unsure: Mapping[str, str] = field(default_factory=dict)
    _of_cases: Counter[str] = field(init=False, repr=False)
    _of_variants: Counter[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        of_cases = Counter(name for case in self.settings.cases for name in case.vars)
        of_variants = Counter(name for variant in self.settings.variants for name in variant.vars)
        object.__setattr__(self, "_of_cases", of_cases)
        object.__setattr__(self, "_of_variants", of_variants)

    @property
    def names(self) -> Iterator[str]:
        """All variables, some of them more than once."""
        return chain(self.settings.shared, self.settings.overrides, self._of_variants, self._of_cases)

    def is_everywhere(self, name: str) -> bool:
        """Return whether every conversation has a variable."""
        settings = self.settings
        return (
            name in settings.shared
            or name in settings.overrides
            or self._of_cases[name] == len(settings.cases)
            or self._of_variants[name] == len(settings.variants)
        )

    def lacking(self, name: str) -> tuple[str, int, Iterator[Case | Variant]] | None:
        """Return what it is called that lacks a variable, how many do, and these; None where all do."""
        settings = self.settings
        # What one of the variants sets is meant to be set by all of them, and so with the cases.
        if of_variants := self._of_variants[name]:
            without = (variant for variant in settings.variants if name not in variant.vars)
            return "variant", len(settings.variants) - of_variants, without
        if of_cases := self._of_cases[name]:
            return (
                "case",
                len(settings.cases) - of_cases,
                (case for case in settings.cases if name not in case.vars),
            )
        return None


def check_templates(texts: Iterable[Inspected], of_script: Known, problems: Problems) -> None:
    """Report what is wrong with the texts of a script, or of all, and their variables."""
    for text in texts:
        known = of_script
        source = text.template.source
        if text.template.settings is not None:
            known = replace(known, settings=text.template.settings)
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


def _undefined(use: Use, known: Known) -> tuple[str, Hint] | None:
    if use.optional or known.is_everywhere(use.name):
        return None
    if lacking := known.lacking(use.name):
        what, number, without = lacking
        names = ", ".join(f"`{each.id}`" for each in islice(without, _NAMED))
        more = f" and {number - _NAMED:,} more" if number > _NAMED else ""
        message = f"undefined variable `{use.name}` in {what} {names}{more}"
        return message, "give it a value there, or a default under `vars`"
    return (
        f"undefined variable `{use.name}`",
        lambda: meant(use.name, known.names) or "define it under `vars` or in every case",
    )


def _saved_problem(use: Use, turn: int, known: Known) -> tuple[str, Hint] | None:
    saved = known.saves.get(use.name)
    if turn == NO_TURN:
        message = f"`saved.{use.name}` cannot be read here: the results of tools are the same in every turn"
        return message, "use a variable of `vars` or of the cases"
    if saved is None and not use.optional:
        hint = lambda: meant(use.name, known.saves) or "add `save` to an earlier user turn"  # noqa: E731 - found out only to be shown
        return f"nothing is saved as `{use.name}`", hint
    if saved is not None and saved >= turn:
        message = f"`saved.{use.name}` is not known here: turn {turn_number(saved)} saves it"
        return message, "read it in a turn after that one"
    if saved is not None and use.name in known.unsure and not use.optional:
        message = f"`saved.{use.name}` may be missing: {known.unsure[use.name]}"
        default = f"{{{{ saved.{use.name} | default('...') }}}}"
        return message, f"write {default}, or save it in a turn that is always sent"
    return None
