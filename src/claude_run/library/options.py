"""The options of the calls: those of the command line, by the names that `run.json` has for them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypedDict

from claude_run.errors import InputError
from claude_run.scenario.diagnostics import did_you_mean
from claude_run.scenario.json_values import EMPTY
from claude_run.session.option_kinds import texts_of, wanted
from claude_run.session.options import options_of
from claude_run.session.project_file import key_of, requested
from claude_run.session.request import CompareRequest, RunRequest, check_combination

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal
    from os import PathLike
    from typing import TypeAlias

    from claude_run.session.options import Option

    PathText: TypeAlias = "str | PathLike[str]"
    Time: TypeAlias = "str | float"


class RunOptions(TypedDict, total=False):
    """What may be given to `load`, `plan` and `run`, each as the flag of `claude-run run` takes it.

    A time is seconds, or a text such as `"90s"`. None is as if it were not given. `baseline` is a path, or
    True for the accepted files beside the scenarios.
    """

    models: Sequence[str] | None
    repeat: int | None
    expression: str | None
    tags: Sequence[str] | None
    overrides: Mapping[str, str] | None
    shard: str | None
    last_failed: bool | None
    file_root: PathText | None
    concurrency: int | None
    simulate: bool | None
    faults: str | None
    provider: str | None
    env_file: PathText | None
    attempt_s: Time | None
    patience_s: Time | None
    allowed_models: Mapping[str, str | Sequence[str]] | None
    engine: str | None
    batch: bool | None
    batch_then_live_s: Time | None
    no_model_rules: bool | None
    no_cache: bool | None
    replay: PathText | None
    reuse: PathText | None
    baseline: PathText | bool | None
    confirm: int | None
    no_confirm: bool | None
    on_unclear: str | None
    judge_models: Sequence[str] | None
    own_checks: Sequence[PathText] | None
    check_limit_s: Time | None
    max_cost: Decimal | float | None
    max_time_s: Time | None
    max_requests: int | None
    fail_fast: bool | None
    max_failures: int | None
    grace_s: Time | None
    out: PathText | None


class CompareOptions(TypedDict, total=False):
    """What may be given to `compare`, as the flags of `claude-run compare` take it."""

    alpha: float | None
    margin: float | None
    on_inconclusive: str | None


def run_request(
    paths: Sequence[PathText], options: Mapping[str, Any], given: Mapping[str, Any] = EMPTY
) -> RunRequest:
    """Return what is asked of a run; InputError for an unknown option, or a value that it cannot have.

    `given` is what a command line gave besides. What is given nowhere has its default from the project file
    of the scenarios, as on the command line.
    """
    values = {**given, **read(RunRequest, options)}
    if paths:
        values["paths"] = _plain(list(paths))
    request = requested(values)
    check_combination(request)
    return request


def read(cls: type[RunRequest | CompareRequest], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as the command line would give them; InputError names the first that makes no sense."""
    declared = {each.name: each for each in options_of(cls) if each.flags and not each.project_only}
    given: dict[str, Any] = {}
    for name, value in options.items():
        if name not in declared:
            raise InputError(_unknown(name, declared.values()))
        option, plain = declared[name], _plain(value)
        if option.implied is not None and isinstance(plain, bool):
            plain = option.implied if plain else None
        if plain is None or plain is False or plain in ([], {}):
            continue
        texts = texts_of(option.kind, plain)
        if texts is None:
            raise InputError(f"{name} must be {wanted(option.kind)}, not {value!r:.60}")
        # Read here, it is the name that was given which a refusal says, and not the flag.
        replace(option, flags=(name,)).read(texts)
        given[name] = texts
    return given


def _unknown(name: str, declared: Iterable[Option]) -> str:
    """Say what else may be meant, be it called as its flag is."""
    names = {called: each.name for each in declared for called in (each.name, key_of(each))}
    close = name if name in names else did_you_mean(name, names)
    hint = (
        f"did you mean `{names[close]}`?"
        if close
        else f"there are {', '.join(dict.fromkeys(names.values()))}"
    )
    return f"there is no option {name!r}: {hint}"


def _plain(value: object) -> Any:  # noqa: ANN401 - whatever a program gives
    """Return a value with its paths as texts, and with lists for whatever holds several."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, list | tuple | set | frozenset):
        parts = sorted(value) if isinstance(value, set | frozenset) else value
        return [_plain(part) for part in parts]
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return value
