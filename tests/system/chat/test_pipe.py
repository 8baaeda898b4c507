"""A chat at a pipe, and the scenarios that chats begin with and leave behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.command import claude_run
from tests.support.hostile_corpus import CORPUS
from tests.support.scripted_server import Answer, RawServer, error_answer, in_turn, json_answer, message
from tests.system.chat.talks import NOWHERE, echo, reply, said
from tests.system.harness.workspace import KEY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.scripted_server import ReceivedRequest
    from tests.system.chat.talks import Piped

ODD = (
    "no",
    "# not a comment",
    "a # neither: is {{ this }} {% nor %} {# that #}",
    "{{{{ {%%} }}",
    "\ttabs\tand\rreturns",
    "   spaces around   ",
    "🦋👩‍👩‍👧",
    "C:\\new\\",
    "'single' \"double\" \x1b[31m\x07\u2028\ufeff\u202e",
    "- a list: of {sorts}",
    "---",
    "~",
    "|",
)
TOOLS = """\
model: claude-haiku-5-5
max_tokens: 300
vars: {city: Oslo}
cases:
  - {id: a, vars: {who: Ada}}
  - {id: b, vars: {who: Bob}}
system: You help {{ who }}. Say {{ '{{' }} for a brace.
tools:
  - {name: weather, description: Ask., input_schema: {type: object, properties: {city: {type: string}}}}
tool_results:
  weather: [{when: {city: "{{ city }}"}, return: {sky: "clear over {{ city }} {{ '{%' }}"}}]
turns:
  - user: I am {{ who }}.
    expect: [{contains: "{{ who }}"}]
    example: Hello {{ who }}!
  - user: Who am I?
    example: You are {{ who }}.
"""


def call(name: str, **arguments: str) -> Answer:
    """Answer with a call of a tool."""
    block = {"type": "tool_use", "id": "toolu_1", "name": name, "input": arguments}
    return reply("", content=[block], stop_reason="tool_use")


def test_a_line_is_a_message(tmp_path: Path, piped: Piped) -> None:
    """Replies go to stdout and nothing else does, so that they can be piped on."""
    with RawServer(respond=echo) as api:
        result = piped(tmp_path, text="one\n\ntwo\r\nthree", url=api.base_url)
    assert (result.code, result.stdout) == (0, "1: one\n3: two\n5: three\n")
    assert [text for _, text in said(api.ledger[2])] == ["one", "1: one", "two", "3: two", "three"]
    assert "3 replies, 30 tokens in, 15 out" in result.stderr
    assert ">" not in result.stdout


def test_quit_ends_it_before_the_end(tmp_path: Path, piped: Piped) -> None:
    """What stands behind it is not sent; an empty pipe is a talk without words."""
    with RawServer(respond=echo) as api:
        assert piped(tmp_path, text="one\nquit\ntwo\n", url=api.base_url).stdout == "1: one\n"
        assert piped(tmp_path, text=" Quit \ntwo\n", url=api.base_url).stdout == ""
    assert len(api.ledger) == 1
    assert piped(tmp_path, text="").code == 0


def test_every_text_comes_back_from_the_file(tmp_path: Path, piped: Piped) -> None:
    """The talk, saved and played as a scenario, sends the same requests byte for byte, whatever was said."""
    texts = [*ODD, *(text for text in CORPUS if len(text) < 2000)]
    lines = [text.replace("\n", " ").replace("\0", "") for text in texts]
    lines = [line.encode("utf-8", "replace").decode().removesuffix("\r") for line in lines if line.strip()]
    lines = [line for line in lines if line.strip() and line.strip() not in {"quit", "exit"}]
    with RawServer(respond=echo) as api:
        result = piped(tmp_path, "-q", "--save", "t.yaml", text="\n".join(lines), url=api.base_url)
        assert result.code == 0, result.stderr
        assert [said(each)[-1][1] for each in api.ledger] == lines
    assert claude_run("check", "t.yaml", "--examples", cwd=tmp_path).code == 0
    with RawServer(respond=echo) as again:
        env = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": again.base_url}
        assert claude_run("t.yaml", "-o", "out", cwd=tmp_path, env=env).code == 0
    assert [each.body["messages"] for each in again.ledger] == [each.body["messages"] for each in api.ledger]


def test_the_simulator_replays_what_was_said(tmp_path: Path, piped: Piped) -> None:
    """Played with the simulator the examples are the replies, so that the whole talk is the same."""
    with RawServer(respond=echo) as api:
        piped(tmp_path, "--save", "t.yaml", text="\n".join(ODD), url=api.base_url)
    replayed = piped(tmp_path, "t.yaml", "--simulate", "--save", "again.yaml", text="")
    assert replayed.code == 0
    first, again = ((tmp_path / name).read_text(encoding="utf-8") for name in ("t.yaml", "again.yaml"))
    assert first.partition("\n")[2] == again.partition("\n")[2]
    assert "the simulator, which made the replies up" in again.partition("\n")[0]


def test_a_scenario_is_gone_on_with(tmp_path: Path, piped: Piped) -> None:
    """Its turns are played first, with its case, prompt, parameters and tools; all of that is carried."""
    (tmp_path / "s.yaml").write_text(TOOLS, encoding="utf-8")
    answers = [reply("Hello."), reply("Bob."), call("weather", city="Oslo"), reply("Clear."), reply("Bye.")]
    with RawServer(respond=in_turn(*answers)) as api:
        arguments = ("s.yaml", "-k", "b", "--save", "t.yaml")
        result = piped(tmp_path, *arguments, text="Weather?\n{{ who }}\n", url=api.base_url)
    assert result.code == 0, result.stderr
    assert result.stdout == "Hello.\nBob.\nClear.\nBye.\n"
    assert "> I am Bob." in result.stderr
    assert 'calls weather with {"city": "Oslo"}' in result.stderr
    assert [text for _, text in said(api.ledger[-1])] == [
        *("I am Bob.", "Hello.", "Who am I?", "Bob.", "Weather?", "(tool_use)", "(tool_result)", "Clear."),
        "{{ who }}",
    ]
    assert api.ledger[-1].body["max_tokens"] == 300
    # What is saved needs no variables, and sends the same.
    with RawServer(respond=in_turn(*answers)) as again:
        env = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": again.base_url}
        assert claude_run("t.yaml", "-o", "out", cwd=tmp_path, env=env).code == 0
    for name in ("system", "tools", "messages", "max_tokens", "cache_control"):
        assert [each.body[name] for each in again.ledger] == [each.body[name] for each in api.ledger]
    assert [block["text"] for block in api.ledger[0].body["system"]] == ["You help Bob. Say {{ for a brace."]


def test_the_first_of_several_cases_is_taken_and_said(tmp_path: Path, piped: Piped) -> None:
    """Without `-k` it is the first; the words say which, and how another one is chosen."""
    (tmp_path / "s.yaml").write_text(TOOLS, encoding="utf-8")
    result = piped(tmp_path, "s.yaml", "--simulate", text="")
    assert result.stdout == "Hello Ada!\nYou are Ada.\n"
    assert "s/a/claude-haiku-5-5 is taken; -k chooses another one: s/b/claude-haiku-5-5" in result.stderr


def test_a_turn_that_does_not_fit_is_left_out(tmp_path: Path, piped: Piped) -> None:
    """As in a run; what is saved is what was sent, and needs no condition."""
    (tmp_path / "s.yaml").write_text(
        "model: claude-haiku-5-5\nturns:\n  - user: one\n  - {user: two, if: {contains: receipt}}\n"
        "  - {user: three, if: {contains: First}}\n",
        encoding="utf-8",
    )
    with RawServer(respond=in_turn(reply("First."), reply("Third."), reply("Own."))) as api:
        result = piped(tmp_path, "s.yaml", "--save", "t.yaml", text="mine\n", url=api.base_url)
    assert (result.code, result.stdout) == (0, "First.\nThird.\nOwn.\n")
    assert (
        result.stderr.count("a turn of the scenario is left out: the last reply does not fit its `if`") == 1
    )
    assert [text for _, text in said(api.ledger[-1])] == ["one", "First.", "three", "Third.", "mine"]
    kept = (tmp_path / "t.yaml").read_text(encoding="utf-8")
    assert ("two" in kept, "if:" in kept, kept.count("user:")) == (False, False, 3)


def test_options_take_the_place_of_what_the_scenario_says(tmp_path: Path, piped: Piped) -> None:
    """A model, a prompt that is no template, a limit and a variable."""
    (tmp_path / "s.yaml").write_text(TOOLS, encoding="utf-8")
    given = ("-m", "claude-sonnet-5-5", "--system", "Say {{ x }}.", "--max-tokens", "77", "--set", "who=Eve")
    with RawServer(respond=in_turn(reply("Yes.", model="claude-sonnet-5-5"))) as api:
        result = piped(tmp_path, "s.yaml", "-k", "a", *given, text="", url=api.base_url)
    assert result.code == 0, result.stderr
    body = api.ledger[0].body
    assert (body["model"], body["max_tokens"]) == ("claude-sonnet-5-5", 77)
    assert (body["system"][0]["text"], body["messages"][0]["content"]) == ("Say {{ x }}.", "I am Eve.")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            reply("I ca", stop_reason="refusal", stop_details={"type": "refusal", "category": "cyber"}),
            "error: the model refused to answer (category: cyber)",
        ),
        (
            reply("Hi.", model="claude-opus-5-5"),
            "error: claude-haiku-5-5 was asked for, and 'claude-opus-5-5'",
        ),
        (call("weather"), "error: the reply calls weather with {}, which has no tool_results"),
        (
            reply("Hi.", stop_reason="model_context_window_exceeded"),
            "error: the reply was cut off at the model's",
        ),
        (reply("Hi.", stop_reason="new_reason"), "error: unknown stop_reason 'new_reason'"),
    ],
    ids=["refusal", "other model", "call", "window", "unknown"],
)
def test_a_reply_that_cannot_be_gone_on_from_is_not_kept(
    tmp_path: Path, answer: Answer, words: str, piped: Piped
) -> None:
    """It is shown, named and paid for; at a pipe the talk ends there, and what was said before is kept."""
    with RawServer(respond=in_turn(reply("First."), answer)) as api:
        result = piped(tmp_path, "--save", "t.yaml", text="one\ntwo\nthree\n", url=api.base_url)
    assert result.code == 3
    assert words in result.stderr
    assert "2 replies, 20 tokens in, 10 out" in result.stderr
    assert len(api.ledger) == 2
    kept = (tmp_path / "t.yaml").read_text(encoding="utf-8")
    assert ("user: one" in kept, "two" in kept) == (True, False)


def test_a_cut_reply_is_kept_and_named(tmp_path: Path, piped: Piped) -> None:
    """`max_tokens` ends a reply and not the talk."""
    with RawServer(respond=in_turn(reply("Half", stop_reason="max_tokens"), reply("Rest."))) as api:
        result = piped(tmp_path, text="one\ngo on\n", url=api.base_url)
    assert (result.code, result.stdout) == (0, "Half\nRest.\n")
    assert "the reply was cut off at max_tokens; a higher --max-tokens lets it be longer" in result.stderr


def test_thinking_goes_back_as_it_came(tmp_path: Path, piped: Piped) -> None:
    """Every block of a reply is sent again, in its order, with its signature."""
    body = [
        {"type": "thinking", "thinking": "", "signature": "c2ln", "odd": None},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "text", "text": "Yes.", "citations": None},
    ]
    with RawServer(respond=in_turn(reply("", content=body))) as api:
        assert piped(tmp_path, text="one\ntwo\n", url=api.base_url).stdout == "Yes.\nYes.\n"
    assert api.ledger[1].body["messages"][:2] == [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": body},
    ]


def test_without_a_key_the_error_is_that_of_a_run(tmp_path: Path, piped: Piped) -> None:
    """Said before anything is asked of anybody."""
    (tmp_path / "s.yaml").write_text(TOOLS, encoding="utf-8")
    chat = piped(tmp_path, text="one\n", env={"ANTHROPIC_API_KEY": ""})
    run = claude_run("s.yaml", "-o", "out", cwd=tmp_path)
    assert chat.code == run.code == 3
    assert chat.stderr in run.stderr
    assert "no API credentials were found" in chat.stderr


def test_a_wrong_key_ends_a_pipe(tmp_path: Path, piped: Piped) -> None:
    """The API's words are said, and the lines that follow are not sent."""
    with RawServer(respond=in_turn(error_answer("authentication_error", "bad key", status=401))) as api:
        result = piped(tmp_path, text="one\ntwo\n", url=api.base_url)
    assert (result.code, len(api.ledger)) == (3, 1)
    assert "bad key" in result.stderr


def test_the_cap_on_the_cost_ends_it(tmp_path: Path, piped: Piped) -> None:
    """The next message could cost more than is left: 4, and nothing is sent for it."""
    with RawServer(respond=echo) as api:
        given = ("--max-cost", "0.003", "--max-tokens", "4096", "--save", "t.yaml")
        result = piped(tmp_path, *given, text="one\n" + "x" * 9000 + "\n", url=api.base_url)
    assert (result.code, len(api.ledger)) == (4, 1), result.stderr
    assert "stopped by --max-cost 0.003" in result.stderr
    assert "saved t.yaml" in result.stderr


def test_the_key_is_not_sent_as_a_message(tmp_path: Path, piped: Piped) -> None:
    """Whoever pastes it by mistake is told, and it is written nowhere."""
    with RawServer(respond=echo) as api:
        result = piped(tmp_path, "--save", "t.yaml", text=f"one\nit is {KEY}\n", url=api.base_url)
    assert (result.code, len(api.ledger)) == (3, 1)
    assert "error: the credential in use stands in this message: it was not sent" in result.stderr
    assert KEY not in (tmp_path / "t.yaml").read_text(encoding="utf-8")


def test_what_is_no_text_is_no_traceback(tmp_path: Path, piped: Piped) -> None:
    """Bytes that are no UTF-8 are replaced, and NUL, which no scenario can hold, is refused."""
    with RawServer(respond=echo) as api:
        assert piped(tmp_path, text=b"\xff\xfe caf\xe9\n", url=api.base_url).code == 0
        assert said(api.ledger[0]) == [("user", "\ufffd\ufffd caf\ufffd")]
        refused = piped(tmp_path, text=b"a\0b\n", url=api.base_url)
    assert (refused.code, len(api.ledger)) == (3, 1)
    assert "error: the character NUL stands in this message: it was not sent" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--save", "there.yaml"), "--save there.yaml: it is there already, and chat overwrites nothing"),
        (("--save", "no/t.yaml"), "--save no/t.yaml: there is no folder no"),
        (("--save", "t" * 300), "File name too long: name another file"),
        (("-k", "a"), "-k is for a scenario"),
        (("--set", "a=b"), "--set is for a scenario"),
        (("-m", "a", "-m", "b"), "chat talks to one model"),
        (("there.yaml", "there.yaml"), "chat takes one scenario"),
        (("there.yaml",), "this scenario has no `turns`"),
        (("--max-tokens", "0"), "--max-tokens 0: write a whole number from 1"),
        (("--max-tokens", "9999999"), "`claude-haiku-5-5` writes at most 128,000 tokens"),
        (("-m", "claude-3-opus-20240229"), "retired"),
        (("--faults", "cut@1"), "--faults is for the simulator"),
        (("--max-cost", "1", "-m", "nobody-knows"), "--max-cost cannot be held"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else "",
)
def test_options_that_make_no_sense(
    tmp_path: Path, arguments: tuple[str, ...], words: str, piped: Piped
) -> None:
    """Each is refused before anything is sent, with what to do."""
    there = tmp_path / "there.yaml"
    there.write_text("model: m\n", encoding="utf-8")
    result = piped(tmp_path, *arguments, text="one\n", url=NOWHERE)
    assert result.code == 2, result.stderr
    assert words in result.stderr
    assert there.read_text(encoding="utf-8") == "model: m\n"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("-talk.yaml", "claude-run ./-talk.yaml --simulate"),
        ("chat", "claude-run run chat --simulate"),
        ("a talk.yaml", "claude-run 'a talk.yaml' --simulate"),
    ],
)
def test_the_next_command_plays_the_file_whatever_it_is_called(
    tmp_path: Path, name: str, line: str, piped: Piped
) -> None:
    """A name may look like an option, or like a command."""
    with RawServer(respond=echo) as api:
        result = piped(tmp_path, "--save", name, text="one\n", url=api.base_url)
    assert f"next: {line}\n" in result.stderr


def test_a_file_that_comes_into_being_meanwhile_is_not_overwritten(tmp_path: Path, piped: Piped) -> None:
    """The talk goes on, says that it is not saved, and ends with 3."""

    def answer(request: ReceivedRequest) -> Answer:
        (tmp_path / "t.yaml").write_text("mine", encoding="utf-8")
        return echo(request)

    with RawServer(respond=answer) as api:
        result = piped(tmp_path, "--save", "t.yaml", text="one\n", url=api.base_url)
    assert (result.code, result.stdout) == (3, "1: one\n")
    assert "warning: not saved: t.yaml cannot be written: File exists" in result.stderr
    assert (tmp_path / "t.yaml").read_text(encoding="utf-8") == "mine"


def test_what_came_in_one_piece_is_shown_too(tmp_path: Path, piped: Piped) -> None:
    """A gateway may answer whole where a stream was asked for."""
    whole = message({"type": "text", "text": "Whole.\n"})
    with RawServer(respond=in_turn(json_answer(whole))) as api:
        assert piped(tmp_path, text="one\n", url=api.base_url).stdout == "Whole.\n"
