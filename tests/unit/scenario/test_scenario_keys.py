"""Keys, types and bounds at the top of a scenario, of models and of variants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.scenario.loading import ONE_TURN, complaints, load_text, refused

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tags: smoke", "1:7 `tags` must be a list, not a string"),
        ("tags: [1]", "1:8 an entry of `tags` must be a string, not a number"),
        ("tags: [a/b]", "1:8 this tag holds a `/`, which separates the parts of a conversation's id"),
        ("description: 5", "1:14 `description` must be a string, not a number"),
        ("repeat: 0", "1:9 `repeat` must be at least 1"),
        ("repeat: true", "1:9 `repeat` must be a whole number, not a boolean"),
        ("repeat: 1.5", "1:9 `repeat` must be a whole number, not a number"),
        ("repeat: '3'", "1:9 `repeat` must be a whole number, not a string"),
        ("repeat: [3]", "1:9 `repeat` must be a whole number, not a list"),
        ("pass_rate: 1.01", "1:12 `pass_rate` must be at most 1"),
        ("pass_rate: -0.1", "1:12 `pass_rate` must be at least 0"),
        ("pass_rate: .5", "1:12 `pass_rate` must be a number, not a string"),
        ("max_tokens: 0", "1:13 `max_tokens` must be at least 1"),
        ("max_tokens:", "1:12 `max_tokens` must be a whole number, not empty"),
        ("cache: of", '1:8 `cache` must be one of "auto", "off", "1h"'),
        ("thinking: adaptive", "1:11 `thinking` must be a mapping, not a string"),
        ("container: 3", "1:12 `container` must be a string or a mapping, not a number"),
        ("stop_sequences: END", "1:17 `stop_sequences` must be a list, not a string"),
        ("stop_sequences: [1]", "1:18 an entry of `stop_sequences` must be a string, not a number"),
        ("stream: true", "1:1 `stream` is not set in a scenario"),
        ("messages: []", "1:1 a scenario has no `messages`"),
        ("judge: {max_tokens: 9}", "1:8 `judge` needs a model"),
        ("judge: {modle: x}", "1:9 unknown key `modle` in `judge`"),
        ("thread: x", "1:1 `thread` is a beta parameter, which this version does not send"),
        ("betas: x", "1:8 `betas` must be a list, not a string"),
        ("betas: [a, é]", "1:12 `betas` goes out as a header, which is plain ASCII in one line"),
        ('workspace_id: "w\\nX: y"', "1:15 `workspace_id` goes out as a header"),
        ("betas: ['']", "1:9 an entry of `betas` is empty"),
        ("betas: []", "1:8 `betas` must have at least 1 entry"),
        (
            "variants: [{id: v, mcp_servers: [{type: url, url: x, name: n}]}]",
            "1:20 `mcp_servers` is a parameter of a beta",
        ),
        ("models: [{model: x, fallbacks: []}]", "1:21 `fallbacks` is a parameter of a beta"),
        ("mcp_servers: [{type: url, url: x, name: n}]", "1:1 `mcp_servers` is a parameter of a beta"),
        (
            "betas: [b]\nmcp_servers: [{name: n, authorization_token: s}]",
            "2:25 `authorization_token` may not stand in a scenario: scenarios hold no secrets",
        ),
        ("tools: [{name: t, results: []}]", "1:19 a tool has no `results` of its own"),
        ("tools: [x]", "1:9 an entry of `tools` must be a mapping, not a string"),
        ("model: ''", "1:8 a model's id is empty"),
        ("model: 5", "1:8 a model's id must be a string, not a number"),
        ("model: a/b", "1:8 the model's id holds a `/`, which separates the parts of a conversation's id"),
        ("models: []", "1:9 `models` must have at least one entry"),
        ("models: x", "1:9 `models` must be a list, not a string"),
        ("models: [x, x]", "1:13 duplicate model label `x`: line 1 has it already"),
        ("models: [{label: x}]", "1:10 this entry of `models` has no `model`"),
        ("models: [{model: x, label: a/b}]", "1:28 `label` holds a `/`"),
        ("models: [{model: x, sytem: y}]", "1:21 unknown key `sytem` in this entry of `models`"),
        ("models: [{model: x, turns: y}]", "1:21 `turns` cannot differ between the entries of `models`"),
        ("models: [{model: x, top_k: a}]", "1:28 `top_k` must be a whole number, not a string"),
        ('models: [{model: "x\\t", label: y}]', "1:18 the model's id holds a character"),
        ("variants: []", "1:11 `variants` must have at least one entry"),
        ("variants: [x]", "1:12 a variant must be a mapping, not a string"),
        ("variants: [{max_tokens: 3}]", "1:12 this variant has no `id`"),
        ("variants: [{id: 3}]", "1:17 `id` must be a string, not a number"),
        ("variants: [{id: a}, {id: a}]", "1:21 duplicate variant id `a`: line 1 has it already"),
        ("variants: [{id: a, model: x}]", "1:20 a variant has no model of its own"),
        ("variants: [{id: a, base_url: x}]", "1:20 `base_url` may not stand in a scenario"),
        ("system: ''", "1:9 `system` is empty"),
        ("system:", "1:1 `system` is empty"),
        ("system: 5", "1:9 `system` must be a string, not a number"),
        ("system: {}", "1:9 `system` has no `file`"),
        ("system: {file: ''}", "1:16 `file` is empty"),
        ("system: {file: none.md}", "1:16 no such file: none.md"),
        ("system: {fiel: a.md}", "1:10 unknown key `fiel` in `system`"),
        ("system: []", "1:9 `system` must have at least one entry"),
        ("system: [text]", "1:10 a content block must be a mapping, not a string"),
        ("system: [{image: a.png}]", "1:11 `image` blocks may stand in user turns only"),
        ("system: [{type: image}]", "1:17 only text blocks may stand here"),
        ("vars: [a]", "1:7 `vars` must be a mapping, not a list"),
        ("vars: {saved: 1}", "1:8 `saved` is a reserved name"),
        ("vars: {a-b: 1}", "1:8 `a-b` is not a variable name"),
        ("vars: {h\u00e9: 1}", "1:8 `h\u00e9` is not a variable name"),
    ],
)
def test_mistakes_are_reported_at_their_place(tmp_path: Path, line: str, expected: str) -> None:
    """Each wrong key, type or bound has its line, its column and its words."""
    found = complaints(tmp_path, f"{line}\n{ONE_TURN}")
    assert any(problem.startswith(f"a.yaml:{expected}") for problem in found)


@pytest.mark.parametrize(
    "key",
    [
        "api_key",
        "API-KEY",
        "auth_token",
        "base_url",
        "headers",
        "extra_headers",
        "extra_body",
        "env",
        "proxy",
    ],
)
def test_secrets_and_endpoints_are_refused_everywhere(tmp_path: Path, key: str) -> None:
    """No scenario can send a key or a request to another place."""
    text = f"{key}: x\nmodels: [{{model: m, {key}: x}}]\nvariants: [{{id: v, {key}: x}}]\n{ONE_TURN}"
    found = complaints(tmp_path, text)
    assert len([line for line in found if "may not stand in a scenario" in line]) == 3
    assert "set ANTHROPIC_API_KEY" in refused(tmp_path, text)


def test_a_secret_in_a_scenario_is_not_repeated(tmp_path: Path) -> None:
    """The report of a key must not carry the key into a log."""
    shown = refused(tmp_path, "api_key: canary-value\nmodels: [{model: m, token: canary-value}]\n" + ONE_TURN)
    assert shown.count("-->") == 2
    assert "canary-value" not in shown


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("temprature: 1", "did you mean `temperature`?"),
        ("zzz: 1", "your own begin with `x-`"),
        ("description: 5", "quote it"),
        ("repeat: '3'", "remove the quotes"),
        ("repeat: three", "write a number"),
        ("repeat: 'three'", "write a number"),
        ("cache: of", "did you mean `off`?"),
        ("model: a/b", "give it a label"),
    ],
)
def test_hints_say_how_to_mend_it(tmp_path: Path, line: str, hint: str) -> None:
    """The hint fits the mistake."""
    assert hint in refused(tmp_path, f"{line}\n{ONE_TURN}")


def test_model_and_models_exclude_each_other(tmp_path: Path) -> None:
    """Two ways to say the same thing are one too many."""
    found = complaints(tmp_path, "model: a\nmodels: [b]\n" + ONE_TURN)
    assert found == ["a.yaml:2:1 `model` and `models` stand together"]


@pytest.mark.parametrize(
    ("lines", "places"),
    [
        ("compaction: {}\nbetas: [b]", []),
        ("compaction: {}\nvariants: [{id: a, betas: [b]}, {id: b}]", ["1:1"]),
        ("compaction: {}\nvariants: [{id: a, betas: [b]}, {id: b, betas: [c]}]", []),
        ("compaction: {}\nmodels: [{model: a, betas: [b]}, b]", ["1:1"]),
        ("compaction: {}\nmodels: [{model: a, betas: [b]}, {model: b, betas: [c]}]", []),
        ("variants: [{id: a, compaction: {}}, {id: b, betas: [b]}]", ["1:20"]),
        ("variants: [{id: a, compaction: {}, betas: [b]}, {id: b}]", []),
        ("variants: [{id: a, compaction: {}}]\nmodels: [{model: a, betas: [b]}]", []),
        ("variants: [{id: a, compaction: {}}]\nmodels: [{model: a, betas: [b]}, b]", ["1:20"]),
        ("models: [{model: a, fallbacks: []}, {model: b, compaction: {}, betas: [b]}]", ["1:21"]),
        ("models: [{model: a, fallbacks: []}]\nvariants: [{id: a, betas: [b]}]", []),
        ("models: [{model: a, fallbacks: []}]\nbetas: [b]", []),
    ],
)
def test_no_request_has_a_parameter_of_a_beta_without_it(
    tmp_path: Path, lines: str, places: list[str]
) -> None:
    """A request has what the scenario, one variant and one model say together."""
    text = f"{lines}\n{ONE_TURN}"
    found = complaints(tmp_path, text) if places else []
    assert [each.split(" ")[0] for each in found] == [f"a.yaml:{place}" for place in places]
    assert all("is a parameter of a beta" in each for each in found)
    if not places:
        load_text(tmp_path, text)


def test_parameters_of_the_api_pass_as_they_are(tmp_path: Path) -> None:
    """Whatever the API defines inside a parameter is not ours to judge."""
    text = (
        "output_config: {effort: low, format: {type: json_schema, schema: {enum: [1, null, 0.5]}}}\n"
        "tools: [{type: web_search_20250305, name: web_search}]\ntop_p: 1\nspeed: fast\n"
    )
    scenario = load_text(tmp_path, text + ONE_TURN)
    assert scenario.params == {
        "output_config": {
            "effort": "low",
            "format": {"type": "json_schema", "schema": {"enum": [1, None, 0.5]}},
        },
        "tools": [{"type": "web_search_20250305", "name": "web_search"}],
        "top_p": 1,
        "speed": "fast",
    }
    assert scenario.param_positions["speed"].line == 4


def test_a_model_may_stand_alone(tmp_path: Path) -> None:
    """`model` names the one model to play; its label is its id."""
    (choice,) = load_text(tmp_path, "model: claude-haiku-5-5\n" + ONE_TURN).models
    assert (choice.id, choice.label, choice.params) == ("claude-haiku-5-5", "claude-haiku-5-5", {})


def test_a_model_with_a_slash_needs_a_label(tmp_path: Path) -> None:
    """The label stands in for an id that cannot be part of a conversation's id."""
    (choice,) = load_text(tmp_path, "models: [{model: a/b, label: ab}]\n" + ONE_TURN).models
    assert (choice.id, choice.label) == ("a/b", "ab")


def test_own_keys_are_passed_over_at_every_level(tmp_path: Path) -> None:
    """`x-*` belongs to the user, wherever it stands."""
    text = """\
x-a: 1
vars: {x-b: 1}
cases: [{id: c, x-c: 1, vars: {x-d: 1}}]
models: [{model: m, x-e: 1}]
variants: [{id: v, x-f: 1}]
turns:
  - user: [{text: Hi, x-g: 1}, {type: text, text: Ho, x-h: 1}, {type: other, x-i: 1, a: 2}]
    x-j: 1
    expect: [{contains: a, x-k: 1}]
    save: {x-l: '('}
"""
    scenario = load_text(tmp_path, text)
    assert scenario.vars == scenario.cases[0].vars == {}
    assert "x-" not in repr(scenario)
