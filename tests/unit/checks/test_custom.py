"""Checks of one's own: written in a file or a package, found, refused, and kept from crashing a run."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.checks.custom import installed, load_file
from claude_run.checks.own import (
    TURN_ONLY,
    Check,
    Finding,
    Subject,
    check,
    errored,
    failed,
    passed,
)
from claude_run.checks.registry import BUILT_IN, default_registry
from claude_run.errors import InputError
from tests.docs.page_examples import blocks
from tests.docs.pages import ROOT
from tests.unit.checks.builders import expectation, spelt, subject

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

    from claude_run.conversation.results import CheckResult
    from claude_run.scenario.model import Json

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
) -> Check:
    """Make a check called `mine` that takes any text, unless told otherwise."""
    return check("mine", schema=schema or {"type": "string"}, example=example, **fields)(judge)


def judged(made: Check, value: Json = "x", text: str = "abc") -> CheckResult:
    """Evaluate a check as a run does."""
    return default_registry([made]).evaluate(expectation("mine", value), subject(text), str)


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
    assert [one.name for one in found] == ["shouts", "roars"]
    registry = default_registry(found)
    assert registry.schema("shouts")["description"] == "The reply is in capitals."
    results = [
        registry.evaluate(expectation("shouts", value=True), subject(text), str) for text in ("HO", "hi")
    ]
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


def test_an_imported_built_in_check_is_refused(tmp_path: Path) -> None:
    """A check that was made by hand is held to the same rules."""
    path = write(tmp_path, "from claude_run.checks.text_checks import CHECKS\nmine = CHECKS[-1]\n")
    with pytest.raises(InputError, match="`matches` is a name of claude-run itself"):
        load_file(path)


def test_two_checks_of_one_name() -> None:
    """Between a file and a package, too, a name is given once."""
    with pytest.raises(InputError, match="two checks are called 'mine': rename one of them"):
        default_registry([own(yes), own(yes)])


@pytest.mark.parametrize("value", ["x", 7, {"a": 1}, ["x", "{{ y }}"], None])
def test_a_value_that_does_not_fit_is_a_problem(value: Json, snapshot: SnapshotAssertion) -> None:
    """The schema of the check decides, and the hint shows its example."""
    schema = {"type": "array", "minItems": 1, "items": {"enum": ["a", "b"]}}
    registry = default_registry([own(yes, schema=schema, example=["a"])])
    assert [spelt(one) for one in registry.problems("mine", value, on_conversation=False)] == snapshot


def test_templates_are_judged_when_they_are_rendered() -> None:
    """Before that nobody knows what they become; afterwards a value that does not fit is errored."""
    registry = default_registry([own(yes, schema={"enum": ["a", "b"]}, example="a")])
    assert not registry.problems("mine", "{{ y }}", on_conversation=False)
    results = [
        registry.evaluate(expectation("mine", "{{ y }}"), subject("abc"), lambda _, text=text: text)  # type: ignore[misc] # mypy knows no type for a default of a lambda
        for text in ("b", "c")
    ]
    assert [one.status.value for one in results] == ["passed", "errored"]


def test_a_value_without_templates() -> None:
    """A check may take its texts as they are written."""
    made = own(lambda value, _: passed(value), templates=False)
    assert judged(made, "{{ y }}").message == "{{ y }}"
    assert own(yes, schema={"type": "string", "maxLength": 3}, templates=False).problems("{{ y }}")


def test_a_value_that_takes_too_much_work_is_a_problem() -> None:
    """Work on a stranger's value is bounded."""
    limits = dict.fromkeys(("minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength"), 1)
    (problem,) = own(yes, schema={"items": limits}, example=[]).problems([None] * 20_000)
    assert "too much work" in problem.message


def test_a_check_of_turns_only() -> None:
    """It is refused on a conversation as a whole."""
    registry = default_registry([own(yes, scopes=TURN_ONLY)])
    assert not registry.problems("mine", "x", on_conversation=False)
    assert "whole conversation" in registry.problems("mine", "x", on_conversation=True)[0].message


def test_the_description_is_the_docstring_unless_the_schema_has_one() -> None:
    """An editor shows what the check is for."""
    assert own(yes).schema["description"] == "Agree."
    assert own(lambda _, reply: passed(reply.text)).schema["description"] == "A check of your own."
    assert own(yes, schema={"description": "Says yes."}).schema["description"] == "Says yes."


def raises(_value: Any, reply: Subject) -> Finding:
    """Break."""
    raise ValueError(f"no such reply: {reply.text}")


def leaves(_value: Any, _reply: Subject) -> Finding:
    """Try to end the process."""
    sys.exit(3)


def is_unspeakable(_value: Any, _reply: Subject) -> Finding:
    """Raise what has no text."""
    raise UnspeakableError


@pytest.mark.parametrize(
    ("judge", "message"),
    [
        (raises, "the check `mine` broke: ValueError: no such reply: abc (test_custom.py, line "),
        (leaves, "the check `mine` broke: SystemExit: 3 (test_custom.py, line "),
        (is_unspeakable, "the check `mine` broke: UnspeakableError (test_custom.py, line "),
        (lambda _, __: None, "the check `mine` returned a NoneType: return passed(...) or failed(...)"),
        (lambda _, __: True, "the check `mine` returned a bool: "),
        (
            lambda _, __: passed("x", actual=float("nan")),
            "the check `mine` broke: ValueError: NaN is not a JSON value",
        ),
        (lambda _, __: passed("x", actual=UNFIT), "the check `mine` broke: TypeError: "),
        (lambda _, __: replace(passed("x"), status=UNFIT), "the check `mine` broke: ValueError: <object"),
    ],
    ids=range(8),
)
def test_a_check_that_breaks_is_errored(judge: Callable[[Any, Subject], Any], message: str) -> None:
    """Whatever code of others does, it neither crashes a run nor passes."""
    result = judged(own(judge))
    assert result.status == "errored"
    assert result.message.startswith(message)


def test_what_a_check_shows_is_made_short() -> None:
    """A reply of a megabyte does not stand in every report, and tuples become lists."""
    result = judged(own(lambda _, __: failed("m" * 5_000, expected=(1, 2), actual="a" * 5_000)))
    assert len(result.message) == 1_000
    assert len(str(result.actual)) == 300
    assert result.expected == [1, 2]
    assert judged(own(lambda _, __: errored("who knows"))).message == "who knows"


def test_a_check_made_by_hand_that_breaks_on_a_value_is_a_problem() -> None:
    """`problems` and `templates` of others are behind the same wall."""

    def fall(value: Json) -> Any:
        raise KeyError(value)

    made = replace(own(yes), problems=fall, templates=fall)
    registry = default_registry([made])
    (problem,) = registry.problems("mine", "x", on_conversation=False)
    assert problem.message.startswith(
        "the check `mine` broke on this value: KeyError: 'x' (test_custom.py, line "
    )
    assert registry.templates("mine", "x") == ()
    assert judged(made).status == "errored"


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
    assert [one.name for one in installed()] == ["shouts"]


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
        installed()
    assert message in str(caught.value)


def test_nothing_is_installed_here() -> None:
    """Without such packages there are the built-in checks only."""
    assert installed() == ()
    assert list(default_registry(installed()).kinds())[: len(BUILT_IN)] == [one.name for one in BUILT_IN]


def test_the_page_shows_a_check_that_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of the how-to is loaded, judges as its scenario says, and passes the test that it shows."""
    files = {block.name: block.body for block in blocks(PAGE.read_text(encoding="utf-8")) if block.name}
    path = tmp_path / "my_checks.py"
    path.write_text(files["my_checks.py"], encoding="utf-8")
    (found,) = load_file(path)
    registry = default_registry([found])
    text = "Of course. What is the order number?"
    results = [registry.evaluate(expectation("max_questions", n), subject(text), str) for n in (1, 0)]
    assert [one.status.value for one in results] == ["passed", "failed"]

    monkeypatch.syspath_prepend(tmp_path)
    shown: dict[str, Any] = {}
    exec(files["test_my_checks.py"], shown)  # noqa: S102 - the test that the page shows
    shown["test_two_questions_are_too_many"]()
    monkeypatch.delitem(sys.modules, "my_checks")
