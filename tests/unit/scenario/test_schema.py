"""The JSON Schema for editors: valid, and of one mind with the loader."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from claude_run.scenario import keys
from claude_run.scenario.diagnostics import InvalidScenarioError
from claude_run.scenario.schema import build
from claude_run.scenario.source import Source
from claude_run.scenario.yaml_reader import parse
from claude_run.scenario.yaml_tree import to_json
from tests.unit.scenario.loading import ONE_TURN, PNG, FakeVocabulary, load_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA: dict[str, Any] = json.loads(json.dumps(build(FakeVocabulary())))
VALIDATOR = Draft202012Validator(SCHEMA)
OLDER = {"definitions", "dependencies", "additionalItems"}

GOOD = [
    ONE_TURN,
    "name: a b\ntags: [x]\nmodel: m\ncache: '1h'\nrepeat: 2\npass_rate: 0.5\nx-own: {}\n" + ONE_TURN,
    "models: [a, {model: b, label: c, max_tokens: 5}]\nthinking: {type: adaptive}\n" + ONE_TURN,
    "system: {file: p.md}\nvariants: [{id: v, system: null}, {id: w, top_p: 1}]\n" + ONE_TURN,
    "system: [{text: Hi, cache_control: {type: ephemeral}}, {type: text, text: Ho}]\n" + ONE_TURN,
    "cases: [{vars: {n: 1}}, {id: c, vars: {n: a}}]\nturns: [{user: '{{ n }}'}]\n",
    "turns: [{user: a}, {system: b}, {assistant: [{text: c}]}, {user: d, example: e, save: {f: g}}]\n",
    "turns: [{user: [{text: a}, {image: i.png}, {document: p.md, title: t}, {type: x, y: z}]}]\n",
    "turns: [{user: a, expect: [{contains: b, label: c}, {not: {any_of: [{matches: d}]}, x-e: f}]}]\n",
    "tools: [{name: t, input_schema: {type: object}}]\nexpect: [{all_of: [{contains: a}]}]\n" + ONE_TURN,
]

BAD = [
    "turns: []\n",
    "model: m\n",
    "turns: {user: a}\n",
    "turns: [a]\n",
    "turns: [{user: ''}]\n",
    "turns: [{user: ' '}]\n",
    "turns: [{user: 5}]\n",
    "turns: [{user: []}]\n",
    "turns: [{usr: a}]\n",
    "turns: [{user: a, assistant: b}]\n",
    "turns: [{assistant: [{image: i.png}]}, {user: a}]\n",
    "turns: [{user: [{text: a, image: i.png}]}]\n",
    "turns: [{user: a, expect: []}]\n",
    "turns: [{user: a, expect: [{label: b}]}]\n",
    "turns: [{user: a, expect: [{contians: b}]}]\n",
    "turns: [{user: a, expect: [{contains: a, matches: b}]}]\n",
    "turns: [{user: a, expect: [{contains: 5}]}]\n",
    "turns: [{user: a, expect: [{not: [{contains: b}]}]}]\n",
    "turns: [{user: a, save: {saved: b}}]\n",
    "turns: [{user: a, example: 5}]\n",
    "naem: a\n" + ONE_TURN,
    "name: a/b\n" + ONE_TURN,
    "name: " + "x" * 101 + "\n" + ONE_TURN,
    "model: a\nmodels: [b]\n" + ONE_TURN,
    "models: []\n" + ONE_TURN,
    "models: [{label: b}]\n" + ONE_TURN,
    "variants: [{max_tokens: 5}]\n" + ONE_TURN,
    "variants: [{id: a, turns: []}]\n" + ONE_TURN,
    "cases: []\n" + ONE_TURN,
    "cases: {path: a}\n" + ONE_TURN,
    "cases: [{vrs: {}}]\n" + ONE_TURN,
    "vars: {a-b: 1}\n" + ONE_TURN,
    "max_tokens: 0\n" + ONE_TURN,
    "max_tokens: '5'\n" + ONE_TURN,
    "repeat: 0\n" + ONE_TURN,
    "pass_rate: 2\n" + ONE_TURN,
    "cache: yes\n" + ONE_TURN,
    "stop_sequences: a\n" + ONE_TURN,
    "tools: [{name: t, results: []}]\n" + ONE_TURN,
    "system: 5\n" + ONE_TURN,
    "system: [{image: i.png}]\n" + ONE_TURN,
    "api_key: a\n" + ONE_TURN,
    "stream: true\n" + ONE_TURN,
    "judge: {max_tokens: 9}\n" + ONE_TURN,
]


def follows_schema(text: str) -> bool:
    """Return whether the schema takes a scenario."""
    return VALIDATOR.is_valid(to_json(parse(Source("a.yaml", text)).root))


def is_loaded(folder: Path, text: str) -> bool:
    """Return whether the loader takes a scenario."""
    try:
        load_files(folder, {"a.yaml": text, "p.md": "prompt", "i.png": PNG})
    except InvalidScenarioError:
        return False
    return True


def test_the_schema_is_of_2020_12() -> None:
    """The schema is valid, says which draft it is, and uses no keyword of an earlier one."""
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert not OLDER & set(keywords(SCHEMA))


def test_every_reference_leads_somewhere() -> None:
    """References stay inside the schema."""
    for node in objects(SCHEMA):
        if "$ref" in node:
            assert node["$ref"].removeprefix("#/$defs/") in SCHEMA["$defs"]


def test_every_key_has_words_for_the_editor() -> None:
    """Hovering over any key of a scenario, or over an expectation, says what it is."""
    for table in objects(SCHEMA):
        for value in table.get("properties", {}).values():
            assert value["description"].endswith((".", "https://..."))
    assert set(SCHEMA["properties"]) == set(keys.SCENARIO)


@pytest.mark.parametrize("text", GOOD)
def test_schema_and_loader_take_the_same_scenarios(tmp_path: Path, text: str) -> None:
    """What is right for the editor can be played."""
    assert follows_schema(text)
    assert is_loaded(tmp_path, text)


@pytest.mark.parametrize("text", BAD)
def test_schema_and_loader_refuse_the_same_mistakes(tmp_path: Path, text: str) -> None:
    """What the loader refuses by keys and types is red in the editor."""
    assert not follows_schema(text)
    assert not is_loaded(tmp_path, text)


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object inside a schema."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(inner)


def keywords(schema: Any) -> Iterator[str]:
    """Yield every key inside a schema."""
    for node in objects(schema):
        yield from node
