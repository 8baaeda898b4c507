"""promptfoo configurations: prompts, providers, tests and variables, files beside them, conversations."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.imports.importing import CLAUDE, config, made_of

if TYPE_CHECKING:
    from pathlib import Path

LOOP = (
    "{% for c in _conversation %}"
    '{"role": "user", "content": "{{ c.input }}"}, {"role": "assistant", "content": "{{ c.output }}"},'
    "{% endfor %}"
)


def provider(**settings: Any) -> list[Any]:
    """Return the providers with one of Claude that has these settings."""
    return [{"id": CLAUDE, "config": settings}]


def test_a_chat_is_system_history_and_the_turn_that_is_played(tmp_path: Path) -> None:
    """In JSON; variables stay variables, comments of nunjucks are gone, `dump` is what quotes would do."""
    chat = (
        '[{"role": "system", "content": "You are {{ who }}."}, {"role": "user", "content": "Hi{# no #}"},'
        ' {"role": "assistant", "content": "Hello"}, {"role": "user", "content": {{ q | dump }}}]'
    )
    found = made_of(tmp_path, config(prompts=[chat], tests=[{"vars": {"q": "Why?", "who": "Ann"}}]))
    assert found.only["system"] == "You are {{ who }}."
    assert found.only["turns"] == [{"user": "Hi"}, {"assistant": "Hello"}, {"user": "{{ q }}"}]
    assert found.only["vars"] == {"who": "Ann", "q": "Why?"}
    assert not found.losses


@pytest.mark.parametrize(
    ("name", "content", "turns"),
    [
        ("p.txt", "Say {{ q }}\n", [{"user": "Say {{ q }}"}]),
        ("p.md", "# {{ q }}", [{"user": "# {{ q }}"}]),
        ("p.yaml", "- role: user\n  content: '{{ q }}?'\n", [{"user": "{{ q }}?"}]),
        ("p.csv", 'prompt,label\n"{{ q }}!",x\n', [{"user": "{{ q }}!"}]),
        ("p.txt", "system: Be brief.\nuser: {{ q }}\n", [{"user": "{{ q }}"}]),
        ("p.j2", "{%- if q == 'a' -%}A{%- else -%}{{ q }}{%- endif -%}", None),
    ],
)
def test_prompts_in_files(name: str, content: str, turns: Any, tmp_path: Path) -> None:
    """By path or by `file://`, without the line break that a file ends in."""
    for place in (name, f"file://./{name}"):
        found = made_of(tmp_path / place.replace("/", "_"), {**config(prompts=[place]), name: content})
        assert found.only["turns"] == (turns or [{"user": content}])
        assert not found.losses


def test_each_prompt_is_a_scenario_of_its_own(tmp_path: Path) -> None:
    """Called after its label or its file; several in one file, and those that a pattern names."""
    files = config(prompts=[{"id": "file://many.txt", "label": "A/b"}, "file://p*.md", "{{ q }}"])
    found = made_of(
        tmp_path / "shop",
        {**files, "many.txt": "1 {{q}}\n---\n2 {{q}}", "p1.md": "{{q}}", "p2.md": "x {{q}}"},
    )
    assert found.scenarios.keys() == {"shop-a-b", "shop-a-b-2", "shop-p1", "shop-p2", "shop-prompt"}


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("file://make.py:build", "is code, which is not run"),
        ("make.js", "made by code, which is not run"),
        ("exec:./make.sh", "made by code, which is not run"),
        ("langfuse://x:1", "kept by a service, which is not asked"),
        ("file://../secret.txt", "lies outside of the scenario's root"),
        ("file:///etc/passwd", "is an absolute path"),
        ("file://{{ env.DIR }}/p.txt", "is a template"),
        ("file://gone.txt", "no such file: gone.txt"),
        ("file://gone*.txt", "no file is called like gone*.txt"),
        ("{{ q | reverse }}", "this prompt cannot be said: unknown filter `reverse`"),
        ("{{ env.KEY }} {{ q }}", "the template reads the environment"),
        ("{{ q + 1 }}", "this prompt cannot be said: "),
        ('[{"role": "user", "content": [{"type": "input_audio"}]}]', "this chat cannot be said: "),
        ('[{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]', "do not take turns"),
        ("{{ _conversation.length }} {{ q }}", "reads earlier replies in another way"),
        (5, "neither a text nor an object with an `id`"),
    ],
)
def test_a_prompt_that_cannot_be_said_is_left_out(prompt: Any, said: str, tmp_path: Path) -> None:
    """With why, at its place; the others are made."""
    (tmp_path / "secret.txt").write_text("secret")
    found = made_of(tmp_path / "in", config(prompts=["{{ q }}", prompt]))
    assert said in found.messages
    assert {loss[0] for loss in found.losses} == {"dropped"}
    assert found.only["turns"] == [{"user": "{{ q }}"}]
    assert "secret" not in json.dumps(found.scenarios)


def test_a_link_leads_nowhere_out_of_the_folder(tmp_path: Path) -> None:
    """What it leads to is not read."""
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link.txt").symlink_to(tmp_path / "secret.txt")
    found = made_of(
        tmp_path / "in", config(tests=[{"vars": {"q": "file://link.txt", "x": "y"}}, {"vars": {"q": "z"}}])
    )
    assert "lies outside of the scenario's root" in found.messages
    assert "secret" not in json.dumps(found.scenarios)


def test_models_of_claude_with_what_they_still_take(tmp_path: Path) -> None:
    """One that has retired is played by the newest of its line; parameters that are refused are lost."""
    providers = [
        {
            "id": "anthropic:messages:claude-haiku-4-5",
            "label": "small",
            "config": {"temperature": 0.2, "top_p": 0.5},
        },
        {"anthropic:claude-opus-5-5": {"config": {"max_tokens": 99, "thinking": {"type": "enabled"}}}},
        "anthropic:messages:claude-3-opus-20240229",
        "openai:gpt-5",
        "bedrock:us.anthropic.claude-sonnet-5",
    ]
    found = made_of(tmp_path, config(providers=providers))
    assert found.only["models"] == [
        {"model": "claude-haiku-4-5", "label": "small", "temperature": 0.2},
        {"model": "claude-opus-5-5", "max_tokens": 99},
        {"model": "claude-opus-5-5", "label": "claude-opus-5-5-2"},
    ]
    assert [loss[0] + " " + loss[3] for loss in found.losses] == [
        "dropped top_p",
        "dropped thinking",
        "changed providers",
        "dropped providers",
        "dropped providers",
    ]


def test_without_claude_the_usual_model_plays(tmp_path: Path) -> None:
    """And that is said."""
    found = made_of(tmp_path, config(providers="openai:gpt-5"))
    assert found.only["model"] == "claude-haiku-5-5"
    assert "no provider is a model of Claude by its own API: `claude-haiku-5-5` plays" in found.messages


def test_no_secret_is_carried_or_shown(tmp_path: Path) -> None:
    """Neither in a scenario nor in the report, not even as the line of another loss."""
    text = (
        f"prompts: ['{{{{ q }}}}']\nproviders:\n  - id: {CLAUDE}\n"
        "    config: {top_k: 5, apiKey: sk-ant-secret, headers: {x: sk-ant-secret}}\n"
        "env:\n  KEY: sk-ant-secret\ntests: [{vars: {q: Hi}}]\n"
    )
    found = made_of(tmp_path, {"promptfooconfig.yaml": text})
    assert {loss[3] for loss in found.losses} == {"top_k", "apiKey", "headers", "env"}
    assert "sk-ant-secret" not in json.dumps(found.scenarios)
    assert "sk-ant-secret" not in "\n".join(found.imported.warnings)
    assert "sk-ant-secret" not in json.dumps([dict(loss.as_json()) for loss in found.imported.losses])


def test_tools_of_either_form(tmp_path: Path) -> None:
    """Written out or in a file; what Claude cannot take is named."""
    function = {
        "type": "function",
        "function": {"name": "a", "description": "d", "parameters": {"properties": {}}},
    }
    own = {"name": "b", "input_schema": {"type": "object"}}
    web = {"type": "web_search_20250305", "name": "web_search"}
    tools = [function, own, web, {"type": "mcp"}, own]
    found = made_of(
        tmp_path, {**config(providers=provider(tools="file://t.json", tool_choice="auto")), "t.json": tools}
    )
    assert found.only["tools"] == [
        {"name": "a", "description": "d", "input_schema": {"type": "object", "properties": {}}},
        own,
        web,
    ]
    assert found.only["tool_choice"] == {"type": "auto"}
    assert found.messages.split("\n") == [
        "a tool of type `mcp` has no form that Claude takes",
        "the tool `b` is declared twice",
    ]


def test_tests_are_cases(tmp_path: Path) -> None:
    """Called by their description, with tags by metadata; what all share stands once."""
    tests = [
        {"description": "first one", "vars": {"q": "a"}, "metadata": {"area": "x", "tags": ["smoke"]}},
        {"vars": {"q": "b"}, "assert": [{"type": "contains", "value": "{{ q }}"}]},
    ]
    shared = {"vars": {"who": "Ann"}, "assert": [{"type": "latency", "threshold": 900}]}
    found = made_of(tmp_path, config(prompts=["{{ who }}: {{ q }}"], tests=tests, defaultTest=shared))
    assert found.only["vars"] == {"who": "Ann"}
    assert found.only["turns"] == [{"user": "{{ who }}: {{ q }}", "expect": [{"max_latency": "900ms"}]}]
    assert found.only["cases"] == [
        {"id": "first one", "vars": {"q": "a"}, "tags": ["area:x", "smoke"]},
        {"id": "test-2", "vars": {"q": "b"}, "expect": [{"contains": "{{ q }}"}]},
    ]


def test_tests_in_files(tmp_path: Path) -> None:
    """YAML, JSON, JSONL and CSV; variables in files; lists of texts are combined."""
    files = {
        "a.yaml": "- vars: {q: one}\n",
        "b.json": [{"vars": {"q": ["two", "three"], "x": "file://x.json"}}],
        "c.jsonl": '{"vars": {"q": "four"}}\n\n{"vars": "file://v.yaml"}\n',
        "d.csv": "q,__expected,__description,__suffix,__metadata:k\n"
        'six,"similar(0.9): 6",named,!,v\nseven,7,,,\n',
        "x.json": {"y": 1},
        "v.yaml": "q: five\n",
    }
    listed = ["file://a.yaml", "b.json", "file://c.jsonl", "file://d.csv", "file://gen.py"]
    found = made_of(tmp_path, {**config(tests=listed), **files})
    cases = found.only["cases"]
    assert [case["vars"]["q"] for case in cases] == ["one", "two", "three", "four", "five", "six", "seven"]
    assert cases[5]["turns"][0]["user"] == "{{ q }}!"
    assert cases[5]["id"] == "named"
    assert cases[5]["tags"] == ["k:v"]
    assert cases[6]["turns"][0]["expect"] == [{"equals": "7"}]
    assert ("dropped", "d.csv", 2, "threshold") in found.losses
    assert ("dropped", "promptfooconfig.yaml", 13, "tests") in found.losses


def test_variables_in_variables_are_filled_in(tmp_path: Path) -> None:
    """As there; what cannot be stays as it is, and is not filled in here either."""
    variables = {"q": "Buy {{ thing }}", "thing": "a {{ colour }} bag", "colour": "red", "x": "{{ x }}"}
    found = made_of(tmp_path, config(prompts=["{{ q }} {{ x }}"], tests=[{"vars": variables}]))
    assert found.only["vars"] == {"q": "Buy a red bag", "x": "{{ x }}"}
    assert found.losses == [("changed", "promptfooconfig.yaml", 14, "x")]


def test_what_variables_read_is_told_where_it_is_not_there(tmp_path: Path) -> None:
    """It is empty, as there; what a variable says of templates word for word stays word for word."""
    variables = {
        "q": "hello {{name}} end",
        "raw": "{% raw %}keep {{x}}{% endraw %}",
        "way": "{{ raw }}!",
    }
    found = made_of(tmp_path, config(prompts=["{{ q }} {{ way }}"], tests=[{"vars": variables}]))
    assert found.only["vars"] == {"q": "hello  end", "way": "keep {{x}}!"}
    assert found.losses == [("changed", "promptfooconfig.yaml", 11, "name")]


def test_variables_that_read_each_other_stay_as_they_are(tmp_path: Path) -> None:
    """Both of them, and it is said of both; whoever reads one of them has it so."""
    variables = {"a": "1 {{ b }}", "b": "2 {{ a }}", "q": "3 {{ a }}"}
    found = made_of(tmp_path, config(prompts=["{{ a }} {{ b }} {{ q }}"], tests=[{"vars": variables}]))
    assert found.only["vars"] == {"a": "1 {{ b }}", "b": "2 {{ a }}", "q": "3 1 {{ b }}"}
    assert [(loss[0], loss[3]) for loss in found.losses] == [("changed", "a"), ("changed", "b")]


def test_a_prompt_without_its_last_words_needs_not_their_variables(tmp_path: Path) -> None:
    """What the assistant would have gone on from is left out with all that it reads."""
    chat = '[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "{{ q }}"}]'
    found = made_of(tmp_path, config(prompts=[chat]))
    assert found.only["turns"] == [{"user": "Hi"}]
    assert "vars" not in found.only


def test_scenarios_are_each_configuration_with_each_test(tmp_path: Path) -> None:
    """After the tests; variables and asserts of both count, and a scenario without tests has its own."""
    scenarios = [
        {
            "description": "greetings",
            "config": [
                {"vars": {"l": "French"}, "assert": [{"type": "contains", "value": "bon"}]},
                {"vars": {"l": "Spanish", "q": "x"}},
            ],
            "tests": [
                {"vars": {"q": "Hi"}, "assert": [{"type": "contains", "value": "our"}]},
                {"description": "bye", "vars": {"q": "Bye"}},
            ],
        },
        {"config": [{"vars": {"l": "Dutch", "q": "Dag"}}], "owner": "me"},
        {"tests": [{"vars": {"l": "x", "q": "y"}}]},
        "no mapping://",
    ]
    found = made_of(
        tmp_path,
        config(prompts=["{{ l }}: {{ q }}"], tests=[{"vars": {"l": "a", "q": "b"}}], scenarios=scenarios),
    )
    cases = found.only["cases"]
    assert [(each["vars"]["l"], each["vars"]["q"]) for each in cases] == [
        ("a", "b"),
        ("French", "Hi"),
        ("French", "Bye"),
        ("Spanish", "Hi"),
        ("Spanish", "Bye"),
        ("Dutch", "Dag"),
    ]
    assert [each.get("expect") for each in cases[1:4]] == [
        [{"contains": "bon"}, {"contains": "our"}],
        [{"contains": "bon"}],
        [{"contains": "our"}],
    ]
    assert [each["id"] for each in cases[2:5]] == ["bye", "test-4", "bye-2"]
    assert [(loss[0], loss[3]) for loss in found.losses] == [
        ("dropped", "owner"),
        ("dropped", "config"),
        ("dropped", "tests"),
    ]


def test_scenarios_may_be_all_that_is_tested(tmp_path: Path) -> None:
    """From a file of their own, too; nothing is made up beside them."""
    files = {
        "promptfooconfig.yaml": {
            "prompts": ["Say {{ q }}"],
            "providers": [CLAUDE],
            "scenarios": ["file://s/*.json"],
        },
        "s/a.json": {"config": [{"vars": {"q": ["one", "two"]}}]},
    }
    found = made_of(tmp_path, files)
    assert [case["vars"] for case in found.only["cases"]] == [{"q": "one"}, {"q": "two"}]
    assert not found.losses


def test_a_variable_without_a_value_is_empty_and_one_without_a_use_is_lost(tmp_path: Path) -> None:
    """Both are said, at the place of the test or of the variable."""
    found = made_of(
        tmp_path, config(prompts=["{{ q }}{{ more }}"], tests=[{"vars": {"q": "a", "note": "b"}}])
    )
    assert found.only["vars"] == {"q": "a", "more": ""}
    assert [(loss[0], loss[3]) for loss in found.losses] == [("changed", "more"), ("dropped", "note")]


def test_a_test_that_would_say_nothing_is_left_out(tmp_path: Path) -> None:
    """As is one whose expectations are empty once they are filled in."""
    tests = [
        {"vars": {"q": "a"}},
        {"vars": {"q": " "}},
        {"vars": {"q": "b"}, "assert": [{"type": "contains", "value": "{{ e }}"}]},
    ]
    found = made_of(tmp_path, config(tests=tests))
    assert found.only["vars"] == {"q": "a"}
    assert "this test is left out: a message of it says nothing" in found.messages
    assert found.messages.count("this test is left out: ") == 2


def test_too_many_combinations_are_refused(tmp_path: Path) -> None:
    """The lists of one test multiply."""
    many = [str(n) for n in range(40)]
    tests = [{"vars": {"q": many, "r": many}}, {"vars": {"q": "a", "r": "b"}}]
    found = made_of(tmp_path, config(prompts=["{{ q }}{{ r }}"], tests=tests))
    assert "the lists of this test make 1,600 tests, more than 1,000" in found.messages


def test_every_test_of_a_conversation_that_is_left_out_is_named(tmp_path: Path) -> None:
    """The one that cannot be said takes the others with it."""
    prompt = "{% for c in _conversation %}x{% endfor %}{{ q }}"
    tests = [
        {"vars": {"q": text}, "metadata": {"conversationId": talk}}
        for text, talk in (("a", "1"), (" ", "1"), ("c", "1"), ("d", "2"))
    ]
    found = made_of(tmp_path, config(prompts=[prompt], tests=tests))
    dropped = [loss for loss in found.losses if loss[0] == "dropped"]
    assert len({line for _, _, line, _ in dropped}) == len(dropped) == 3
    assert found.messages.count("this conversation is left out: a message of it says nothing") == 3
    assert "d" in str(found.only["turns"] if "turns" in found.only else found.only["cases"])


def test_conversations_by_their_id(tmp_path: Path) -> None:
    """Tests with one id are the turns of one case, word for word; those without any are one conversation."""
    system = '{"role": "system", "content": "Be {{ tone }}."}'
    chat = f'[{system}, {LOOP} {{"role": "user", "content": {{{{ q | dump }}}}}}]'
    tests = [
        {"vars": {"q": "One {{ no tag }}", "tone": "kind"}, "metadata": {"conversationId": "x"}},
        {"vars": {"q": "Alone", "tone": "brief"}},
        {
            "vars": {"q": "Two", "tone": "kind"},
            "metadata": {"conversationId": "x"},
            "assert": [{"type": "regex", "value": "{{ q }}|2"}],
        },
        {"vars": {"q": "Three", "tone": "rude"}, "metadata": {"conversationId": "x"}},
    ]
    found = made_of(tmp_path, config(prompts=[chat], tests=tests))
    assert found.only["system"] == "{{ system }}"
    assert found.only["cases"] == [
        {
            "id": "x",
            "vars": {"system": "Be kind."},
            "turns": [
                {"user": "One {{ '{{' }} no tag }}"},
                {"user": "Two", "expect": [{"matches": "Two|2"}]},
                {"user": "Three"},
            ],
        },
        {"id": "conversation", "vars": {"system": "Be brief."}, "turns": [{"user": "Alone"}]},
    ]
    assert "the system prompt of a conversation stays that of its first test" in found.messages


def test_messages_of_a_variable(tmp_path: Path) -> None:
    """Dumped whole, or by a loop over roles: each test is a case with turns of its own."""
    said = [{"role": "system", "content": "S"}, {"role": "user", "content": "{{ a }}"}]
    short = [{"user": "u"}, {"assistant": "v"}, {"user": "w"}]
    whole = made_of(
        tmp_path / "a",
        config(prompts=["{{ q | dump }}"], tests=[{"vars": {"q": said}}, {"vars": {"q": short}}]),
    )
    assert whole.scenarios["a"]["cases"] == [{"id": "test-1", "turns": [{"user": "{{ '{{' }} a }}"}]}]
    assert whole.scenarios["a"]["system"] == "S"
    assert whole.scenarios["a-2"]["cases"][0]["turns"] == [{"user": "u"}, {"assistant": "v"}, {"user": "w"}]

    loop = (
        "[{% for m in q %}{% set outer = loop %}{% for role, text in m %}"
        '{"role": "{{ role }}", "content": {{ text | dump }}}'
        "{% if not (loop.last and outer.last) %},{% endif %}"
        "{% endfor %}{% endfor %}]"
    )
    looped = made_of(tmp_path / "b", config(prompts=[loop], tests=[{"vars": {"q": short}}]))
    assert looped.only["cases"][0]["turns"] == [{"user": "u"}, {"assistant": "v"}, {"user": "w"}]


def test_what_runs_code_or_belongs_to_a_run_is_named(tmp_path: Path) -> None:
    """Each key with its line."""
    keys = {
        "extensions": ["file://x.py:f"],
        "nunjucksFilters": {"a": "./a.js"},
        "redteam": {},
        "evaluateOptions": {"repeat": 3, "delay": 5},
        "defaultTest": {
            "options": {"transform": "output.trim()", "storeOutputAs": "x", "provider": "openai:gpt-5"}
        },
    }
    found = made_of(tmp_path, config(**keys))
    assert {loss[3] for loss in found.losses} == {
        "extensions",
        "nunjucksFilters",
        "redteam",
        "delay",
        "transform",
        "storeOutputAs",
        "provider",
    }
    assert found.only["repeat"] == 3


def test_references_are_followed_within_bounds(tmp_path: Path) -> None:
    """Round in a circle, or to nowhere, they are a loss."""
    templates = {
        "a": {"$ref": "#/assertionTemplates/b"},
        "b": {"type": "contains", "value": "x"},
        "c": {"$ref": "#/assertionTemplates/c"},
    }
    asserts = [{"$ref": f"#/assertionTemplates/{name}"} for name in "acz"]
    found = made_of(
        tmp_path, config(assertionTemplates=templates, tests=[{"vars": {"q": "a"}, "assert": asserts}])
    )
    assert found.only["turns"][0]["expect"] == [{"contains": "x"}]
    assert "these references lead round in a circle" in found.messages
    assert "`#/assertionTemplates/z` leads nowhere" in found.messages


def test_more_tests_than_are_made_are_said(tmp_path: Path) -> None:
    """The first ones are made."""
    many = [str(n) for n in range(1000)]
    found = made_of(tmp_path, config(tests=[{"vars": {"q": many}} for _ in range(21)]))
    assert sum(each.conversations for each in found.imported.scenarios) == 20_000
    assert "there are more than 20,000 tests: this one and those below are left out" in found.messages


def test_a_loop_that_does_not_end_is_no_loop(tmp_path: Path) -> None:
    """What stands before it stays, and the prompt is left out."""
    found = made_of(
        tmp_path, config(prompts=["{{ q }}", "{% for c in _conversation %}" * 9, "{# open {{ q }}"])
    )
    assert "reads earlier replies in another way than by a loop over all of them" in found.messages
    assert {each["turns"][0]["user"] for each in found.scenarios.values()} == {"{{ q }}", "{# open {{ q }}"}
