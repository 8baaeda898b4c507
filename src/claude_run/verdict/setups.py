"""In what two arms were played unlike each other, beside the one thing that their comparison is about."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from claude_run.conversation.sample import Sample

NOT_SET = "not set"
"""What is shown of a parameter that one side does not have."""


class Aspect(StrEnum):
    """What may differ beside the request parameters; the values are how a reader knows it."""

    MODEL = "model"
    MODEL_LABEL = "model label"
    VARIANT = "variant"
    SYSTEM = "system prompt"
    OPENING = "turns"
    VARIABLES = "what the variables hold"
    EXPECTATIONS = "what is expected"


_TESTED = (Aspect.MODEL, Aspect.MODEL_LABEL, Aspect.VARIANT, Aspect.SYSTEM, Aspect.OPENING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlike:
    """Something in which the arms differ: `name` is an `Aspect` or a request parameter as the API has it.

    `baseline` and `candidate` are its values as JSON, names as they are, those of the most cases that differ
    alike; None of texts, which are too long to be shown. `cases` counts all that differ.
    """

    name: str
    baseline: str | None
    candidate: str | None
    cases: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """How alike two arms were played: what is `under_test`, and what differs besides.

    What is under test is the first that differs of model, variant, system prompt and turns. A variant, and a
    model that is the same under another label, may override parameters and texts: what they change is part of
    them. None where nothing of these differs: then it is the model itself that may have changed, and chance.
    """

    under_test: str | None
    differs: tuple[Unlike, ...]
    known: bool = True


def conditions(cases: Iterable[tuple[Iterable[Sample], Iterable[Sample]]]) -> Conditions:
    """Compare what the measured samples of each case were played with, baseline and candidate.

    Of a side whose setup is not known, as that of a baseline file, no texts and parameters are compared.
    """
    found: dict[str, Counter[tuple[str, str]]] = {}
    known = True
    for baseline, candidate in cases:
        before, after = _played_with(baseline), _played_with(candidate)
        # A parameter that one side does not have differs; what is not known of one does not.
        has_setups = Aspect.SYSTEM in before and Aspect.SYSTEM in after
        known = known and has_setups
        both = {name for name in before if name in after}
        names = {*before, *after} - {Aspect.VARIABLES, Aspect.EXPECTATIONS} if has_setups else set()
        for name in (name for name in dict.fromkeys((*before, *after)) if name in names | both):
            sides = before.get(name, NOT_SET), after.get(name, NOT_SET)
            if sides[0] != sides[1]:
                found.setdefault(name, Counter())[sides] += 1

    under_test = next((aspect for aspect in _TESTED if aspect in found), None)
    if under_test in {Aspect.VARIANT, Aspect.MODEL_LABEL}:
        return Conditions(under_test=under_test, differs=(), known=known)
    # A label says nothing more than the model that it stands for.
    others = [name for name in found if name not in {under_test, Aspect.MODEL_LABEL}]
    differs = tuple(_unlike(name, found[name]) for name in others)
    return Conditions(under_test=under_test, differs=differs, known=known)


def _unlike(name: str, sides: Counter[tuple[str, str]]) -> Unlike:
    (before, after), _ = sides.most_common(1)[0]
    is_text = name in {Aspect.SYSTEM, Aspect.OPENING, Aspect.VARIABLES, Aspect.EXPECTATIONS}
    return Unlike(
        name=name,
        baseline=None if is_text else before,
        candidate=None if is_text else after,
        cases=sides.total(),
    )


def _played_with(samples: Iterable[Sample]) -> Mapping[str, str]:
    """Return what the measured samples of a case were played with, by name, aspects first."""
    values: dict[str, dict[str, None]] = {}
    for sample in samples:
        if sample.passed is None:
            continue
        identity = sample.identity
        here: dict[str, str] = {
            Aspect.MODEL: identity.model,
            Aspect.MODEL_LABEL: identity.model_label,
            Aspect.VARIANT: identity.variant or NOT_SET,
        }
        if sample.setup is not None:
            params = {name: json.dumps(value, sort_keys=True) for name, value in sample.setup.params.items()}
            here |= {Aspect.SYSTEM: sample.setup.system, Aspect.OPENING: sample.setup.opening, **params}
        if sample.expectations is not None:
            here[Aspect.EXPECTATIONS] = sample.expectations
        # A case without an id is found by its variables, so those are the same.
        if identity.case_digest is None:
            here[Aspect.VARIABLES] = json.dumps(dict(sample.vars), sort_keys=True)
        for name, value in here.items():
            values.setdefault(name, {})[value] = None
    return {name: " or ".join(sorted(each)) for name, each in values.items()}
