"""Options of a run: declared once, and from that read, shown, saved, restored and named in messages."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_run.cli.app import run_command_line
from claude_run.errors import InputError
from claude_run.plan.providers import PROVIDER_NAMES
from claude_run.session.option_kinds import (
    ASSIGNMENTS,
    DURATION,
    ENGINE,
    FRACTION,
    MONEY,
    NAMES,
    NUMBER,
    PATH,
    PATHS,
    PATIENCE,
    SWITCH,
    TEXT,
    TEXTS,
)
from claude_run.session.options import (
    as_arguments,
    build,
    options_of,
    read_arguments,
    restored,
    saved_options,
)
from claude_run.session.request import GateRequest, RunRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypothesis.strategies import SearchStrategy

    from claude_run.session.options import Option

OPTIONS = {each.name: each for each in options_of(RunRequest)}
GATE = [each.name for each in options_of(GateRequest)]

# What `run.json` says of a run for which nothing was asked: the names, and their order, are read by others.
SAVED_DEFAULTS: list[tuple[str, Any]] = [
    ("models", []),
    ("repeat", None),
    ("expression", None),
    ("tags", []),
    ("overrides", {}),
    ("shard", None),
    ("last_failed", False),
    ("file_root", None),
    ("concurrency", 20),
    ("simulate", False),
    ("faults", None),
    ("provider", "anthropic"),
    ("env_file", None),
    ("attempt_s", 600.0),
    ("patience_s", 300.0),
    ("allowed_models", {}),
    ("engine", "local"),
    ("batch", False),
    ("batch_then_live_s", None),
    ("no_model_rules", False),
    ("no_cache", False),
    ("replay", None),
    ("reuse", None),
    ("baseline", None),
    (
        "gate",
        {
            "alpha": 0.05,
            "max_cost_increase": None,
            "confirm": 10,
            "no_confirm": False,
            "on_unclear": "fail",
        },
    ),
    ("judge_models", []),
    ("own_checks", []),
    ("check_limit_s", 10.0),
    ("max_cost", None),
    ("max_time_s", None),
    ("max_requests", None),
    ("fail_fast", False),
    ("max_failures", None),
    ("grace_s", 10.0),
]

# What each kind of option may be given on the command line: the texts of its values, in order.
_TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)
_PATHS = st.from_regex(r"[a-z.]{1,3}(/[a-z]{1,3})?", fullmatch=True)
_NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,3}", fullmatch=True)


def _one(texts: SearchStrategy[str]) -> SearchStrategy[list[str]]:
    return texts.map(lambda text: [text])


_VALUES: list[tuple[object, SearchStrategy[Any]]] = [
    (TEXT, _one(_TEXTS)),
    (TEXTS, st.lists(_TEXTS, max_size=3)),
    (PATH, _one(_PATHS)),
    (PATHS, st.lists(_PATHS, max_size=3)),
    (SWITCH, st.booleans()),
    (NUMBER, _one(st.integers(1, 10).map(str))),
    (FRACTION, _one(st.decimals(0, 1, places=4).map(lambda number: f"{number:f}"))),
    (MONEY, _one(st.decimals("0.01", 1000, places=2).map(str) | st.sampled_from(["$3", "0.0000001"]))),
    (ENGINE, _one(st.sampled_from(["local", "ray", "ray://auto", "ray://10.0.0.1:6379"]))),
    (DURATION, _one(st.sampled_from(["90s", "1.5m", "1h", "0.25", "200ms"]))),
    (PATIENCE, _one(st.sampled_from(["0s", "90s", "1h"]))),
    (
        ASSIGNMENTS,
        st.dictionaries(_NAMES, _TEXTS, max_size=3).map(lambda kept: [f"{n}={v}" for n, v in kept.items()]),
    ),
    (NAMES, st.lists(st.sampled_from(["a=b", "a=c", "b = c"]), max_size=3)),
    (OPTIONS["on_unclear"].kind, _one(st.sampled_from(["fail", "warn"]))),
    (OPTIONS["provider"].kind, _one(st.sampled_from(PROVIDER_NAMES))),
]


def values_of(declared: Option) -> SearchStrategy[Any]:
    """Return the values that an option of this kind may be given."""
    return next(values for kind, values in _VALUES if kind is declared.kind)


ANYTHING = st.fixed_dictionaries({}, optional={name: values_of(each) for name, each in OPTIONS.items()})


def value_of(request: RunRequest, name: str) -> Any:
    """Return the value of an option, those of the gate included."""
    return getattr(request.gate if name in GATE else request, name)


def as_saved(request: RunRequest) -> Any:
    """Return the saved options as they are read back from `run.json`."""
    return json.loads(json.dumps(saved_options(request)))


def test_the_names_in_run_json_and_their_order() -> None:
    """A reader of `run.json` finds the options under these names, and a diff of two runs lines up."""
    saved = saved_options(RunRequest())
    assert list(saved.items()) == SAVED_DEFAULTS
    gate = dict(SAVED_DEFAULTS)["gate"]
    assert list(saved["gate"]) == list(gate)  # type: ignore[arg-type] # it equals the literal, an object


@given(ANYTHING)
def test_what_is_saved_comes_back(asked: Mapping[str, Any]) -> None:
    """Whatever was given: through JSON and back it is the same, and what is not saved is as by default."""
    request = build(RunRequest, asked)
    again = restored(RunRequest, as_saved(request), {})
    for name, declared in OPTIONS.items():
        expected = request if declared.saved else RunRequest()
        assert value_of(again, name) == value_of(expected, name), name


@given(ANYTHING)
def test_arguments_are_read_as_they_are_written(asked: Mapping[str, Any]) -> None:
    """What is saved as arguments of a command line gives the same options again, but for the positional."""
    request = build(RunRequest, asked)
    arguments = as_arguments(RunRequest, as_saved(request), defaults=as_saved(RunRequest()))
    again = build(RunRequest, read_arguments(RunRequest, arguments))
    for name, declared in OPTIONS.items():
        if declared.flags and declared.saved and not declared.project_only:
            assert value_of(again, name) == value_of(request, name), name


@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        (["-m", "a", "--model=b", "-mc"], {"models": ["a", "b", "c"]}),
        (["-n2", "-x", "--simulate"], {"repeat": ["2"], "fail_fast": True, "simulate": True}),
        (["--baseline", "-x"], {"baseline": ["beside-the-scenarios"], "fail_fast": True}),
        (["--baseline", "a.json"], {"baseline": ["a.json"]}),
        (["-k", "-x"], {"expression": ["-x"]}),
        (["--set", "a=b=c"], {"overrides": ["a=b=c"]}),
    ],
)
def test_arguments_are_read_as_a_shell_user_writes_them(arguments: list[str], read: Any) -> None:
    """Joined, apart, or after `=`."""
    assert read_arguments(RunRequest, arguments) == read


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--modl", "a"], "--modl is no option here: did you mean --model?"),
        (["a.yaml"], "a.yaml is no option here"),
        (["--alpha", "0.1"], "--alpha is no option here"),
        (["-n"], "-n needs a value"),
        (["--simulate=yes"], "--simulate takes no value"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments: list[str], said: str) -> None:
    """What is no flag, and a flag without its value."""
    with pytest.raises(InputError) as refused:
        read_arguments(RunRequest, arguments)
    assert str(refused.value) == said


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("max_cost", "NaN"),
        ("max_cost", "Infinity"),
        ("max_cost", "-5"),
        ("max_cost", 2.5),
        ("max_requests", "x"),
        ("max_requests", 1.5),
        ("max_requests", 0),
        ("concurrency", -1),
        ("concurrency", 0),
        ("concurrency", 100_001),
        ("concurrency", True),
        ("concurrency", None),
        ("attempt_s", None),
        ("attempt_s", 0),
        ("patience_s", "5m"),
        ("patience_s", -1.0),
        ("max_time_s", "x"),
        ("max_time_s", 1e300),
        ("faults", 0),
        ("faults", True),
        ("file_root", 0),
        ("file_root", "a\0b"),
        ("file_root", "\ud800"),
        ("own_checks", None),
        ("own_checks", "a.py"),
        ("own_checks", [5]),
        ("models", "claude"),
        ("simulate", "no"),
        ("simulate", None),
        ("overrides", {"a b": "c"}),
        ("overrides", {"a": 5}),
        ("overrides", []),
        ("allowed_models", {"a": "b"}),
        ("allowed_models", 5),
        ("replay", 5),
        ("gate", None),
        ("gate", {"alpha": "nan"}),
        ("gate", {"on_unclear": "maybe"}),
    ],
)
def test_what_can_never_have_been_saved_is_named(name: str, kept: Any) -> None:
    """A file is believed no more than a user: the same bounds hold for what `run.json` says."""
    saved = {**as_saved(RunRequest()), name: kept}
    option = next(iter(kept)) if name == "gate" and kept else name
    with pytest.raises(TypeError, match=f"^{option if kept or name != 'gate' else ''}"):
        restored(RunRequest, saved, {})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from([*OPTIONS, "gate"]), JSON)
def test_any_json_is_a_value_or_refused(name: str, kept: Any) -> None:
    """What is taken is what would be saved again."""
    try:
        request = restored(RunRequest, {**as_saved(RunRequest()), name: kept}, {})
    except TypeError:
        return
    # A nested object may lack what has a default then, and what is not saved is not looked at.
    saved, asked = as_saved(request), {name: kept}
    assert {**saved, **asked} == saved or name == "gate" or not (name in saved and OPTIONS[name].saved)


@given(ANYTHING, ANYTHING)
def test_a_resumed_run_keeps_its_options_but_for_those_given_anew(
    first: Mapping[str, Any], later: Mapping[str, Any]
) -> None:
    """What is given by name wins, a value equal to the default too; all the rest is as it was started."""
    started, asked = build(RunRequest, first), build(RunRequest, later)
    anew = {name: OPTIONS[name].read(texts) for name, texts in later.items()}
    again = restored(RunRequest, as_saved(started), anew)
    for name, declared in OPTIONS.items():
        expected = asked if name in later else started if declared.saved else RunRequest()
        assert value_of(again, name) == value_of(expected, name), name


def test_an_option_of_a_later_version_has_its_default() -> None:
    """A run that an earlier version began did not save it, whatever it decides."""
    saved = {name: value for name, value in as_saved(RunRequest()).items() if name != "concurrency"}
    assert restored(RunRequest, saved, {}).concurrency == RunRequest().concurrency
    assert restored(RunRequest, {}, {}) == RunRequest()


@pytest.mark.parametrize("saved", [{**dict(SAVED_DEFAULTS), "gate": None}, {"models": 5}])
def test_saved_options_that_cannot_be_read_are_not_made_up(saved: dict[str, Any]) -> None:
    """Such a `run.json` is damaged, and whoever reads it is told."""
    with pytest.raises((AttributeError, TypeError)):
        restored(RunRequest, saved, {})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("overrides", ["company"], "--set company: write --set name=value"),
        ("overrides", ["a=1", "a=2"], "--set a: the variable is set twice"),
        ("repeat", "9" * 100, f"-n {'9' * 59}…: write a whole number from 1 in plain digits, such as 1"),
        ("max_cost", "much", "--max-cost much: write an amount of US dollars above 0"),
        ("max_cost", "0", "--max-cost 0: write an amount of US dollars above 0"),
        ("max_cost", "NaN", "--max-cost NaN: write an amount of US dollars above 0"),
        ("attempt_s", "soon", "--timeout soon: "),
        ("patience_s", "-1s", "--patience -1s: "),
        ("max_time_s", "0s", "--max-time 0s: the time must be longer than 0"),
        ("grace_s", "-1", "--grace -1: "),
        ("on_unclear", "maybe", "--on-unclear maybe: choose fail or warn"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(name: str, value: Any, words: str) -> None:
    """The error begins with the flag and what was given for it."""
    with pytest.raises(InputError, match=f"^{re.escape(words)}"):
        build(RunRequest, {name: value})


NO_NUMBERS = (
    *("", " ", " 5 ", "5 ", "nan", "inf", "-inf", "Infinity", "1e309", "1e2", "1_000", "0x10", "0b1", "5\n"),
    *("-1", "+1", ".5", "5.", "1,5", "1.5.2", "\u0665", "\uff15", "5\u00a0", "\u00bd", "9" * 400, "five"),
)
NUMBERS = [name for name, each in OPTIONS.items() if each.kind in (NUMBER, FRACTION, MONEY, DURATION)]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("text", NO_NUMBERS)
def test_every_number_is_finite_and_plain(name: str, text: str) -> None:
    """One rule for all: digits, and a point where a part may follow; nothing else that Python reads."""
    with pytest.raises(InputError, match=rf"(?s)^{OPTIONS[name].flag} .*(such as|write 90s)"):
        build(RunRequest, {name: [text]})


def test_there_are_numbers_to_try() -> None:
    """The table above is taken from the declarations."""
    assert {"alpha", "repeat", "max_cost", "attempt_s"} < set(NUMBERS)


@pytest.mark.parametrize(("text", "number"), [("0.05", 0.05), ("0", 0.0), ("007", 7.0), ("1", 1.0)])
def test_a_plain_number_is_what_it_says(text: str, number: float) -> None:
    """Zeros in front change nothing, as in every table."""
    assert build(GateRequest, {"max_cost_increase": [text]}).max_cost_increase == number


@pytest.mark.parametrize("name", [name for name, each in OPTIONS.items() if each.kind is not SWITCH])
def test_an_option_takes_one_value_or_all_of_them(name: str) -> None:
    """Of two values none is dropped: both count where several make sense, and else both are named."""
    declared = OPTIONS[name]
    values = ["a=first", "b=second"]
    if declared.kind.several:
        found = value_of(build(RunRequest, {name: values}), name)
        assert len(found) == 2
        return
    with pytest.raises(InputError, match=rf"^{declared.flag} was given twice, as a=first and b=second: "):
        build(RunRequest, {name: values})
    with pytest.raises(InputError, match=rf"^{declared.flag} was given 3 times, as a=first, b=second and c"):
        build(RunRequest, {name: [*values, "c"]})


@pytest.mark.parametrize("value", ["0", "0.5", "1"])
def test_a_gate_out_of_its_range_is_refused_by_name(value: str) -> None:
    """Numbers of the gate are checked where its rules are made, and named as the project file does."""
    with pytest.raises(InputError, match=r"^alpha must be above 0 and below 0\.5"):
        build(GateRequest, {"alpha": value}).rules()


def test_no_patience_at_all_can_be_asked_for() -> None:
    """`--patience 0s` is one try for each request, where other times must be longer than 0."""
    assert build(RunRequest, {"patience_s": "0s"}).patience_s == 0.0


def test_money_is_exact() -> None:
    """Dollars are decimal from the command line to `run.json` and back."""
    request = build(RunRequest, {"max_cost": ["$0.10"]})
    assert (request.max_cost, as_saved(request)["max_cost"]) == (Decimal("0.10"), "0.10")


def test_every_option_is_shown_in_its_panel(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`claude-run run --help` lists each declared option once, in the panel that its declaration names."""
    monkeypatch.setenv("COLUMNS", "200")
    assert run_command_line(["run", "--help"]) == 0
    shown: dict[str, list[str]] = {}
    rows: list[str] = []
    for line in capsys.readouterr().out.splitlines():
        heading = re.fullmatch(r"(\w+):", line)
        if heading:
            rows = shown.setdefault(heading[1], [])
        elif re.match(r"  \S", line):
            rows.append(line.strip())
    for declared in (each for each in OPTIONS.values() if not each.project_only):
        panel, start = (
            (declared.panel, ", ".join(declared.flags)) if declared.flags else ("Arguments", declared.metavar)
        )
        found = [
            name
            for name, rows in shown.items()
            for row in rows
            if re.match(rf"{re.escape(start or '')}[ ,]", row)
        ]
        assert found == [panel], declared.name
