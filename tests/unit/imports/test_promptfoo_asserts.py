"""Asserts: what each kind becomes, thresholds by what they need, and what is left out."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_run.imports.promptfoo.asserts import ways
from tests.unit.imports.importing import config, expected, made_of

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = {"type": "object", "required": ["a"]}


@pytest.mark.parametrize(
    ("given_assert", "becomes"),
    [
        ({"type": "contains", "value": "x"}, {"contains": "x"}),
        ({"type": "contains", "value": 0}, {"contains": "0"}),
        ({"type": "contains", "value": 1.0}, {"contains": "1"}),
        ({"type": "icontains", "value": "x"}, {"contains": {"text": "x", "ignore_case": True}}),
        ({"type": "contains-any", "value": ["x", 2]}, {"contains": {"any": ["x", "2"]}}),
        ({"type": "contains-all", "value": "x, y"}, {"contains": {"all": ["x", "y"]}}),
        ({"type": "icontains-all", "value": ["x"]}, {"contains": {"all": ["x"], "ignore_case": True}}),
        ({"type": "equals", "value": "x"}, {"equals": "x"}),
        ({"type": "equals", "value": {"a": 1}}, {"json": {"pointer": "", "equals": {"a": 1}}}),
        ({"type": "starts-with", "value": "x"}, {"starts_with": "x"}),
        ({"type": "regex", "value": r"\d+"}, {"matches": r"\d+"}),
        ({"type": "is-json"}, {"json": True}),
        ({"type": "is-json", "value": SCHEMA}, {"json": SCHEMA}),
        ({"type": "is-json", "value": '{"type": "array"}'}, {"json": {"type": "array"}}),
        ({"type": "llm-rubric", "value": "is {{ q }}"}, {"judge": "is {{ q }}"}),
        (
            {"type": "llm-rubric", "value": "x", "provider": "anthropic:messages:claude-sonnet-5"},
            {"judge": {"rubric": "x", "by": "claude-sonnet-5"}},
        ),
        ({"type": "g-eval", "value": ["x", "y"]}, {"judge": "x\ny"}),
        ({"type": "latency", "threshold": 1500}, {"max_latency": "1500ms"}),
        ({"type": "cost", "threshold": 0.01}, {"max_cost_usd": 0.01}),
        ({"type": "word-count", "value": 3}, {"all_of": [{"min_words": 3}, {"max_words": 3}]}),
        ({"type": "word-count", "value": {"max": 9}}, {"max_words": 9}),
        ({"type": "finish-reason", "value": "length"}, {"stop_reason": "max_tokens"}),
        ({"type": "not-contains", "value": "x", "metric": "m"}, {"not": {"contains": "x"}, "label": "m"}),
        (
            {"type": "not-icontains-any", "value": ["x"]},
            {"not": {"contains": {"any": ["x"], "ignore_case": True}}},
        ),
        ({"type": "trajectory:tool-used", "value": ["t"]}, {"calls_tool": "t"}),
        (
            {"type": "trajectory:tool-args-match", "value": {"name": "t", "args": {"a": "{{ q }}"}}},
            {"calls_tool": {"name": "t", "input": {"a": "{{ q }}"}}},
        ),
    ],
)
def test_what_says_the_same(given_assert: dict[str, Any], becomes: dict[str, Any], tmp_path: Path) -> None:
    """Nothing is lost, and `check` takes it."""
    tool = {"name": "t", "input_schema": {"type": "object"}}
    providers = [{"id": "anthropic:messages:claude-haiku-5-5", "config": {"tools": [tool]}}]
    found, made = expected(tmp_path, given_assert, providers=providers)
    uses = "{{ q }}" in str(becomes)
    assert found == [becomes]
    assert made.losses == [], uses


@pytest.mark.parametrize(
    ("kind", "value", "part"),
    [
        ("contains-json", None, {"within": {"pattern": r"(?s)(\{.*\}|\[.*\])", "expect": [{"json": True}]}}),
        ("similar", "x", {"judge": "The reply means the same as this text: x"}),
        ("factuality", "x", {"judge": "What the reply says agrees with these facts: x"}),
        ("answer-relevance", None, {"judge": "The reply answers what the user asks, and keeps to it."}),
        ("is-refusal", None, {"judge": "The reply refuses to do what the user asks."}),
        ("not-is-refusal", None, {"not": {"judge": "The reply refuses to do what the user asks."}}),
    ],
)
def test_what_says_something_near(kind: str, value: Any, part: dict[str, Any], tmp_path: Path) -> None:
    """It is carried over, and that it differs is said."""
    found, made = expected(tmp_path, {"type": kind, **({"value": value} if value else {})})
    assert found == [part]
    assert [(loss[0], loss[3]) for loss in made.losses] == [("changed", kind)]


@pytest.mark.parametrize(
    ("given_assert", "said"),
    [
        ({"type": "javascript", "value": "output.length"}, "`javascript` is code, which is not carried over"),
        ({"type": "not-python", "value": "x"}, "`python` is code, which is not carried over"),
        ({"type": "webhook", "value": "https://x"}, "`webhook` is code, which is not carried over"),
        ({"type": "contains", "value": "file://check.js"}, "check.js is code, which is not carried over"),
        ({"type": "is-xml"}, "`is-xml` has no counterpart"),
        ({"type": "rouge-n", "value": "x"}, "`rouge-n` has no counterpart"),
        ({"value": "x"}, "`` has no counterpart"),
        ({"type": "contains", "value": ""}, "`contains` cannot be said here"),
        ({"type": "contains", "value": {"a": 1}}, "its value is not a text"),
        ({"type": "contains", "value": "{{ q | foo }}"}, "a template that cannot be said here"),
        ({"type": "contains-any", "value": []}, "its value is not a list of texts"),
        ({"type": "regex", "value": "(?!x)"}, "`regex` cannot be said here: the pattern is not valid"),
        ({"type": "is-json", "value": {"type": 5}}, "`is-json` cannot be said here"),
        ({"type": "is-json", "value": "nothing"}, "its value is not a JSON Schema"),
        (
            {"type": "is-json", "value": "file://../schema.json"},
            "its value cannot be read from ../schema.json",
        ),
        ({"type": "latency"}, "it has no `threshold` that could be held"),
        ({"type": "word-count", "value": "x"}, "its value is neither a number nor {min, max}"),
        ({"type": "finish-reason", "value": "tired"}, "`tired` is not a finish reason that is known"),
        ({"type": "contains", "value": "x", "weight": 0}, "an assert of weight 0 decides nothing"),
        ({"type": "contains", "value": "x", "transform": "output"}, "`transform` is code"),
        ({"type": "tool-call-f1", "value": ["t"]}, "the tool `t` is not declared"),
        (
            {"type": "tool-call-f1", "value": ["t"], "threshold": 0.5},
            "a share of the calls cannot be expected",
        ),
        ({"type": "trajectory:tool-used", "value": {"pattern": "t*"}}, "only names of tools can be expected"),
        (
            {"type": "trajectory:tool-args-match", "value": {"name": "t", "mode": "exact"}},
            "only a `name` with `args`",
        ),
        ({"type": "assert-set", "assert": [{"type": "is-xml"}]}, "nothing is left of this `assert-set`"),
    ],
)
def test_what_has_no_counterpart_is_left_out(given_assert: dict[str, Any], said: str, tmp_path: Path) -> None:
    """By name, with why; the others beside it are kept."""
    found, made = expected(tmp_path, {"type": "contains", "value": "kept"}, given_assert)
    assert found == [{"contains": "kept"}]
    assert said in made.messages
    assert "dropped" in {loss[0] for loss in made.losses}


def test_a_pattern_is_filled_in_for_each_test(tmp_path: Path) -> None:
    """There a variable is part of the pattern; here it would stand for itself."""
    tests = [{"vars": {"q": "a|b"}}, {"vars": {"q": "c"}}]
    shared = {"assert": [{"type": "regex", "value": "^({{ q }})$"}]}
    found = made_of(tmp_path, config(tests=tests, defaultTest=shared))
    assert [case["expect"] for case in found.only["cases"]] == [
        [{"matches": "^(a|b)$"}],
        [{"matches": "^(c)$"}],
    ]


def test_a_test_may_do_without_what_all_expect(tmp_path: Path) -> None:
    """Then each says for itself what it expects."""
    tests = [{"vars": {"q": "a"}}, {"vars": {"q": "b"}, "options": {"disableDefaultAsserts": True}}]
    shared = {"assert": [{"type": "contains", "value": "x"}]}
    found = made_of(tmp_path, config(tests=tests, defaultTest=shared))
    assert found.only["turns"] == [{"user": "{{ q }}"}]
    assert [case.get("expect") for case in found.only["cases"]] == [[{"contains": "x"}], None]


def test_files_as_values(tmp_path: Path) -> None:
    """JSON and YAML are schemas, all else is text."""
    asserts = [{"type": "is-json", "value": "file://s.json"}, {"type": "contains", "value": "file://t.txt"}]
    files = {**config(tests=[{"vars": {"q": "a"}, "assert": asserts}]), "s.json": SCHEMA, "t.txt": "text"}
    assert made_of(tmp_path, files).only["turns"][0]["expect"] == [{"json": SCHEMA}, {"contains": "text"}]


def test_a_threshold_is_any_of_what_reaches_it(tmp_path: Path) -> None:
    """For a set as for a test; that scores count in full is said."""
    texts = [{"type": "contains", "value": text} for text in "abc"]
    found, made = expected(tmp_path / "a", {"type": "assert-set", "threshold": 0.3, "assert": texts})
    assert found == [{"any_of": [{"contains": text} for text in "abc"]}]
    assert [(loss[0], loss[3]) for loss in made.losses] == [("changed", "threshold")]

    test = {"vars": {"q": "x"}, "threshold": 0.5, "assert": [*texts[:1], {**texts[1], "weight": 3}]}
    weighed = made_of(tmp_path / "b", config(tests=[test]))
    assert weighed.only["turns"][0]["expect"] == [{"contains": "b"}]


def test_a_threshold_with_an_assert_that_is_lost_is_lost_as_a_whole(tmp_path: Path) -> None:
    """What is left of it would ask for something else."""
    inside = [{"type": "contains", "value": "a"}, {"type": "javascript", "value": "1"}]
    found, made = expected(tmp_path, {"type": "assert-set", "threshold": 0.5, "assert": inside})
    assert found == []
    assert "not all asserts that this threshold adds up are carried over" in made.messages


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(
    weights=st.lists(st.integers(1, 4), min_size=1, max_size=5),
    threshold=st.floats(0, 1).map(lambda share: round(share, 2)),
)
def test_the_ways_to_a_threshold_are_those_by_which_weights_reach_it(
    weights: list[int], threshold: float
) -> None:
    """Whichever asserts hold: one of the ways holds exactly where their share of the weight suffices."""
    found = ways([float(weight) for weight in weights], threshold)
    assert found is not None
    for holds in product((True, False), repeat=len(weights)):
        share = sum(weight for weight, held in zip(weights, holds, strict=True) if held) / sum(weights)
        one_holds = not found or any(all(holds[n] for n in way) for way in found)
        assert one_holds is (share >= threshold - 1e-9)


def test_what_weighs_nothing_leaves_a_threshold_to_the_others(tmp_path: Path) -> None:
    """It is told to be left out, and they are added up as before."""
    asserts = [
        {"type": "contains", "value": "a"},
        {"type": "javascript", "value": "x", "weight": 0},
        {"type": "contains", "value": "b"},
    ]
    found = made_of(tmp_path, config(tests=[{"vars": {"q": "Hi"}, "assert": asserts, "threshold": 1}]))
    assert found.only["turns"][0]["expect"] == [{"contains": "a"}, {"contains": "b"}]
    assert ("dropped", "javascript") in {(loss[0], loss[3]) for loss in found.losses}
