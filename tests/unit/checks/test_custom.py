"""Checks of one's own: written in a file or a package, found, refused, and whatever they do a finding."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.checks.custom import InvalidCheckError, question_key
from claude_run.checks.guard import judged
from claude_run.checks.own import (
    TURN_ONLY,
    CustomCheck,
    Finding,
    Subject,
    check,
    errored,
    failed,
    passed,
)
from claude_run.checks.own_files import load_file, load_packages
from claude_run.checks.registry import Registry, default_registry
from claude_run.errors import InputError
from tests.docs.page_examples import blocks
from tests.docs.pages import ROOT
from tests.unit.checks.builders import expectation, spelt, subject

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

    from claude_run.conversation.results import CheckResult
    from claude_run.scenario.json_values import Json
    from claude_run.scenario.vocabulary import Slot

PAGE = ROOT / "docs/how-to/own-checks.md"
UNFIT: Any = object()
HEAD = "from claude_run.checks.own import *\n"
SHOUTS = HEAD + (
    "@check('shouts', schema={'type': 'boolean'}, example=True)\n"
    "def shouts(value, reply):\n"
    "    '''The reply is in capitals.'''\n"
    "    return passed('it shouts') if reply.text.isupper() is value else failed('it does not')\n"
)


def write(folder: Path, source: str) -> Path:
    """Write a file of checks."""
    path = folder / "mine.py"
    path.write_text(source, encoding="utf-8")
    return path


def own(
    judge: Callable[[Any, Subject], Any], *, schema: Any = None, example: Json = "x", **fields: Any
) -> CustomCheck:
    """Make a check called `mine` that takes any text, unless told otherwise."""
    return check("mine", schema=schema or {"type": "string"}, example=example, **fields)(judge)


def registry_of(*checks: CustomCheck) -> Registry:
    """Return the registry that a run with these checks has."""
    return default_registry([one.described.check() for one in checks])


def as_written(slot: Slot) -> Json:
    """Leave a template as it stands."""
    return slot.source


def result(
    made: CustomCheck, value: Json, text: str, fill: Callable[[Slot], Json] = as_written
) -> CheckResult:
    """Evaluate a check as a run does: its function is called first, and then its finding is read."""
    registry, asked = registry_of(made), expectation(made.described.name, value)
    findings = {
        question_key(name, rendered): judged(made, rendered, subject(text))
        for name, rendered in registry.values(registry.foreign, [asked], fill)
    }
    return registry.evaluate(asked, subject(text, findings=findings), fill)


def yes(_value: Any, reply: Subject) -> Finding:
    """Agree."""
    return passed(reply.text)


class UnspeakableError(Exception):
    """Has no text."""

    def __str__(self) -> str:
        raise RuntimeError


def test_a_file_of_checks(tmp_path: Path) -> None:
    """Each check of a file works as a built-in one, in the order of the file, once."""
    path = write(tmp_path, SHOUTS + "again = shouts\n" + SHOUTS.removeprefix(HEAD).replace("shouts", "roars"))
    found = load_file(path)
    assert [one.described.name for one in found] == ["shouts", "roars"]
    assert registry_of(*found).schema("shouts")["description"] == "The reply is in capitals."
    results = [result(found[0], value=True, text=text) for text in ("HO", "hi")]
    assert [one.status.value for one in results] == ["passed", "failed"]


def test_a_file_may_hold_dataclasses(tmp_path: Path) -> None:
    """What looks for its module while the file runs finds it."""
    imports = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    source = f"{imports}@dataclass(slots=True)\nclass A:\n    b: int\n{SHOUTS}"
    assert len(load_file(str(write(tmp_path, source)))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "x = 1\n",
        "\n\nraise RuntimeError('no\\nway')\n",
        "import sys\nsys.exit(3)\n",
        "import no_such_module_at_all\n",
        "def f():\n    return nothing\n\nf()\n",
        HEAD + "@check('contains', schema={}, example=1)\ndef f(value, reply): ...\n",
        HEAD + "@check('any_of', schema={}, example=1)\ndef f(value, reply): ...\n",
        HEAD + "@check('label', schema={}, example=1)\ndef f(value, reply): ...\n",
        HEAD + "@check('Mine!', schema={}, example=1)\ndef f(value, reply): ...\n",
        HEAD + "@check('mine', schema=[], example=1)\ndef f(value, reply): ...\n",
        HEAD + "@check('mine', schema={'anyOf': [{'$ref': '#'}]}, example=1)\ndef f(value, reply): ...\n",
        HEAD + "@check('mine', schema={'typ': 'string'}, example=1)\ndef f(value, reply): ...\n",
        HEAD + "@check('mine', schema={'items': {'type': 'text'}}, example=1)\ndef f(value, reply): ...\n",
        HEAD + "@check('mine', schema={'type': 'string'}, example=1)\ndef f(value, reply): ...\n",
        HEAD + "@check('mine', schema={}, example=1)\nasync def f(value, reply): ...\n",
    ],
    ids=range(15),
)
def test_a_file_that_cannot_be_used(source: str, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    """The error says where and what, and no module of the file is left behind."""
    path = write(tmp_path, source)
    before = set(sys.modules)
    with pytest.raises(InputError) as caught:
        load_file(path)
    assert str(caught.value).replace(str(tmp_path), "") == snapshot
    left = {name for name in set(sys.modules) - before if "own_checks" in name}
    assert not left or source == "x = 1\n"


@pytest.mark.parametrize(("source", "place"), [("x = 1\ndef broken(:\n", "mine.py:2:"), ("\x00", "mine.py")])
def test_a_file_that_is_no_python(source: str, place: str, tmp_path: Path) -> None:
    """The error points to the line and column that Python points to."""
    with pytest.raises(InputError) as caught:
        load_file(write(tmp_path, source))
    assert place in str(caught.value)
    assert "this is not valid Python: " in str(caught.value) or source == "\x00"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file and a folder are named."""
    with pytest.raises(InputError, match=r"--checks: .*nothing\.py cannot be read: No such file"):
        load_file(tmp_path / "nothing.py")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        load_file(tmp_path)


def test_an_imported_built_in_check_is_none_of_ones_own(tmp_path: Path) -> None:
    """Only what `@check` has made counts."""
    path = write(tmp_path, "from claude_run.checks.text_checks import CHECKS\nmine = CHECKS[-1]\n")
    with pytest.raises(InputError, match="there is no check in it; write @check"):
        load_file(path)


@pytest.mark.parametrize(
    "fields", [{"example": UNFIT}, {"example": float("nan")}, {"schema": {"enum": [UNFIT]}}], ids=range(3)
)
def test_what_a_check_says_of_itself_is_json(fields: dict[str, Any]) -> None:
    """It crosses to another process and stands in the schema of scenarios."""
    with pytest.raises(InvalidCheckError, match="must be JSON"):
        own(yes, **fields)


def test_two_checks_of_one_name() -> None:
    """Between a file and a package, too, a name is given once."""
    with pytest.raises(InputError, match="two checks are called 'mine': rename one of them"):
        registry_of(own(yes), own(yes))


@pytest.mark.parametrize("value", ["x", 7, {"a": 1}, ["x", "{{ y }}"], None])
def test_a_value_that_does_not_fit_is_a_problem(value: Json, snapshot: SnapshotAssertion) -> None:
    """The schema of the check decides, and the hint shows its example."""
    schema = {"type": "array", "minItems": 1, "items": {"enum": ["a", "b"]}}
    registry = registry_of(own(yes, schema=schema, example=["a"]))
    assert [spelt(one) for one in registry.problems("mine", value, place="turn")] == snapshot


def test_templates_are_judged_when_they_are_rendered() -> None:
    """Before that nobody knows what they become; afterwards a value that does not fit is errored."""
    made = own(yes, schema={"enum": ["a", "b"]}, example="a")
    assert not registry_of(made).problems("mine", "{{ y }}", place="turn")
    results = [
        result(made, "{{ y }}", "abc", lambda _, text=text: text)  # type: ignore[misc] # mypy knows no type for a default of a lambda
        for text in ("b", "c")
    ]
    assert [one.status.value for one in results] == ["passed", "errored"]


def test_a_value_without_templates() -> None:
    """A check may take its texts as they are written."""
    made = own(lambda value, _: passed(value), templates=False)
    assert result(made, "{{ y }}", "abc").message == "{{ y }}"
    strict = own(yes, schema={"type": "string", "maxLength": 3}, templates=False)
    assert registry_of(strict).problems("mine", "{{ y }}", place="turn")


def test_a_value_that_takes_too_much_work_is_a_problem() -> None:
    """Work on a stranger's value is bounded."""
    limits = dict.fromkeys(("minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength"), 1)
    registry = registry_of(own(yes, schema={"items": limits}, example=[]))
    (problem,) = registry.problems("mine", [None] * 20_000, place="turn")
    assert "too much work" in problem.message


def test_a_check_of_turns_only() -> None:
    """It is refused on a conversation as a whole."""
    registry = registry_of(own(yes, scopes=TURN_ONLY))
    assert not registry.problems("mine", "x", place="turn")
    assert "whole conversation" in registry.problems("mine", "x", place="conversation")[0].message


def test_the_description_is_the_docstring_unless_the_schema_has_one() -> None:
    """An editor shows what the check is for."""

    def about(*arguments: Any, **fields: Any) -> Json:
        return own(*arguments, **fields).described.schema["description"]

    assert about(yes) == "Agree."
    assert about(lambda _, reply: passed(reply.text)) == "A check of your own."
    assert about(yes, schema={"description": "Says yes."}) == "Says yes."


def raises(_value: Any, reply: Subject) -> Finding:
    """Break."""
    raise ValueError(f"no such reply: {reply.text}")


def leaves(_value: Any, _reply: Subject) -> Finding:
    """Try to end the process."""
    sys.exit(3)


def is_unspeakable(_value: Any, _reply: Subject) -> Finding:
    """Raise what has no text."""
    raise UnspeakableError


def is_cancelled(_value: Any, _reply: Subject) -> Finding:
    """Raise what would end a task of asyncio."""
    raise asyncio.CancelledError


def fails_like_a_test(_value: Any, _reply: Subject) -> Finding:
    """Raise what pytest raises, which is no Exception."""
    pytest.fail("no")


class UnspeakablyBadError(BaseException):
    """Has no text, and ends whoever asks for it."""

    def __str__(self) -> str:
        raise SystemExit


def is_unspeakably_bad(_value: Any, _reply: Subject) -> Finding:
    """Raise what nobody can show."""
    raise UnspeakablyBadError


@pytest.mark.parametrize(
    ("judge", "message"),
    [
        (raises, "the check `mine` broke: ValueError: no such reply: abc (test_custom.py, line "),
        (leaves, "the check `mine` broke: SystemExit: 3 (test_custom.py, line "),
        (is_unspeakable, "the check `mine` broke: UnspeakableError (test_custom.py, line "),
        (is_cancelled, "the check `mine` broke: CancelledError (test_custom.py, line "),
        (fails_like_a_test, "the check `mine` broke: Failed: no ("),
        (is_unspeakably_bad, "the check `mine` broke: UnspeakablyBadError (test_custom.py, line "),
        (lambda _, __: None, "the check `mine` returned a NoneType: return passed(...) or failed(...)"),
        (lambda _, __: True, "the check `mine` returned a bool: "),
        (
            lambda _, __: passed("x", actual=float("nan")),
            "the check `mine` broke: ValueError: NaN is not a JSON value",
        ),
        (lambda _, __: passed("x", actual=UNFIT), "the check `mine` broke: TypeError: "),
        (lambda _, __: replace(passed("x"), status=UNFIT), "the check `mine` broke: ValueError: <object"),
    ],
    ids=range(11),
)
def test_a_check_that_breaks_is_errored(judge: Callable[[Any, Subject], Any], message: str) -> None:
    """Whatever code of others does, it neither crashes a run nor passes."""
    finding = judged(own(judge), "x", subject("abc"))
    assert finding.status == "errored"
    assert finding.message.startswith(message)


def test_what_a_check_shows_is_made_short() -> None:
    """A reply of a megabyte does not stand in every report, and tuples become lists."""
    made = own(lambda _, __: failed("m" * 5_000, expected=(1, 2), actual="a" * 5_000))
    finding = judged(made, "x", subject("abc"))
    assert len(finding.message) == 1_000
    assert len(str(finding.actual)) == 300
    assert finding.expected == [1, 2]
    unsure = own(lambda _, __: errored("who knows"))
    assert judged(unsure, "x", subject("abc")).message == "who knows"


def test_a_check_that_nobody_called_is_errored() -> None:
    """A finding that is missing is never a pass."""
    missing = registry_of(own(yes)).evaluate(expectation("mine", "x"), subject("abc"), as_written)
    assert (missing.status, missing.message) == ("errored", "the check `mine` was not called")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Return a function that installs a package with one module and one entry point."""

    def install(entry_point: str, source: str) -> None:
        info = tmp_path / "our_checks-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: our-checks\nVersion: 1.0\n", "utf-8")
        (info / "entry_points.txt").write_text(f"[claude_run.checks]\nmine = {entry_point}\n", "utf-8")
        (tmp_path / "our_checks_module.py").write_text(source, "utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "our_checks_module", raising=False)

    return install


@pytest.mark.parametrize("entry_point", ["our_checks_module", "our_checks_module:shouts"])
def test_checks_of_installed_packages(package: Callable[[str, str], None], entry_point: str) -> None:
    """An entry point names a module full of checks, or one check."""
    package(entry_point, SHOUTS)
    assert [one.described.name for one in load_packages()] == ["shouts"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "raise RuntimeError('no')\n",
            "cannot be loaded: RuntimeError: no (our_checks_module.py, line 1); mend or",
        ),
        ("x = 1\n", "there is no check in it; write @check"),
    ],
)
def test_a_broken_package_is_named(package: Callable[[str, str], None], source: str, message: str) -> None:
    """The user learns which package to mend or uninstall."""
    package("our_checks_module", source)
    with pytest.raises(InputError, match="the checks `mine` of the installed package our-checks") as caught:
        load_packages()
    assert message in str(caught.value)


def test_nothing_is_installed_here() -> None:
    """Without such packages there are no checks of theirs."""
    assert load_packages() == ()


def test_the_page_shows_a_check_that_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of the how-to is loaded, judges as its scenario says, and passes the test that it shows."""
    files = {block.name: block.body for block in blocks(PAGE.read_text(encoding="utf-8")) if block.name}
    path = tmp_path / "my_checks.py"
    path.write_text(files["my_checks.py"], encoding="utf-8")
    (found,) = load_file(path)
    text = "Of course. What is the order number?"
    results = [result(found, n, text) for n in (1, 0)]
    assert [one.status.value for one in results] == ["passed", "failed"]

    monkeypatch.syspath_prepend(tmp_path)
    shown: dict[str, Any] = {}
    exec(files["test_my_checks.py"], shown)  # noqa: S102 - the test that the page shows
    shown["test_two_questions_are_too_many"]()
    monkeypatch.delitem(sys.modules, "my_checks")
