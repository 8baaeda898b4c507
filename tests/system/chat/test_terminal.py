"""A chat as somebody has it at a terminal: every way to end it or go on, with what is seen, sent and kept."""

from __future__ import annotations

import os
import signal
import termios
from typing import TYPE_CHECKING

import pytest

from tests.support.scripted_server import Answer, RawServer, error_answer, in_turn
from tests.system.chat.talks import (
    ALT_ENTER,
    CTRL_C,
    CTRL_D,
    ENTER,
    UP,
    begun,
    cut,
    echo,
    pasted,
    reply,
    said,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.chat.talks import Piped, Talking

COST = "[10 tokens in, 5 out, <$0.0001; in all 10 tokens in, 5 out, <$0.0001]"
NO_PATIENCE = ("--patience", "0s")


def test_quit_ends_it(tmp_path: Path, talking: Talking) -> None:
    """A message, its streamed reply, what it cost, and again; the talk is kept, and goes back as it came."""
    with RawServer(respond=echo) as api, talking(tmp_path, "--save", "t.yaml", url=api.base_url) as talk:
        talk.say("My name is Ada.")
        talk.say("What is my name?")
        talk.say("quit")
        assert talk.end() == 0
    rows = [line for line in talk.lines if line]
    assert rows[1:] == [
        "> My name is Ada.",
        "1: My name is Ada.",
        COST,
        "> What is my name?",
        "3: What is my name?",
        "[10 tokens in, 5 out, <$0.0001; in all 20 tokens in, 10 out, <$0.0001]",
        "> quit",
        "2 replies, 20 tokens in, 10 out, <$0.0001",
        "saved t.yaml",
        "next: claude-run t.yaml --simulate",
    ]
    assert said(api.ledger[1]) == [
        ("user", "My name is Ada."),
        ("assistant", "1: My name is Ada."),
        ("user", "What is my name?"),
    ]
    assert 'example: "1: My name is Ada."' in (tmp_path / "t.yaml").read_text(encoding="utf-8")


def test_ctrl_d_ends_it_well(tmp_path: Path, talking: Talking) -> None:
    """As in every shell; so does a terminal whose user says nothing at all."""
    with RawServer(respond=echo) as api, talking(tmp_path, url=api.base_url) as talk:
        talk.say("Hello.")
        talk.see_prompt()
        talk.type(CTRL_D)
        assert talk.end() == 0
    assert "1 reply, 10 tokens in, 5 out, <$0.0001" in talk.lines


def test_ctrl_c_at_the_prompt_clears_it_and_then_ends(tmp_path: Path, talking: Talking) -> None:
    """What was typed is gone first; with nothing there the talk ends, with its totals, and is kept."""
    with RawServer(respond=echo) as api, talking(tmp_path, "--save", "t.yaml", url=api.base_url) as talk:
        talk.say("Hello.")
        talk.see_prompt()
        talk.type("never mind")
        talk.see("never mind")
        talk.type(CTRL_C)
        talk.see_prompt()
        talk.type(CTRL_C)
        assert talk.end() == 130
    assert "saved t.yaml" in talk.lines
    assert len(api.ledger) == 1


def test_a_paste_of_ten_kilobytes_is_one_message(tmp_path: Path, talking: Talking) -> None:
    """Two hundred lines, sent when Enter is pressed, byte for byte, and kept so."""
    text = "\n".join(f"{n:03}\tline {{{{ {n} }}}} # with é and {{% tags %}} and \\" for n in range(200))
    text += "x" * (10_000 - len(text.encode()))
    with RawServer(respond=echo) as api, talking(tmp_path, "--save", "t.yaml", url=api.base_url) as talk:
        talk.see_prompt()
        talk.type(pasted(text))
        talk.see("199")
        assert not api.ledger
        talk.type(ENTER)
        talk.see("in all")
        talk.say("quit")
        assert talk.end() == 0
    assert [said(each) for each in api.ledger] == [[("user", text)]]


def test_lines_are_edited(tmp_path: Path, talking: Talking) -> None:
    """Alt-Enter begins a line, the arrow up brings the message before, and blank lines are no messages."""
    with RawServer(respond=echo) as api, talking(tmp_path, url=api.base_url) as talk:
        talk.say("   ")
        talk.see_prompt()
        talk.type(f"one{ALT_ENTER}twoo\x7f{ENTER}")
        talk.see("in all")
        talk.say("")
        talk.see_prompt()
        talk.type(UP)
        talk.see("> one", times=2)
        talk.type(f"!{ENTER}")
        talk.see("in all", times=2)
        talk.see_prompt()
        talk.type(CTRL_D)
        assert talk.end() == 0
    assert [said(each)[-1] for each in api.ledger] == [("user", "one\ntwo"), ("user", "one\ntwo!")]


def test_ctrl_c_stops_a_reply(tmp_path: Path, talking: Talking) -> None:
    """What came is seen and not kept, its cost is uncertain, and the talk goes on without it."""
    answers = in_turn(reply("First."), begun("Half a sentence, "), reply("Third."))
    with RawServer(respond=answers) as api, talking(tmp_path, "--save", "t.yaml", url=api.base_url) as talk:
        talk.say("one")
        talk.say("two")
        talk.see("Half a sentence,")
        talk.type(CTRL_C)
        talk.see("stopped: neither message nor reply is kept")
        talk.say("three")
        talk.see("Third.")
        talk.say("quit")
        assert talk.end() == 0
    assert [text for _, text in said(api.ledger[2])] == ["one", "First.", "three"]
    assert "Half a sentence, ^C" in talk.lines, talk.lines
    stopped = "stopped: neither message nor reply is kept; 1 attempt without a whole reply"
    assert sum(line.startswith(stopped) for line in talk.lines) == 1
    assert sum(line.startswith("1 attempt without a whole reply may have cost") for line in talk.lines) == 1
    kept = (tmp_path / "t.yaml").read_text(encoding="utf-8")
    assert "two" not in kept
    assert "Third." in kept


@pytest.mark.parametrize(
    "lost", [Answer(reset=True), cut("Half a sentence, ")], ids=["at once", "in mid-reply"]
)
def test_a_lost_connection_loses_no_message(tmp_path: Path, lost: Answer, talking: Talking) -> None:
    """The error is said, and the message stands at the prompt: Enter sends it again, and once."""
    answers = in_turn(reply("First."), lost, reply("Second."))
    with (
        RawServer(respond=answers) as api,
        talking(tmp_path, *NO_PATIENCE, "--save", "t.yaml", url=api.base_url) as talk,
    ):
        talk.say("one")
        talk.say("two")
        talk.see("there is no reply: the message can be sent again")
        talk.see("> two", times=2)
        talk.type(ENTER)
        talk.see("Second.")
        talk.say("quit")
        assert talk.end() == 0
    assert any(line.startswith("error: ") for line in talk.lines)
    assert [text for _, text in said(api.ledger[2])] == ["one", "First.", "two"]
    assert api.ledger[1].body == api.ledger[2].body


def test_a_connection_that_comes_back_is_waited_for(tmp_path: Path, talking: Talking) -> None:
    """With a little patience the message is sent again by itself, and what was shown of it is called back."""
    answers = in_turn(cut("Half a sentence, "), reply("Whole."))
    with RawServer(respond=answers) as api, talking(tmp_path, url=api.base_url) as talk:
        talk.say("one")
        talk.see("Whole.")
        talk.say("quit")
        assert talk.end() == 0
    assert "Half a sentence," in talk.lines
    assert any(line.startswith("claude-haiku-5-5 is tried again in") for line in talk.lines)
    assert len(api.ledger) == 2


def test_whoever_gives_up_on_a_lost_connection_is_told_by_the_code(tmp_path: Path, talking: Talking) -> None:
    """The last message has no answer: 3, and what was said before it is kept."""
    answers = in_turn(reply("First."), Answer(reset=True))
    with (
        RawServer(respond=answers) as api,
        talking(tmp_path, *NO_PATIENCE, "--save", "t.yaml", url=api.base_url) as talk,
    ):
        talk.say("one")
        talk.say("two")
        talk.see("> two", times=2)
        talk.type(CTRL_C)
        talk.see_prompt()
        talk.type(CTRL_D)
        assert talk.end() == 3
    assert "saved t.yaml" in talk.lines


@pytest.mark.parametrize(
    ("number", "code", "at"),
    [(signal.SIGTERM, 143, "prompt"), (signal.SIGTERM, 143, "reply"), (signal.SIGINT, 130, "prompt")],
)
def test_the_terminal_is_left_as_it_was(
    tmp_path: Path, talking: Talking, *, number: signal.Signals, code: int, at: str
) -> None:
    """A signal from outside ends it with its totals, and keys are echoed again."""
    answers = in_turn(reply("First."), begun("Half a sentence, "))
    with RawServer(respond=answers) as api, talking(tmp_path, "--save", "t.yaml", url=api.base_url) as talk:
        before = talk.terminal.untouched
        talk.say("one")
        talk.see_prompt()
        if at == "reply":
            talk.type(f"two{ENTER}")
            talk.see("Half a sentence,")
        else:
            assert termios.tcgetattr(talk.terminal.descriptor) != before
        os.kill(talk.terminal.process.pid, number)
        assert talk.end() == code
        assert termios.tcgetattr(talk.terminal.descriptor) == before
    assert "saved t.yaml" in talk.lines


def test_a_closed_terminal_keeps_the_talk(tmp_path: Path, talking: Talking) -> None:
    """Whoever closes the window finds what was said."""
    with RawServer(respond=echo) as api, talking(tmp_path, "--save", "t.yaml", url=api.base_url) as talk:
        talk.say("one")
        talk.see_prompt()
        talk.terminal.hang_up()
        assert talk.terminal.process.wait(30) == 129
    assert "one" in (tmp_path / "t.yaml").read_text(encoding="utf-8")


def test_a_kill_loses_no_reply_that_is_paid(tmp_path: Path, piped: Piped, talking: Talking) -> None:
    """The file is written after every reply, whole, and can be played."""
    with RawServer(respond=echo) as api, talking(tmp_path, "--save", "t.yaml", url=api.base_url) as talk:
        talk.say("one")
        talk.say("two")
        talk.see_prompt()
        talk.terminal.process.kill()
        talk.terminal.process.wait()
    kept = (tmp_path / "t.yaml").read_text(encoding="utf-8")
    assert "user: one" in kept
    assert "user: two" in kept
    with RawServer(respond=echo) as again:
        assert piped(tmp_path, "t.yaml", "-q", text="", url=again.base_url).code == 0
        assert [said(each) for each in again.ledger] == [said(each) for each in api.ledger]


def test_nothing_that_a_reply_says_reaches_the_terminal_raw(tmp_path: Path, talking: Talking) -> None:
    """An escape sequence is shown and not obeyed, though it comes in pieces of one character."""
    hostile = "a\x1b[2J\x1b]0;owned\x07\x9b31m\u202eb\rc"
    with (
        RawServer(respond=in_turn(reply(hostile, piece=1))) as api,
        talking(tmp_path, url=api.base_url) as talk,
    ):
        talk.say("one")
        talk.see("in all")
        talk.say("quit")
        assert talk.end() == 0
    assert r"a^[[2J^[]0;owned^G\x9b31m<U+202E>b^Mc" in talk.lines


def test_thinking_is_one_line(tmp_path: Path, talking: Talking) -> None:
    """That the model thinks is said once; what it thinks is not."""
    body = [
        {"type": "thinking", "thinking": "secret " * 20, "signature": "c2ln"},
        {"type": "text", "text": "Yes."},
    ]
    with (
        RawServer(respond=in_turn(reply("", content=body))) as api,
        talking(tmp_path, url=api.base_url) as talk,
    ):
        talk.say("one")
        talk.say("two")
        talk.see("in all", times=2)
        talk.say("quit")
        assert talk.end() == 0
    assert [line for line in talk.lines if "think" in line or "secret" in line] == ["thinking ..."] * 2
    assert api.ledger[1].body["messages"][1]["content"] == body


def test_a_dumb_terminal_will_do(tmp_path: Path, talking: Talking) -> None:
    """Where nothing can be drawn lines are read all the same."""
    with (
        RawServer(respond=echo) as api,
        talking(tmp_path, url=api.base_url, env={"TERM": "dumb"}) as talk,
    ):
        talk.say("one")
        talk.see("in all")
        talk.type(f"quit{ENTER}")
        assert talk.end() == 0
    assert "1: one" in talk.lines


def test_a_scenario_is_gone_on_with_after_a_stop(tmp_path: Path, talking: Talking) -> None:
    """Its turns are shown as if they were typed; one that is stopped, and the rest, are sent by Enter."""
    script = "model: claude-haiku-5-5\nturns: [{user: one}, {user: two}, {user: three}]\n"
    (tmp_path / "s.yaml").write_text(script, encoding="utf-8")
    answers = in_turn(
        reply("First."), begun("Half a sentence, "), reply("Second."), reply("Third."), reply("Own.")
    )
    with RawServer(respond=answers) as api, talking(tmp_path, "s.yaml", url=api.base_url) as talk:
        talk.see("Half a sentence,")
        talk.taken = 2
        talk.type(CTRL_C)
        talk.say("")
        talk.see("Third.")
        talk.taken = 5
        talk.say("mine")
        talk.see("Own.")
        talk.say("quit")
        assert talk.end() == 0
    shown = [line for line in talk.lines if line.startswith("> ")]
    assert shown == ["> one", "> two", "> two", "> three", "> mine", "> quit"]
    assert "2 turns of the scenario left: Enter sends the next; a message leaves them out" in talk.lines
    sent = ["one", "First.", "two", "Second.", "three", "Third.", "mine"]
    assert [text for _, text in said(api.ledger[-1])] == sent


def test_a_message_leaves_out_what_is_left_of_a_scenario(tmp_path: Path, talking: Talking) -> None:
    """Whoever has something else to say says it: the turn that was not answered is not kept."""
    script = "model: claude-haiku-5-5\nturns: [{user: one}, {user: two}]\n"
    (tmp_path / "s.yaml").write_text(script, encoding="utf-8")
    answers = in_turn(reply("First."), Answer(reset=True), reply("Own."))
    with (
        RawServer(respond=answers) as api,
        talking(tmp_path, "s.yaml", *NO_PATIENCE, url=api.base_url) as talk,
    ):
        talk.see("1 turn of the scenario left")
        talk.taken = 2
        talk.say("mine")
        talk.see("Own.")
        talk.say("quit")
        assert talk.end() == 0
    assert "1 turn of the scenario left out" in talk.lines
    assert [text for _, text in said(api.ledger[-1])] == ["one", "First.", "mine"]


def test_a_wait_that_is_stopped_costs_nothing(tmp_path: Path, talking: Talking) -> None:
    """Where the API refused to work, nothing can be billed; the message can be said again."""
    busy = error_answer("overloaded_error", "busy", status=529, headers=["retry-after: 20"])
    with RawServer(respond=in_turn(busy, reply("Yes."))) as api, talking(tmp_path, url=api.base_url) as talk:
        talk.say("one")
        talk.see("claude-haiku-5-5 is tried again in 20 s")
        talk.type(CTRL_C)
        talk.see("stopped: neither message nor reply is kept; nothing was sent that could be")
        talk.see("  billed")
        talk.say("one")
        talk.see("Yes.")
        talk.say("quit")
        assert talk.end() == 0
    assert len(api.ledger) == 2
