"""`tools`, their results, and the names that must agree between them and what is expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from claude_run.checks.registry import default_registry
from claude_run.scenario.diagnostics import InvalidScenarioError
from claude_run.scenario.loader import load
from claude_run.scenario.model import JsonBlock, Text, TextBlock
from tests.unit.scenario.loading import PNG

if TYPE_CHECKING:
    from pathlib import Path

    from claude_run.scenario.model import Scenario

TOOLS = "tools: [{name: get_order}, {name: photo}]\n"
TURNS = "turns: [{user: Hi}]\n"


def loaded(folder: Path, text: str, **files: bytes) -> Scenario:
    """Load a scenario with the checks of this version; files are named with `_` for the dot."""
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_bytes(content)
    (folder / "a.yaml").write_text(text, encoding="utf-8")
    (scenario,) = load([str(folder / "a.yaml")], vocabulary=default_registry())
    return scenario


def problems(folder: Path, text: str, **files: bytes) -> list[str]:
    """Return what is wrong with a scenario, as `line:column message (hint)`."""
    try:
        loaded(folder, text, **files)
    except InvalidScenarioError as error:
        return [
            f"{each.position.line}:{each.position.column} {each.message} ({each.hint})"
            for each in error.diagnostics
        ]
    return []


def test_results_are_read_by_tool(tmp_path: Path) -> None:
    """Text and blocks are content, everything else is JSON; one result needs no list."""
    scenario = loaded(
        tmp_path,
        TOOLS
        + TURNS
        + "vars: {id: A-1}\nmax_tool_rounds: 3\n"
        + "tool_results:\n"
        + "  get_order:\n"
        + "  - {when: {id: '{{ id }}'}, return: It is here., times: 2}\n"
        + "  - {return: {status: shipped}, is_error: true}\n"
        + "  photo: {return: [{text: 'Of {{ id }}'}, {image: a.png}, {type: text, text: x}]}\n",
        a_png=PNG,
    )
    results = scenario.tool_results
    first, second = results.by_tool["get_order"]
    assert results.max_rounds == 3
    assert (first.when, first.times, first.is_error) == ({"id": "{{ id }}"}, 2, False)
    assert isinstance(first.content, Text)
    assert (second.content, second.json, second.is_error) == (None, {"status": "shipped"}, True)
    content: Any = results.by_tool["photo"][0].content
    assert [type(block) for block in content] == [TextBlock, JsonBlock, TextBlock]


@pytest.mark.parametrize(
    "returned",
    ["3", "''", "true", "null", "[]", "[1, 2]", "[{id: 1}]", "[{type: flight, id: 3}]", "[{text: a, id: 1}]"],
)
def test_what_is_no_content_is_json(tmp_path: Path, returned: str) -> None:
    """A list of objects is a list of blocks only where each of them is one."""
    text = f"{TOOLS}{TURNS}tool_results: {{get_order: {{return: {returned}}}}}\n"
    (result,) = loaded(tmp_path, text).tool_results.by_tool["get_order"]
    assert result.content is None


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("tool_results: 3", "3:15 `tool_results` must be a mapping, not a number"),
        ("tool_results: {get_order: []}", "3:27 `get_order` must have at least one entry"),
        ("tool_results: {get_order: [3]}", "3:28 a result must be a mapping, not a number"),
        ("tool_results: {get_order: {when: {}}}", "3:27 this result has no `return`"),
        ("tool_results: {get_order: {retrun: x}}", "3:28 unknown key `retrun` in a result (did you mean"),
        ("tool_results: {get_order: {return: x, when: A-1}}", "3:45 `when` must be a mapping"),
        ("tool_results: {get_order: {return: x, times: 0}}", "3:46 `times` must be at least 1"),
        ("tool_results: {get_order: {return: x, is_error: 1}}", "3:49 `is_error` must be true or false"),
        ("tool_results: {get_order: [{return: x}, {return: y}]}", "3:41 this result is never reached"),
        (
            "tool_results: {get_ordr: {return: x}}",
            "3:16 no tool is called `get_ordr` (did you mean `get_order`?)",
        ),
        ("tool_results: {pay: {return: x}}", "3:16 no tool is called `pay` (list it under `tools`)"),
        ("tool_results: {get_order: {return: '{{ nobody }}'}}", "3:40 undefined variable `nobody`"),
        ("tool_results: {get_order: {return: {a: ['{{ x }}']}}}", "3:45 undefined variable `x`"),
        (
            "tool_results: {photo: {when: {a: ['{{ saved.x }}']}, return: '{{ saved.x }}'}}",
            "3:39 `saved.x` cannot be read here: the results of tools are the same in every turn (use a",
        ),
        ("max_tool_rounds: 2", "3:1 there are no `tool_results` to send"),
        (
            "max_tool_rounds: 0\ntool_results: {photo: {return: x}}",
            "3:18 `max_tool_rounds` must be at least 1",
        ),
        ("expect: [{calls_tool: get_ordr}]", "3:11 no tool is called `get_ordr` (did you mean `get_order`?)"),
        ("expect: [{not: {calls_tool: [photo, {name: pay}]}}]", "3:17 no tool is called `pay`"),
        ("expect: [{calls_tool: true}]", "3:23 this must be the name of a tool, not true"),
    ],
)
def test_mistakes_are_reported_at_their_place(tmp_path: Path, lines: str, expected: str) -> None:
    """What would answer nothing, or hold always, is found before anything is sent."""
    found = problems(tmp_path, f"{TOOLS}{TURNS}{lines}\n")
    assert any(each.startswith(expected) for each in found), found


def test_a_value_that_cannot_be_filled_in_is_found(tmp_path: Path) -> None:
    """Each case is filled in before anything is sent."""
    text = TOOLS + TURNS + "tool_results: {get_order: {when: {id: '{{ o.id }}'}, return: '{{ o.state }}'}}\n"
    found = problems(tmp_path, text + "cases: [{id: a, vars: {o: {id: 1}}}]\n")
    assert ["cannot be filled in" in each for each in found] == [True]


@pytest.mark.parametrize(
    "expected",
    ["calls_tool: '{{ tool }}'", "not: {calls_tool: [photo, {name: 'get_{{ what }}', input: {id: 1}}]}"],
)
def test_a_name_that_comes_from_a_case_is_looked_up(tmp_path: Path, expected: str) -> None:
    """In the scenario's turns and in the case's own: a ban of what does not exist would always hold."""
    turns = f"turns: [{{user: '{{{{ tool }}}} {{{{ what }}}}', expect: [{expected}]}}]"
    variables = ("{tool: get_order, what: order}", "{tool: get_ordr, what: ordr}")
    shared = f"{turns}\ncases: [{{vars: {variables[0]}}}, {{vars: {variables[1]}}}]\n"
    own = f"cases: [{{vars: {variables[1]}, {turns}}}]\n"

    for text in (shared, own):
        (found,) = problems(tmp_path, TOOLS + text)
        assert "names `get_ordr`, and no tool is called so (did you mean `get_order`?)" in found
    assert not problems(tmp_path, TOOLS + own.replace("ordr", "order"))


def test_a_tool_in_an_if_must_exist(tmp_path: Path) -> None:
    """A turn that waits for the call of a misspelt tool would always or never be sent."""
    text = f"{TOOLS}turns: [{{user: Hi}}, {{user: Ho, if: {{not: {{calls_tool: get_ordr}}}}}}]\n"
    assert problems(tmp_path, text) == ["2:43 no tool is called `get_ordr` (did you mean `get_order`?)"]


@pytest.mark.parametrize("slip", ["no_tool_cals", "no_tool_call", "no_calls"])
def test_a_slip_of_no_tool_calls_is_no_negation(tmp_path: Path, slip: str) -> None:
    """In a list in brackets, too, where it stands beside others."""
    text = f"{TOOLS}turns: [{{user: Hi, expect: [{slip}, contains: a]}}]\n"
    assert problems(tmp_path, text) == [f"2:29 unknown expectation `{slip}` (did you mean `no_tool_calls`?)"]


def test_any_layer_may_bring_the_tools(tmp_path: Path) -> None:
    """The tools of a variant or a model count as well."""
    text = TURNS + "variants: [{id: v1, tools: [{name: pay}]}]\nexpect: [{calls_tool: pay}]\n"
    assert not problems(tmp_path, text)
    text = TURNS + "models: [{model: m, tools: [{name: pay}]}]\ntool_results: {pay: {return: 1}}\n"
    assert not problems(tmp_path, text)


@pytest.mark.parametrize(
    ("tools", "name"),
    [
        ("[{type: mcp_toolset, mcp_server_name: shop}]", "buy"),
        ("[{type: computer_toolset_20260801}]", "screenshot"),
        ("[{type: code_execution_20260521, name: code_execution}]", "bash_code_execution"),
        ("[{type: web_search_20260318, name: web_search}]", "code_execution"),
    ],
)
def test_what_the_api_names_itself_is_known_to_the_api(tmp_path: Path, tools: str, name: str) -> None:
    """The members of a set of tools, and the tools that a server tool is made of, stand in no list."""
    assert not problems(tmp_path, f"{TURNS}tools: {tools}\nexpect: [{{calls_tool: {name}}}]\n")


def test_a_server_tool_excuses_no_slip(tmp_path: Path) -> None:
    """Beside it, the name of a tool is looked up all the same."""
    tools = "tools: [{name: get_order}, {type: web_search_20260318, name: web_search}]\n"
    (found,) = problems(tmp_path, TURNS + tools + "expect: [{calls_tool: get_ordr}]\n")
    assert found.startswith("3:11 no tool is called `get_ordr` (did you mean `get_order`?)")


def test_tools_may_stand_in_a_file(tmp_path: Path) -> None:
    """They are the API's own list, word for word: nothing in it is a template."""
    tools = b'[{"name": "get_order", "description": "{{ not mine }}"}]'
    text = TURNS + "tools: {file: tools.json}\nexpect: [{calls_tool: get_order}]\n"
    scenario = loaded(tmp_path, text, tools_json=tools)
    assert scenario.params["tools"] == [{"name": "get_order", "description": "{{ not mine }}"}]
    before = scenario.sha256
    assert loaded(tmp_path, text, tools_json=tools + b" ").sha256 != before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "this is not valid JSON: "),
        (b"{}", "tools.json is not a list of tools"),
        (b"[1]", "tools.json is not a list of tools"),
        (b'[{"name": "a", "name": "b"}]', "this is not valid JSON: "),
        (b'[{"name": "a", "results": []}]', "in tools.json a tool has no `results` of its own (write them"),
        (b"\xff", ""),
    ],
)
def test_a_file_of_tools_with_problems(tmp_path: Path, content: bytes, message: str) -> None:
    """What is wrong with it is said where it is named."""
    text = TURNS + "tools: {file: tools.json}\nexpect: [{calls_tool: a}]\n"
    found = problems(tmp_path, text, tools_json=content)
    assert [message in each for each in found] == [True]


@pytest.mark.parametrize("content", [b"\xff", b"{"])
def test_a_file_of_tools_that_cannot_be_read_hides_nothing(tmp_path: Path, content: bytes) -> None:
    """What else is wrong with the scenario is said as well."""
    found = problems(tmp_path, "tools: {file: tools.json}\nturns: [{user: '{{ x }}'}]\n", tools_json=content)
    assert ["undefined variable `x`" in each for each in found] == [True, False]


@pytest.mark.parametrize("tools", ["{file: no.json}", "{fiel: x}", "{}", "text", "[{name: x, results: []}]"])
def test_tools_that_are_none(tmp_path: Path, tools: str) -> None:
    """Nothing is sent with them."""
    assert problems(tmp_path, f"{TURNS}tools: {tools}\n")
