"""The variables that texts are filled in with: those of every case with every variant."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING

from claude_run.scenario.json_values import EMPTY
from claude_run.scenario.model import Case, Variant
from claude_run.text.strict_json import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from claude_run.scenario.json_values import Json, JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The cases and variants that some texts are played with.

    `shared` are the scenario's variables, which those of variants and cases win over; `overrides` are those
    of `--set`, which win over all.
    """

    shared: JsonObject = EMPTY
    cases: Sequence[Case] = (Case(),)
    variants: Sequence[Variant] = (Variant(),)
    overrides: Mapping[str, str] = field(default_factory=dict)

    def each(self) -> Iterator[tuple[Case, Variant, JsonObject]]:
        """Yield every case with every variant, and the variables that both together have."""
        for case, variant in product(self.cases, self.variants):
            yield case, variant, variables_of(self.shared, case, variant, self.overrides)

    def of(
        self, *, cases: Sequence[Case] | None = None, variants: Sequence[Variant] | None = None
    ) -> Settings:
        """Return the settings of some of the cases or variants alone."""
        return replace(
            self,
            cases=self.cases if cases is None else cases,
            variants=self.variants if variants is None else variants,
        )


def variables_of(
    shared: JsonObject, case: Case, variant: Variant, overrides: Mapping[str, str]
) -> JsonObject:
    """Return the variables of a conversation; no variable is set by a case and by a variant."""
    return overridden({**shared, **variant.vars, **case.vars}, overrides)


def overridden(variables: JsonObject, overrides: Mapping[str, str]) -> JsonObject:
    """Return the variables of a conversation with those of `--set`.

    On the command line all is text; what takes the place of a number, true or false is one again where it
    is written as one.
    """
    if not overrides:
        return variables
    return {**variables, **{name: _like(variables.get(name), text) for name, text in overrides.items()}}


def _like(before: Json, text: str) -> Json:
    if not isinstance(before, bool | int | float):
        return text
    try:
        value: Json = read_json(text, as_written=True)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float) else text
