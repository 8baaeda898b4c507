"""Variables: defined wherever they are used, and used wherever they are defined."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.scenario.loading import complaints, load_text, refused

if TYPE_CHECKING:
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion


@pytest.mark.parametrize(
    ("yaml", "place"),
    [
        ("turns: [{user: 'a {{ nobody }}'}]\n", "1:22"),
        ('turns: [{user: "a\\n\\t{{ nobody }}"}]\n', "1:25"),
        ("turns:\n  - user: plain {{\n      nobody }}\n", "3:7"),
        ("turns:\n  - user: |\n      one\n      {{ nobody }}\n", "4:10"),
        ("turns:\n  - user: >-\n      one\n\n        {{ x.y if nobody }}\n", "5:19"),
        ("turns: [{user: [{text: '{{ nobody }}'}]}]\n", "1:28"),
        ("turns: [{user: a, example: '{{ nobody }}'}]\n", "1:32"),
        ("turns: [{user: a, expect: [{contains: {any: [x, '{{ nobody }}']}}]}]\n", "1:53"),
        ("turns: [{user: a, expect: [{not: {contains: '{{ nobody }}'}}]}]\n", "1:49"),
        ("system: '{{ nobody }}'\nturns: [{user: a}]\n", "1:13"),
        ("system: [{text: '{{ nobody }}'}]\nturns: [{user: a}]\n", "1:21"),
        ("variants: [{id: v, system: '{{ nobody }}'}]\nturns: [{user: a}]\n", "1:32"),
        ("turns: [{user: a}]\nexpect: [{contains: '{{ nobody }}'}]\n", "2:25"),
    ],
)
def test_an_undefined_variable_is_found_where_it_is_written(tmp_path: Path, yaml: str, place: str) -> None:
    """The place is that of the name inside the text, in every style of YAML and in every text."""
    found = complaints(tmp_path, yaml)
    assert f"a.yaml:{place} undefined variable `nobody`" in found


def test_every_case_is_checked(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    """A variable that only some cases define is undefined in the others."""
    text = """\
vars: {language: English}
cases:
  - {id: a, vars: {item: x}}
  - {id: b, vars: {itm: y}}
  - {id: c}
  - {id: d, vars: {language: German}}
  - {id: e}
turns:
  - user: "{{ item }} {{ itm }} {{ language }}"
"""
    assert refused(tmp_path, text) == snapshot


def test_a_default_under_vars_serves_every_case(tmp_path: Path) -> None:
    """A case need not repeat what the scenario defines, and an override is not a second definition."""
    text = "vars: {item: x}\ncases: [{id: a}, {id: b, vars: {item: y}}]\nturns: [{user: '{{ item }}'}]\n"
    assert len(load_text(tmp_path, text).cases) == 2


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        ("vars: {colour: red}\nturns: [{user: a}]\n", ["1:8 unused variable `colour`: no text uses it"]),
        (
            "cases: [{id: a, vars: {colour: red}}, {id: b, vars: {colour: blue}}]\nturns: [{user: a}]\n",
            ["1:24 unused variable `colour`: no text uses it"],
        ),
        (
            "vars: {colour: red}\ncases: [{id: a, vars: {colour: blue}}]\nturns: [{user: a}]\n",
            ["1:8 unused variable `colour`: no text uses it"],
        ),
    ],
)
def test_an_unused_variable_is_reported_once(tmp_path: Path, yaml: str, expected: list[str]) -> None:
    """What no text uses is most likely a slip."""
    assert complaints(tmp_path, yaml) == [f"a.yaml:{line}" for line in expected]


def test_a_slip_between_definition_and_use_is_recognised(tmp_path: Path) -> None:
    """One slip is one problem: the definition is not called unused."""
    shown = refused(tmp_path, "vars: {company: x}\nturns: [{user: '{{ compny }}'}]\n")
    assert "did you mean `company`?" in shown
    assert shown.count("-->") == 1


def test_doubtful_variables_are_spared(tmp_path: Path) -> None:
    """A variable is not called unused where the text that uses it could not be read."""
    assert complaints(tmp_path, "vars: {a: 1}\nturns: [{user: {{ a }}}]\n") == [
        "a.yaml:2:16 a key must be a string"
    ]
    assert complaints(tmp_path, "vars: {a: 1}\nturns: [{user: '{{ a | uper }}'}]\n") == [
        "a.yaml:2:24 unknown filter `uper` in a template"
    ]
    assert complaints(tmp_path, "vars: {a: 1}\nsystem: {file: none.md}\nturns: [{user: b}]\n") == [
        "a.yaml:2:16 no such file: none.md"
    ]


def test_cases_that_cannot_be_read_define_nothing_for_sure(tmp_path: Path) -> None:
    """Without cases, nothing is called undefined."""
    text = "cases: {file: none.csv}\nturns: [{user: '{{ item }}'}]\n"
    assert complaints(tmp_path, text) == ["a.yaml:1:15 no such file: none.csv"]


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        ("turns: [{user: '{{ saved.x }}'}]\n", ["1:20 nothing is saved as `x`"]),
        (
            "turns:\n  - {user: '{{ saved.x }}', save: {x: a}}\n",
            ["2:16 `saved.x` is not known here: turn 1 saves it"],
        ),
        (
            "turns:\n  - {user: a, example: '{{ saved.x }}', save: {x: a}}\n",
            ["2:28 `saved.x` is not known here: turn 1 saves it"],
        ),
        (
            "turns:\n  - {user: a, expect: [{contains: '{{ saved.x }}'}], save: {x: a}}\n",
            ["2:39 `saved.x` is not known here: turn 1 saves it"],
        ),
        (
            "system: '{{ saved.x }}'\nturns:\n  - {user: a, save: {x: a}}\n",
            ["1:13 `saved.x` is not known here: turn 1 saves it"],
        ),
        (
            "turns:\n  - {user: '{{ saved.x }}'}\n  - {user: a, save: {x: a}}\n",
            ["2:16 `saved.x` is not known here: turn 2 saves it"],
        ),
        ("turns: [{user: '{{ saved }}'}]\n", ["1:20 `saved` can only be read by name"]),
        ("turns: [{user: '{{ saved.x | default(1) }}'}]\n", []),
        ("turns:\n  - {user: a, save: {x: a}}\n  - {user: '{{ saved.x }} {{ saved[\"x\"] }}'}\n", []),
        ("turns:\n  - {user: a, save: {x: a}}\nexpect: [{contains: '{{ saved.x }}'}]\n", []),
        ("turns:\n  - {user: a, save: {unused: a}}\n", []),
    ],
)
def test_saved_text_is_read_only_after_it_is_saved(tmp_path: Path, yaml: str, expected: list[str]) -> None:
    """A turn reads what earlier turns saved; the end of the conversation reads all."""
    assert complaints(tmp_path, yaml) == [f"a.yaml:{line}" for line in expected]


def test_optional_variables_may_be_undefined(tmp_path: Path) -> None:
    """A template that says what happens without a variable needs none."""
    text = "turns: [{user: '{% if a is defined %}{{ a }}{% endif %}{{ b | default(1) }}'}]\n"
    assert load_text(tmp_path, text).vars == {}


def test_template_mistakes_are_shown_in_the_file(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    """A syntax error inside a block scalar has the line of its tag."""
    text = "turns:\n  - user: |\n      one\n      two {% if x %}\n  - user: '{{ x() }}'\n"
    assert refused(tmp_path, text) == snapshot
