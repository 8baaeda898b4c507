"""Baselines: accepted results, slim and diffable, committed beside the scenarios that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from claude_run.conversation.identity import Identity
from claude_run.conversation.sample import Sample
from claude_run.errors import InputError
from claude_run.record.codec import checked_types
from claude_run.record.disk import read_file, replace_file
from claude_run.text.strict_json import read_json, readable_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from claude_run.record.disk import Disk
    from claude_run.scenario.json_values import JsonObject

SCHEMA_VERSION = 2
_PUBLIC_MODE = 0o644
_MOST_TOKENS = 10**15  # no total is larger, and all of them can be compared as floats
_MOST_ATTEMPTS = 1_000_000  # of all cases of a file: each becomes a sample when it is compared


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedCase:
    """What was accepted of one case, variant and model, over all its attempts.

    `passed` of `measured` attempts passed. `expectations` is the digest of what they were held against, None
    where it is not known or not one. `answered_by` are the models that answered, sorted. Tokens are totals
    over the measured attempts, None where unknown. `replies` are those of one attempt.
    """

    identity: Identity
    vars: JsonObject
    passed: int
    measured: int
    expectations: str | None
    answered_by: tuple[str, ...]
    input_tokens: int | None
    output_tokens: int | None
    replies: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name within the scenario: `case/variant/model`."""
        return self.identity.name_in_scenario

    @property
    def rate(self) -> Fraction:
        """The share of the measured attempts that passed."""
        return Fraction(self.passed, self.measured)

    @property
    def samples(self) -> tuple[Sample, ...]:
        """As many samples as were measured, those that passed first; tokens are the mean of an attempt."""
        once = Sample(
            identity=self.identity,
            passed=True,
            cost_usd=None,
            latency_s=None,
            input_tokens=self._mean(self.input_tokens),
            output_tokens=self._mean(self.output_tokens),
            output_chars=sum(map(len, self.replies)),
            replies=self.replies,
            vars=self.vars,
            expectations=self.expectations,
            models=self.answered_by,
        )
        return (once,) * self.passed + (replace(once, passed=False),) * (self.measured - self.passed)

    def _mean(self, tokens: int | None) -> int | None:
        return None if tokens is None else round(tokens / self.measured)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What was accepted of one scenario, and the newest reason that was given for it, if any."""

    scenario: str
    path: str
    simulated: bool
    reason: str | None = None
    cases: tuple[AcceptedCase, ...]

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The samples of all cases."""
        return tuple(sample for case in self.cases for sample in case.samples)


def accepted_cases(
    samples: Iterable[Sample], before: Iterable[AcceptedCase] = ()
) -> tuple[AcceptedCase, ...]:
    """Return what the measured samples come to when they are accepted, case by case, in their order.

    The replies that are kept are those accepted `before` where an attempt brought the very same, so that
    nothing changes without a cause; else those of the first attempt that passed, or of the first.
    """
    known = {case.name: case.replies for case in before}
    by_name: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.passed is not None:
            by_name.setdefault(sample.identity.name_in_scenario, []).append(sample)
    return tuple(_accepted(attempts, known.get(name)) for name, attempts in by_name.items())


def read_baseline(path: Path, *, scenario_path: str) -> Baseline:
    """Read a baseline; InputError where there is none, or it does not fit."""
    try:
        value = read_json(read_file(path), unique_keys=True)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror or error}; `claude-run accept` writes baselines"
        ) from error
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON: {error}; restore it from git") from error
    keys = value if isinstance(value, Mapping) else {}
    if keys.get("schema_version") == 1 and "accepted_at" in keys:
        raise InputError(
            f"{path} was written by an older claude-run, whose baselines are of another form: play its"
            " scenario whole, and `claude-run accept` writes it anew"
        )
    if keys.get("schema_version") != SCHEMA_VERSION:
        raise InputError(f"{path} is not a baseline of version {SCHEMA_VERSION}: accept a run anew")
    try:
        return _from_json(value, scenario_path)
    except (KeyError, TypeError, ArithmeticError, AttributeError) as error:
        raise InputError(f"{path} is damaged ({error}): restore it from git, or accept a run anew") from error


def write_baseline(disk: Disk, path: Path, baseline: Baseline) -> None:
    """Write a baseline for git: sorted, one value a line, readable like any source file."""
    replace_file(disk, path, [readable_json(_to_json(baseline)).encode() + b"\n"])
    path.chmod(_PUBLIC_MODE)


def _accepted(attempts: Sequence[Sample], known: tuple[str, ...] | None) -> AcceptedCase:
    first = attempts[0]
    shown = next((sample for sample in attempts if sample.passed), first)
    digests = {sample.expectations for sample in attempts}
    is_new = all(sample.replies != known for sample in attempts)
    return AcceptedCase(
        identity=replace(first.identity, id=first.identity.case_name, repeat=None),
        vars=first.vars,
        passed=sum(sample.passed is True for sample in attempts),
        measured=len(attempts),
        expectations=first.expectations if len(digests) == 1 else None,
        answered_by=tuple(sorted({model for sample in attempts for model in sample.models})),
        input_tokens=_total(sample.input_tokens for sample in attempts),
        output_tokens=_total(sample.output_tokens for sample in attempts),
        replies=tuple(shown.replies) if known is None or is_new else known,
    )


def _listed(value: object) -> list[str]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r:.40} is not a list")
    return value


def _total(tokens: Iterable[int | None]) -> int | None:
    known = list(tokens)
    return None if None in known else sum(each for each in known if each is not None)


def _to_json(baseline: Baseline) -> JsonObject:
    return {
        "schema_version": SCHEMA_VERSION,
        "scenario": baseline.scenario,
        "simulated": baseline.simulated,
        "reason": baseline.reason,
        "cases": {
            case.name: _case_to_json(case) for case in sorted(baseline.cases, key=lambda case: case.name)
        },
    }


def _case_to_json(case: AcceptedCase) -> JsonObject:
    identity = case.identity
    return {
        "case": identity.case,
        "variant": identity.variant,
        "model": identity.model,
        "model_label": identity.model_label,
        **({} if identity.case_digest is None else {"case_digest": identity.case_digest}),
        "vars": {name: case.vars[name] for name in sorted(case.vars)},
        "passed": case.passed,
        "measured": case.measured,
        "expectations": case.expectations,
        "answered_by": list(case.answered_by),
        "input_tokens": case.input_tokens,
        "output_tokens": case.output_tokens,
        "replies": [reply.split("\n") for reply in case.replies],
    }


def _from_json(value: Mapping[str, Any], scenario_path: str) -> Baseline:
    baseline = Baseline(
        scenario=value["scenario"],
        path=scenario_path,
        simulated=value["simulated"],
        reason=value["reason"],
        cases=tuple(
            _case(row, name=name, scenario=value["scenario"], path=scenario_path)
            for name, row in value["cases"].items()
        ),
    )
    if sum(case.measured for case in baseline.cases) > _MOST_ATTEMPTS:
        raise TypeError(f"no baseline holds more than {_MOST_ATTEMPTS:,} attempts")
    return checked_types(baseline)


def _case(row: Mapping[str, Any], *, name: str, scenario: str, path: str) -> AcceptedCase:
    identity = Identity.of(
        scenario=scenario,
        path=path,
        case=row["case"],
        variant=row["variant"],
        model=row["model"],
        model_label=row["model_label"],
        case_digest=row.get("case_digest"),
    )
    case = AcceptedCase(
        identity=checked_types(identity),
        vars=row["vars"],
        passed=row["passed"],
        measured=row["measured"],
        expectations=row["expectations"],
        answered_by=tuple(_listed(row["answered_by"])),
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        # A reply is kept line by line.
        replies=tuple("\n".join(_listed(lines)) for lines in _listed(row["replies"])),
    )
    checked_types(case)
    if case.name != name:
        raise TypeError(f"{name!r:.40} stands for {case.name!r:.40}")
    if not 0 <= case.passed <= case.measured or case.measured == 0:
        raise TypeError(f"{case.passed} of {case.measured} attempts cannot have passed")
    for tokens in (case.input_tokens, case.output_tokens):
        if tokens is not None and not 0 <= tokens <= _MOST_TOKENS:
            raise TypeError("no run has so many tokens")
    return case
