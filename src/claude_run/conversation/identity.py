"""Who a conversation is: the one value that names it, and the only place that joins a name."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from sys import intern
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from claude_run.scenario.json_values import Json

_OTHER_VARIABLES = " (other variables)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """scenario x case x variant x model x repeat, and the file that the scenario stands in.

    `id` is what a run calls the conversation; `of` joins it from the parts. `case` and `variant` are None
    where the scenario has none. `model` is the id that is sent, `model_label` what the user calls it.
    `repeat` counts from 1 and is None where each conversation is played once. `case_digest` stands for the
    variables of a case that has no id but its number: another day another case may have the number.
    `confirm` counts the fresh attempts that a gate has added, from 1; None for what was planned at first.
    """

    id: str
    scenario: str
    path: str
    case: str | None = None
    variant: str | None = None
    model: str
    model_label: str
    repeat: int | None = None
    case_digest: str | None = field(default=None, compare=False)
    confirm: int | None = None

    @classmethod
    def of(  # noqa: PLR0913 - one argument for each part
        cls,
        *,
        scenario: str,
        path: str,
        case: str | None = None,
        variant: str | None = None,
        model: str,
        model_label: str,
        repeat: int | None = None,
        case_digest: str | None = None,
    ) -> Identity:
        """Return the identity whose id is `scenario/case/variant/model/repeat`, the parts in use."""
        once = cls(
            id=_joined(scenario, case, variant, model_label),
            scenario=scenario,
            path=path,
            case=case,
            variant=variant,
            model=model,
            model_label=model_label,
            case_digest=case_digest,
        )
        return once if repeat is None else once.repeated(repeat)

    def of_case(self, case: str) -> Identity:
        """Return the same identity for a case of another name."""
        parts = {name: getattr(self, name) for name in PARTS}
        renamed = Identity.of(**{**parts, "case": case}, case_digest=self.case_digest)
        return renamed if self.confirm is None else renamed.confirming(self.confirm)

    def repeated(self, number: int) -> Identity:
        """Return the identity of one of several repeats, counted from 1."""
        return replace(self, id=f"{self.id}/{number}", repeat=number)

    def confirming(self, number: int) -> Identity:
        """Return the identity of a fresh attempt of this case: no repeat, and told apart from all of them."""
        return replace(self, id=f"{self.case_name}/confirm-{number}", repeat=None, confirm=number)

    @property
    def case_name(self) -> str:
        """The name that all repeats share: `scenario/case/variant/model`."""
        return _joined(self.scenario, self.case, self.variant, self.model_label)

    @property
    def name_in_scenario(self) -> str:
        """The same within its scenario, whose file may have moved: `case/variant/model`."""
        return _joined(self.case, self.variant, self.model_label)

    @property
    def question_name(self) -> str:
        """What is asked, whoever answers: `scenario/case/variant`."""
        return _joined(self.scenario, self.case, self.variant)

    @property
    def title(self) -> str:
        """The name as lists of test results show it: `scenario/case/variant [model] #repeat`."""
        repeat = "" if self.repeat is None else f" #{self.repeat}"
        fresh = "" if self.confirm is None else f" confirm #{self.confirm}"
        return f"{self.question_name} [{self.model_label}]{repeat}{fresh}"

    @property
    def key_parts(self) -> Sequence[Json]:
        """What makes a request this conversation's own; a single play is repeat 1 of any number."""
        which = (self.repeat or 1) if self.confirm is None else f"confirm-{self.confirm}"
        return (self.scenario, self.case, self.variant, self.model_label, which)

    def compared_name(self, *, with_variant: bool, with_model: bool) -> str:
        """Return the name on both sides of a comparison, without the parts in which the sides differ."""
        variant, model = self.variant if with_variant else None, self.model_label if with_model else None
        return _joined(self.scenario, self.case, variant, model)

    def parts(self) -> dict[str, Json]:
        """Return the parts without the id as they stand, flat, in every file of a run."""
        others = {name: getattr(self, name) for name in _RARE}
        rare = {name: value for name, value in others.items() if value is not None}
        return {**{name: getattr(self, name) for name in PARTS}, **rare}

    @classmethod
    def from_parts(cls, value: Mapping[str, Any], *, name: str) -> Identity:
        """Take the parts of what a file calls `name` out of an object of it; KeyError for a missing one."""
        # Of a hundred thousand conversations most parts are the same: then they are the same object.
        parts = {part: _shared(value[part]) for part in PARTS}
        return cls(id=name, **parts, case_digest=value.get("case_digest"), confirm=value.get("confirm"))


_RARE = ("case_digest", "confirm")  # they stand in a file only where there is one
PARTS = tuple(each.name for each in fields(Identity) if each.name not in {"id", *_RARE})
"""The names of the parts, which are also those of the JSON fields, in order."""


def aligned_to(identities: Iterable[Identity], to: Iterable[Identity]) -> Callable[[Identity], Identity]:
    """Return what calls the numbered cases of one run as those with the same variables are called in another.

    A case without an id of its own is known by its variables, never by its place: its file may have got
    another line since. One that has no partner gets a name that says so, so that nothing is paired with it.
    """
    numbers: dict[tuple[str, str], dict[str, None]] = {}
    for identity in to:
        if identity.case is not None and identity.case_digest is not None:
            numbers.setdefault((identity.scenario, identity.case_digest), {})[identity.case] = None
    taken = {(scenario, case) for (scenario, _), cases in numbers.items() for case in cases}

    # Of several cases with the same variables each is taken once, in order.
    names: dict[tuple[str, str], str] = {}
    for identity in identities:
        key = (identity.scenario, identity.case or "")
        if identity.case is not None and identity.case_digest is not None and key not in names:
            partners = numbers.get((identity.scenario, identity.case_digest), {})
            partner = next(iter(partners), None)
            partners.pop(partner or "", None)
            names[key] = partner or _of_others(identity.case)

    def called(identity: Identity) -> Identity:
        if identity.case is None:
            return identity
        key = (identity.scenario, identity.case)
        name = names.get(key) or (_of_others(identity.case) if key in taken else identity.case)
        return identity if name == identity.case else identity.of_case(name)

    return called


def _of_others(case: str) -> str:
    """Return what a case is called that nothing is to be paired with."""
    return case.removesuffix(_OTHER_VARIABLES) + _OTHER_VARIABLES


def _shared(part: object) -> Any:  # noqa: ANN401 - a part as a file has it
    return intern(part) if type(part) is str else part


def _joined(*parts: str | None) -> str:
    return "/".join(part for part in parts if part is not None)
