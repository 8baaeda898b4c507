"""Inputs as people have them: tables, words of other tools, sentences, and what can be known before a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.scripted_server import Answer, RawServer, ReceivedRequest, json_answer, message
from tests.system.input.checking import HEAD, check

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.harness.workspace import Workspace

HI = "turns: [{user: Hi}]\n"


CARRIED = ("notes", "Wer?", "Asked by", "category")


def respond(request: ReceivedRequest) -> Answer:
    """Say what was asked last."""
    return json_answer(message({"type": "text", "text": str(request.body["messages"][-1]["content"])}))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.csv", "id,item,qty\na,one two,2\n"),
        ("c.csv", "id;item;qty\na;one two;2\n"),
        ("c.csv", "id\titem\tqty\na\tone two\t2\n"),
        ("c.tsv", "id\titem\tqty\na\tone two\t2\n"),
        ("c.csv", "sep=;\nid;item;qty\na;one two;2\n"),
        ("c.csv", '\ufeffsep=\t\r\nid\titem\tqty\r\na\t"one two"\t2\r\n'),
        ("c.csv", "id;item;qty;notes;Wer?\na;one two;2;b;\n"),
        ("c.jsonl", '{"id": "a", "item": "one two", "qty": 2, "Asked by": "me"}\n'),
        ("c.yaml", "- {id: a, item: one two, qty: 2, category: x}\n"),
    ],
)
@pytest.mark.parametrize("form", ["{{file: {}}}", "{}"])
def test_a_table_is_read_as_it_is(workspace: Workspace, name: str, content: str, form: str) -> None:
    """Commas, semicolons or tabs, with Excel's line or without; what nothing uses is carried along."""
    (workspace.folder / name).write_text(content, encoding="utf-8", newline="")
    workspace.write(
        "s.yaml", f"{HEAD}cases: {form.format(name)}\nturns: [{{user: '{{{{ item }}}} {{{{ qty }}}}'}}]\n"
    )
    with RawServer(respond=respond) as server:
        assert workspace.run("s.yaml", "-o", "out", url=server.base_url).code == 0
    assert [each.body["messages"][0]["content"] for each in server.ledger] == ["one two 2"]
    kept = workspace.transcripts()["a"]["vars"]
    assert kept.keys() == {"item", "qty", *(column for column in CARRIED if column in content)}


def test_two_scenarios_share_a_table(tmp_path: Path) -> None:
    """Each uses its own columns; a name under `vars` that nothing uses is still a slip."""
    (tmp_path / "c.csv").write_text("id,item,note\na,b,c\n", encoding="utf-8")
    (tmp_path / "two.yaml").write_text(
        f"{HEAD.replace('name: s', 'name: t')}cases: c.csv\nturns: [{{user: '{{{{ note }}}}'}}]\n",
        encoding="utf-8",
    )
    text = f"{HEAD}cases: c.csv\nturns: [{{user: '{{{{ item }}}}'}}]\n"
    code, said = check(tmp_path, text, str(tmp_path / "two.yaml"))
    assert (code, said.split("\n")[0]) == (0, "2 scenarios: no problems found")
    for slip in ("vars: {iten: a}\n" + HI, f"cases: [{{id: a, vars: {{iten: b}}}}]\n{HI}"):
        code, said = check(tmp_path, HEAD + slip)
        assert (code, "unused variable `iten`" in said) == (2, True)


WORDS = {
    "not-contains": "write `- not: {contains: ...}`",
    "not_contains": "write `- not: {contains: ...}`",
    "not-icontains": "write `- not: {contains: {text: ..., ignore_case: true}}`",
    "not-regex": "write `- not: {matches: '(?i)pattern'}`",
    "not-equals": "write `- not: {equals: ...}`",
    "not-llm-rubric": "write `- not: {judge: what a good reply must have}`",
    "does_not_contain": "write `- not: {contains: ...}`",
    "icontains": "write `- contains: {text: ..., ignore_case: true}`",
    "contains-any": "write `- contains: {any: [one, two]}`",
    "regex": "write `- matches: '(?i)pattern'`",
    "llm-rubric": "write `- judge: what a good reply must have`",
    "is-json": "write `- json: true`",
    "assert": "write the expectation itself: `- contains: text`",
    "type": "the kind is the key",
    "javascript": "--checks FILE",
    "tool_call": "write `- calls_tool: get_order`",
    "starts-with": "did you mean `starts_with`?",
    "contian": "did you mean `contains`?",
    "polite": "a check of your own needs --checks FILE",
    "doesNotContain": "write `- not: {contains: ...}`",
    "not.toContain": "write `- not: {contains: ...}`",
    "cannot_contain": "write `- not: {contains: ...}`",
    "notEquals": "write `- not: {equals: ...}`",
    "is_not_json": "write `- not: {json: true}`",
    "none_of": "write `- not: {any_of: [...]}`",
    "min_chars": "write `- not: {max_chars: 400}` for more than that",
    "minLength": "write `- not: {max_chars: 400}` for more than that",
    "at_least_words": "write `- min_words: 10`",
    "longer_than_chars": "write `- not: {max_chars: 400}` for more than that",
    "at_most_words": "write `- max_words: 100`",
    "min_cost": "write `- not: {max_cost_usd: 0.01}` for more than that",
}


@pytest.mark.parametrize("word", WORDS)
def test_a_word_of_another_tool_gets_what_it_means(tmp_path: Path, word: str) -> None:
    """Never the opposite: what begins with `not` stays a negation."""
    code, said = check(tmp_path, f"{HEAD}turns:\n  - user: Hi\n    expect:\n      - {word}: guarantee\n")
    assert code == 2
    assert f"error: unknown expectation `{word}`\n  --> a.yaml:7:9\n" in said
    assert WORDS[word] in said


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("assert: [a]\n" + HI, "write `expect: [{contains: text}]`"),
        ("turns: [{user: Hi, assert: []}]\n", "write `expect: [{contains: text}]`"),
        ("turns: [{role: user, content: Hi}]\n", "write `- user: ..."),
        ("messages: []\n" + HI, "write the messages under `turns`"),
        ("prompts: [a]\n" + HI, "write `variants:"),
        ("providers: [a]\n" + HI, "write `models:"),
        ("tests: [a]\n" + HI, "write `cases:"),
        ("stop: [a]\n" + HI, "write `stop_sequences: [END]`"),
        ("temperature: 0\n" + HI, "see how often with `repeat` and `pass_rate`"),
        ("turns: [{user: Hi, expect: [{contains: x}, {judge: polite}]}]\n", "pass --judge-model"),
        ("vars: {plea: Is there a way, maybe by a fee?}\n" + HI, "put the text before it in quotes"),
        ("turns: [{user: Hi, expect: [Sorry, we are closed]}]\n", "put each text in quotes"),
        ("turns: [{user: Hi, expect: [polite]}]\n", "a check of your own needs --checks FILE"),
        ("turns: [{user: Hi, expect: [refusel]}]\n", "did you mean `refusal`?"),
        ("turns: [{user: Hi, expect: [contains: Sorry, we are closed]}]\n", "put each text in quotes"),
    ],
)
def test_hints_name_the_intent(tmp_path: Path, text: str, hint: str) -> None:
    """What users of other tools write, and what a comma does to a sentence, is said in words of ours."""
    code, said = check(tmp_path, HEAD + text)
    assert code == 2
    assert hint in said


@pytest.mark.parametrize(
    ("expected", "reply", "code"),
    [
        ("{contains: 30 days}", "In 30 days.", 0),
        ("{contains: 30 days}", "No.", 1),
        ("[30 days]", "In 30 days.", 0),
        ("['Sorry, no', 'is']", "Sorry, no. It is so.", 0),
        ("['Sorry, no', 'is']", "Sorry. It is so.", 1),
        ("[json]", "{}", 0),
        ("[json]", "json", 1),
        ("['polite']", "polite", 0),
        ("[not: {contains: x}]", "x", 1),
        ("\n      - Sorry, no", "Sorry, no", 0),
    ],
)
def test_what_is_plain_is_simply_taken(workspace: Workspace, expected: str, reply: str, code: int) -> None:
    """One expectation needs no list, a text is one that the reply contains, and a kind stands by its name."""
    workspace.write("s.yaml", f"{HEAD}turns:\n  - user: Hi\n    expect: {expected}\n")
    answer = json_answer(message({"type": "text", "text": reply}))
    with RawServer(respond=lambda _request: answer) as server:
        assert workspace.run("s.yaml", url=server.base_url).code == code


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("claude-haiku-5.5", "did you mean `claude-haiku-5-5`?"),
        ("claude-haiku-55", "did you mean `claude-haiku-5-5`?"),
        ("claude-opus-55", "did you mean `claude-opus-5-5`?"),
        ("claude-haiku-5-5", None),
        ("anthropic/claude-haiku-5-5", None),
        ("my-gateway-model", None),
    ],
)
def test_an_id_that_is_nearly_a_known_model_is_a_warning(
    tmp_path: Path, model: str, said: str | None
) -> None:
    """A new model may be called so; a gateway's name for one is no slip."""
    text = f"max_tokens: 9\nmodels: [{{model: {model}, label: m}}]\njudge: {{model: {model}}}\n{HI}"
    code, output = check(tmp_path, text)
    assert code == 0
    assert output.count("is not a model that this version knows") == (1 if said else 0)
    assert said is None or said in output


def test_what_a_run_refuses_is_refused_by_check(tmp_path: Path) -> None:
    """A scenario without a model, and cases that cannot be filled in, each with the line of the case."""
    assert check(tmp_path, HI)[1].startswith("error: scenario `a` names no model\n  --> a.yaml:1:1")
    (tmp_path / "c.csv").write_text("id,label\none,a\ntwo,\n", encoding="utf-8")
    code, said = check(
        tmp_path, f"{HEAD}cases: c.csv\nturns: [{{user: Hi, expect: [contains: '{{{{ label }}}}']}}]\n"
    )
    assert code == 2
    assert (
        "error: `contains` at a.yaml:5:29 cannot be evaluated: the text is empty\n  --> c.csv:3:1\n" in said
    )
    code, said = check(
        tmp_path,
        f"{HEAD}cases: [{{id: a, vars: {{q: [x]}}}}, {{id: b, vars: {{q: [x, y]}}}}]\n"
        "turns: [{user: '{{ q[0] }}'}, {user: '{{ q[1] }}'}]\n",
    )
    assert (code, said.count("error:")) == (2, 1)
    assert (
        "the text at a.yaml:5:38 cannot be filled in: list object has no element 1\n  --> a.yaml:4:9" in said
    )


def test_cases_without_ids_are_named_by_check(tmp_path: Path) -> None:
    """A note, for they may be numbered; nothing is said of cases with ids."""
    text = f"{HEAD}cases: [{{vars: {{q: a}}}}]\nturns: [{{user: '{{{{ q }}}}'}}]\n"
    code, said = check(tmp_path, text)
    assert code == 0
    assert said.startswith(
        "note: a.yaml: 1 case without an id; baselines and comparisons pair them by their variables"
    )


REFUSED = {
    "stop_sequences: [' ']": "stop_sequences.0: each stop sequence must contain non-whitespace",
    "thinking: {budget_tokens: 2000}": "thinking.type: Field required",
    "output_config: {efort: low}": "output_config.efort: Extra inputs are not permitted",
    "metadata: {user: me}": "metadata.user: Extra inputs are not permitted",
    "tools: [{name: get order, input_schema: {type: object}}]": "tools.0.custom.name: String should match",
    "tool_choice: {type: auto}": "tool_choice: `tool_choice` may only be specified while providing `tools`",
}


@pytest.mark.parametrize("parameter", REFUSED)
def test_what_the_api_would_refuse_is_warned_of_before_it_is_sent(tmp_path: Path, parameter: str) -> None:
    """At the parameter; what a newer API takes cannot be known, so it is no error."""
    code, said = check(tmp_path, f"{HEAD}{parameter}\nturns: [{{user: Hi}}]\n")
    assert code == 0
    assert f"warning: the API would refuse a request to `claude-haiku-5-5`: {REFUSED[parameter]}" in said
    assert "--> a.yaml:4:1\n" in said


@pytest.mark.parametrize(
    "layer", ["variants:\n- id: v\n  metadata: {user: me}\n", "variants: [{id: v}]\nmetadata: {user: me}\n"]
)
def test_what_one_variant_adds_is_warned_of_in_its_line(tmp_path: Path, layer: str) -> None:
    """The parameter is pointed at where it stands, however deep."""
    code, said = check(tmp_path, f"{HEAD}{layer}turns: [{{user: Hi}}]\n")
    line, column = next(
        (number, each.index("metadata") + 1)
        for number, each in enumerate((HEAD + layer).splitlines(), 1)
        if "metadata" in each
    )
    assert code == 0
    assert f"metadata.user: Extra inputs are not permitted\n  --> a.yaml:{line}:{column}\n" in said


def test_a_result_that_the_api_would_refuse_is_warned_of(tmp_path: Path) -> None:
    """A rehearsal calls no tools, so that each result is looked at on its own."""
    tools = "tools: [{name: look, input_schema: {type: object}}]\ntool_results:\n  look:\n"
    results = (
        "  - {when: {a: 1}, return: fine}\n"
        "  - {when: {a: 2}, return: [{type: image, source: {type: base64, media_type: image/bmp}}]}\n"
    )
    code, said = check(tmp_path, f"{HEAD}{tools}{results}turns: [{{user: Hi}}]\n")
    assert (code, said.count("warning:")) == (0, 1)
    assert "warning: the API would refuse this result: content.tool_result.content.0.image.source" in said
    assert "--> a.yaml:8:5\n" in said


def test_a_turn_that_the_api_would_refuse_is_warned_of(tmp_path: Path) -> None:
    """However late in the conversation it comes."""
    call = "{type: tool_use, id: a, name: b, input: {}}"
    turns = f"turns: [{{user: a}}, {{user: b}}, {{assistant: [{call}]}}, {{user: c}}]"
    code, said = check(tmp_path, f"{HEAD}{turns}\n")
    assert (code, "`tool_use` ids were found without `tool_result` blocks" in said) == (0, True)


@pytest.mark.parametrize(
    ("judge", "problem"),
    [
        ("model: claude-2.1", "`claude-2.1` was retired on"),
        (
            "model: claude-opus-5-5, output_config: {effort: ultra}",
            "`claude-opus-5-5` knows no effort `ultra`",
        ),
        ("model: claude-opus-5-5, max_tokens: 9000000", "`claude-opus-5-5` writes at most 128,000 tokens"),
    ],
)
def test_a_judge_has_the_rules_of_its_model(tmp_path: Path, judge: str, problem: str) -> None:
    """It would be refused once the replies are paid for."""
    turns = "turns: [{user: Hi, expect: [{judge: It is polite.}]}]"
    code, said = check(tmp_path, f"{HEAD}judge: {{{judge}}}\n{turns}\n")
    assert code == 2
    assert f"error: {problem}" in said
    assert "--> a.yaml:4:1\n" in said
