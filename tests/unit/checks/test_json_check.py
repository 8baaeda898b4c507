"""`json`: strict JSON, a value at a place, a JSON Schema with bounded work."""

from __future__ import annotations

import json
import re
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.scenario.json_values import EMPTY
from tests.unit.checks.builders import REGISTRY, expectation, found, problems, slots, spelt, status, subject

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from claude_run.scenario.json_values import Json

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
DRAFT_2019 = "https://json-schema.org/draft/2019-09/schema"
ORDER = '{"order": {"id": "A-1", "items": [{"price": 19.99}, {"price": 5}], "a/b": {"~": null}}}'
TREE: dict[str, Json] = {
    "$defs": {"node": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
    "$ref": "#/$defs/node",
}

KEYWORDS = ("type", "properties", "items", "allOf", "$ref", "pattern", "const", "$defs", "not", "if")

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab/~0", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~01", max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" [1]\n", "passed"),
        ("null", "passed"),
        ('"a"', "passed"),
        ('```json\n{"a": 1}\n```', "passed"),
        ("```JSON  \n[1]```\n", "passed"),
        ("```\n[1]\n```", "passed"),
        ('{"a": "```"}', "passed"),
        ("```python\n[1]\n```", "failed"),
        ("Here it is:\n```json\n[1]\n```", "failed"),
        ("```json\n[1]", "failed"),
        ("```json\n```", "failed"),
        ("", "failed"),
        ("[1] and more", "failed"),
        ("{'a': 1}", "failed"),
        ("[NaN]", "failed"),
        ("[-Infinity]", "failed"),
        ("[1e999]", "failed"),
        ("[" + "9" * 301 + "]", "failed"),
        ("[" + "9" * 300 + "]", "passed"),
        ('{"a": {"b": 1, "b": 1}}', "failed"),
        ("[" * 100 + "]" * 100, "passed"),
        ("[" * 100 + "{}" + "]" * 100, "errored"),
        ("[" * 100_000, "errored"),
    ],
)
def test_only_strict_json_is_json(text: str, expected: str) -> None:
    """One value, in one fence at most, that every parser reads the same way."""
    assert status("json", value=True, judged=text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"pointer": "/order/id", "equals": "A-1"}, "passed"),
        ({"pointer": "/order/id", "equals": "A-2"}, "failed"),
        ({"pointer": "/order/items/1/price", "equals": 5}, "passed"),
        ({"pointer": "/order/items/1/price", "equals": 5.0}, "passed"),
        ({"pointer": "/order/items/1/price", "equals": "5"}, "failed"),
        ({"pointer": "/order/items/1", "equals": {"price": 5}}, "passed"),
        ({"pointer": "/order/items/1", "equals": {"price": True}}, "failed"),
        ({"pointer": "/order/a~1b/~0", "equals": None}, "passed"),
        ({"pointer": "/order/items/2", "equals": None}, "failed"),
        ({"pointer": "/order/items/01"}, "failed"),
        ({"pointer": "/order/items/-"}, "failed"),
        ({"pointer": "/order/id/0"}, "failed"),
        ({"pointer": "/order/none"}, "failed"),
        ({"pointer": "/order/items"}, "passed"),
        ({"pointer": "/order/items", "schema": {"type": "array", "maxItems": 2}}, "passed"),
        ({"pointer": "/order/items", "schema": {"type": "array", "maxItems": 1}}, "failed"),
        ({"equals": json.loads(ORDER)}, "passed"),
        ({"schema": {"type": "array"}}, "failed"),
        ({"required": ["order"]}, "passed"),
        ({"required": ["orders"]}, "failed"),
    ],
)
def test_the_value_at_a_place_is_judged(value: Json, expected: str) -> None:
    """A pointer leads to one place, where a value or a schema is asked for, or only that it exists."""
    assert not problems("json", value)
    assert status("json", value, ORDER) == expected


@pytest.mark.parametrize(
    ("schema", "fits", "does_not"),
    [
        ({"pattern": "^a+$"}, '"aaa"', '"ab"'),
        ({"pattern": "a"}, "1", '"b"'),
        ({"patternProperties": {"^x": {"type": "integer"}}}, '{"x1": 1, "y": "a"}', '{"x1": "a"}'),
        ({"patternProperties": {"^x": True}, "additionalProperties": False}, '{"xy": 1}', '{"y": 1}'),
        ({"properties": {"a": True}, "additionalProperties": {"type": "null"}}, '{"a": 1}', '{"b": 1}'),
        ({"properties": {"a": True}, "additionalProperties": {"type": "null"}}, '{"b": null}', None),
        ({"additionalProperties": False}, "[]", '{"b": 1}'),
        # Only RE2 knows these classes: Python's own patterns would be an exception here.
        ({"patternProperties": {r"^\pL$": {"type": "null"}}}, '{"é": null, "1": 1}', '{"é": 1}'),
        ({"patternProperties": {r"^\pL$": True}, "additionalProperties": False}, '{"é": 1}', '{"1": 1}'),
        ({"$schema": DRAFT_7, "items": {"$ref": "#"}, "pattern": r"^\pL$"}, '["é"]', '["1"]'),
        ({"uniqueItems": True}, '[1, true, "1", [1], {"a": 1}]', '[{"a": [1]}, {"a": [1.0]}]'),
        ({"uniqueItems": False}, "[1, 1]", None),
        ({"multipleOf": 0.01}, "19.99", "19.999"),
        ({"multipleOf": 2}, '"odd"', "3"),
        ({"type": "number", "multipleOf": 1e-300}, "1e300", "true"),
        ({"dependentSchemas": {"a": {"required": ["b"]}}}, '{"a": 1, "b": 1}', '{"a": 1}'),
        ({"if": {"type": "object"}, "then": {"required": ["a"]}, "else": False}, '{"a": 1}', "1"),
        ({"prefixItems": [{"type": "integer"}], "items": {"type": "string"}}, '[1, "a"]', "[1, 2]"),
        ({"contains": {"const": 1}, "minContains": 2}, "[1, 1]", "[1]"),
        ({"$schema": DRAFT_7, "items": [{"type": "integer"}], "additionalItems": False}, "[1]", "[1, 2]"),
        ({"$schema": DRAFT_7, "dependencies": {"a": ["b"]}}, '{"a": 1, "b": 1}', '{"a": 1}'),
        ({"$schema": DRAFT_2019, "$id": "urn:x", "$ref": "#/$defs/a", "$defs": {"a": {"pattern": "a"}}},
         '"a"', '"b"'),
        (TREE, "[[], [[]]]", "[[], [1]]"),
        ({"$defs": {"a b": {"const": 1}}, "$ref": "#/$defs/a%20b"}, "1", "2"),
        ({"x-note": "ours", "$comment": "?", "anyOf": [{"type": "null"}, {"minimum": 3}]}, "3", "2"),
        ({"const": {"$ref": "http://127.0.0.1:1/"}}, '{"$ref": "http://127.0.0.1:1/"}', "1"),
        ({"properties": {"$ref": {"type": "string"}}}, '{"$ref": "a"}', '{"$ref": 1}'),
    ],
)  # fmt: skip
def test_schemas_are_evaluated(schema: dict[str, Any], fits: str, does_not: str | None) -> None:
    """The keywords mean what their draft says, our own versions of some of them included."""
    assert [spelt(problem) for problem in problems("json", schema)] == []
    assert found("json", schema, fits).message == "the JSON fits the schema"
    if does_not is not None:
        assert status("json", {"schema": schema}, does_not) == "failed"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "Sorry, I cannot do that."),
        (True, '{"a": 1, b}'),
        (True, '{"a": 1, "a": 2}'),
        (True, "[Infinity]"),
        (True, "[" * 101 + "]" * 101),
        (True, '["\\ud800"]'),
        ({"pointer": "/a", "equals": 1}, '{"a": "1"}'),
        ({"pointer": "/a", "equals": "x"}, '{"a": "y"}'),
        ({"pointer": "/a", "equals": 1}, '{"a": 1}'),
        ({"pointer": "/a/b", "equals": 1}, '{"a": {"c": 1, "\\u202e": 2}}'),
        ({"pointer": "/a/b"}, '{"a": {}}'),
        ({"pointer": "/z"}, json.dumps(dict.fromkeys("abcdefghij"))),
        ({"pointer": "/a/7"}, '{"a": [1]}'),
        ({"pointer": "/a/b"}, '{"a": null}'),
        ({"pointer": "/a"}, '{"a": null}'),
        ({"type": "object", "required": ["a"], "properties": {"b": {"type": "integer"}}}, '{"b": "x"}'),
        ({"pointer": "/a", "schema": {"items": {"pattern": "^[0-9]+$"}}}, '{"a": ["1", "\\u001b[2J"]}'),
        ({"anyOf": [{"type": "integer"}, {"required": ["a"]}]}, '{"b": 1}'),
        ({"items": {"type": "string"}}, json.dumps(list(range(1000)))),
    ],
)
def test_messages_say_where_the_json_is_wrong(value: Json, text: str, snapshot: SnapshotAssertion) -> None:
    """The sentence names the place, what was asked for, and what stands there."""
    result = found("json", value, text)
    assert (result.status.value, result.message, result.actual) == snapshot


def test_a_trailing_comma_is_said_as_this_python_says_it() -> None:
    """Newer Pythons name the comma, older ones what should follow it; both name the place."""
    result = found("json", value=True, judged='{"a": 1,}')
    assert result.status.value == "failed"
    assert re.fullmatch(
        r"expected the reply to be JSON: (Illegal trailing comma before end of object at line 1, column 8"
        r"|Expecting property name enclosed in double quotes at line 1, column 9)"
        r'; it begins "\{\\"a\\": 1,\}"',
        result.message,
    )


@pytest.mark.parametrize(
    "value",
    [
        False,
        3,
        "true",
        None,
        {},
        {"pointer": "a"},
        {"pointer": "/a~2"},
        {"pointer": 1},
        {"pointer": "/a", "equal": 1},
        {"equals": 1, "schema": {"type": "null"}},
        {"schema": True},
        {"schema": {"type": "strin"}},
        {"type": ["string", 1]},
        {"minimum": "1"},
        {"typ": "object"},
        {"propertys": {"a": {}}, "unheard": 1},
        {"properties": {"a": {"requird": ["b"]}}},
        {"$schema": "http://json-schema.org/draft-03/schema#"},
        {"$schema": 7},
        {"$schema": DRAFT_7, "prefixItems": []},
        {"properties": {"a": {"$schema": DRAFT_7}, "b": {"$id": "urn:x"}}},
        {"$ref": "http://127.0.0.1:1/schema"},
        {"items": {"$ref": "other.json#/a"}},
        {"items": {"$ref": 1}},
        {"$ref": "#anchor"},
        {"$ref": "#/$defs/missing"},
        {"$ref": "#/const", "const": {"$ref": "http://127.0.0.1:1/"}},
        {"$ref": "#"},
        {"$defs": {"a": {"anyOf": [{"not": {"$ref": "#/$defs/b"}}]}, "b": {"$ref": "#/$defs/a"}}},
        {"dependentSchemas": {"a": {"$ref": "#"}}},
        {"unevaluatedProperties": False},
        {"$dynamicRef": "#a"},
        {"pattern": "(?=a)"},
        {"pattern": 5},
        {"patternProperties": {"(": {}}},
        {"properties": []},
    ],
)
def test_problems_are_found_before_sending(value: Json, snapshot: SnapshotAssertion) -> None:
    """A schema that would fetch, loop, backtrack or be ignored never reaches a reply."""
    assert [spelt(problem) for problem in problems("json", value)] == snapshot


def test_pointers_are_unescaped_in_the_order_of_the_rfc() -> None:
    """`~01` is the key `~1`, because the slash is unescaped first."""
    assert status("json", {"pointer": "/~01", "equals": 1}, '{"~1": 1, "/": 2}') == "passed"


def test_frozen_values_are_as_good_as_plain_ones() -> None:
    """The loader may hand over tuples and read-only objects: they are JSON all the same."""
    parts = MappingProxyType({"a": EMPTY})
    frozen: Json = MappingProxyType({"type": "object", "required": ("a",), "properties": parts})
    assert not problems("json", frozen)
    assert (status("json", frozen, '{"a": 1}'), status("json", frozen, "{}")) == ("passed", "failed")
    assert status("json", MappingProxyType({"equals": (1, EMPTY)}), "[1, {}]") == "passed"


def test_schemas_may_share_parts_without_going_round() -> None:
    """Only a reference back to the same value is refused; sharing and real recursion are not."""
    shared: dict[str, Json] = {
        "$defs": {"a": {"type": "integer"}, "b": {"$ref": "#/$defs/a", "minimum": 5}},
        "allOf": [{"$ref": "#/$defs/a"}, {"not": {"$ref": "#/$defs/b"}}],
    }
    assert not problems("json", shared)
    assert not problems("json", TREE)
    assert (status("json", shared, "3"), status("json", shared, "7")) == ("passed", "failed")


def test_a_schema_that_asks_for_endless_work_is_errored() -> None:
    """Work that doubles at each of forty levels ends within the budget, and is neither passed nor failed."""
    levels: dict[str, Json] = {"a0": {"type": "integer"}}
    for level in range(1, 40):
        levels[f"a{level}"] = {
            "allOf": [{"$ref": f"#/$defs/a{level - 1}"}, {"$ref": f"#/$defs/a{level - 1}"}]
        }
    started = time.process_time()
    result = found("json", {"$defs": levels, "$ref": "#/$defs/a39"}, "1")
    assert (result.status, result.message) == ("errored", "the schema asks for too much work on this JSON")
    assert time.process_time() - started < 30


def test_a_schema_that_nests_too_deeply_with_the_json_is_errored() -> None:
    """Where the evaluation itself cannot go deep enough, it says so."""
    levels: dict[str, Json] = {
        f"a{level}": {"allOf": [{"$ref": f"#/$defs/a{level + 1}"}]} for level in range(400)
    }
    levels["a400"] = {"type": "integer"}
    result = found("json", {"$defs": levels, "$ref": "#/$defs/a0"}, "1")
    assert (result.status, result.message) == ("errored", "the schema and the JSON are nested too deeply")


def test_unique_items_cost_linear_time() -> None:
    """Twenty thousand objects are compared in well under the time that comparing pairs would take."""
    text = json.dumps([{"a": number} for number in range(20_000)])
    started = time.process_time()
    assert status("json", {"uniqueItems": True}, text) == "passed"
    assert time.process_time() - started < 5


def test_every_text_is_a_template() -> None:
    """A rendered pointer that is none makes the check errored, because nobody could check it before."""
    value: Json = {"pointer": "/{{ a }}", "equals": {"b": ["{{ c }}"]}}
    assert slots("json", value) == [
        (("pointer",), "/{{ a }}", "pointer"),
        (("equals", "b", 0), "{{ c }}", "value"),
    ]
    assert not problems("json", value)
    for before, schema in (((), {}), (("schema",), {"pointer": "/a"})):
        written: Any = {"const": "{{ a }}", "pattern": "{{ b }}", "default": {"pattern": "{{ c }}"}}
        value = {**schema, "schema": written} if before else written
        assert (
            slots("json", value)
            == [
                ((*before, "const"), "{{ a }}", "value"),
                ((*before, "pattern"), "{{ b }}", "pattern"),
                ((*before, "default", "pattern"), "{{ c }}", "value"),
            ]
            if not before
            else slots("json", value)[1:]
        )
    assert not REGISTRY.templates("json", value=True)
    for rendered, expected in (("/a", "passed"), ("/b", "failed"), ("a", "errored"), ("{{", "errored")):
        wanted = expectation("json", {"pointer": "{{ p }}", "equals": 1})
        result = REGISTRY.evaluate(wanted, subject('{"a": 1}'), lambda _, text=rendered: text)  # type: ignore[misc] # mypy knows no type for a default of a lambda
        assert result.status == expected


@settings(max_examples=100, deadline=None)
@given(value=values)
def test_every_place_of_a_value_is_found_by_its_pointer(value: Any) -> None:
    """The reference implementation builds pointers while it walks, and the check must end where it stood."""
    for pointer, part in _places(value, ""):
        assert status("json", {"pointer": pointer, "equals": part}, json.dumps(value)) == "passed"
        assert status("json", {"pointer": pointer + "/none", "equals": part}, json.dumps(value)) == "failed"


@settings(max_examples=100, deadline=None)
@given(left=values, right=values)
def test_equality_is_that_of_json(left: Any, right: Any) -> None:
    """Numbers are equal by value and booleans are no numbers, at every depth."""
    expected = "passed" if _same(left, right) else "failed"
    assert status("json", {"equals": right}, json.dumps(left)) == expected


@settings(max_examples=100, deadline=None)
@given(text=st.text(alphabet='{}[]",:1a\\u -e.`\n', max_size=20))
def test_any_text_is_judged_as_json_without_an_exception(text: str) -> None:
    """Whatever a model writes, the answer is passed or failed."""
    assert status("json", value=True, judged=text) in {"passed", "failed"}


@settings(max_examples=100, deadline=None)
@given(schema=st.dictionaries(st.sampled_from(KEYWORDS), values, min_size=1, max_size=4), value=values)
def test_any_object_is_a_schema_or_has_problems(schema: dict[str, Any], value: Any) -> None:
    """No schema raises: with problems it is errored, without it is evaluated."""
    result = status("json", {"schema": schema}, json.dumps(value))
    assert (result == "errored") == bool(problems("json", {"schema": schema}))


def _places(value: Any, pointer: str) -> list[tuple[str, Any]]:
    places = [(pointer, value)]
    named = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in named:
        places.extend(_places(part, f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}"))
    return places


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)
