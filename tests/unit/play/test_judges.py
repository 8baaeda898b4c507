"""Judges: asked through the run's own sender, journalled, capped, resumed, never heard by the script."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.conversation.events import Asked, Attempted, Ended, Event, Replied
from claude_run.conversation.exchange import Failure
from claude_run.conversation.log import ConversationLog
from claude_run.conversation.results import Outcome
from claude_run.conversation.served import ServedNames
from claude_run.errors import ExitCode
from claude_run.play.judges import NO_BASELINE, NO_JUDGE
from claude_run.record.history import History
from claude_run.record.recording import Recording
from claude_run.scenario.model import Block, Expectation, Graders, JsonBlock, SystemTurn, TextBlock, UserTurn
from tests.unit.play.fakes import (
    HERE,
    FakedRun,
    FakeMessages,
    FlatPrices,
    conversation,
    failure,
    message,
    text,
    user,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from claude_run.conversation.exchange import Exchange, Request
    from claude_run.conversation.script import Conversation
    from claude_run.conversation.steps import Send
    from claude_run.conversation.transcript import Transcript
    from claude_run.scenario.json_values import Json

PLAYED = "claude-haiku-5-5"
JUDGE = "claude-opus-5-5"
ID = f"test/{PLAYED}"
POLITE = ("judge", "It is polite.")


def verdict(word: str = "pass", reason: str = "because", **fields: Any) -> dict[str, Any]:
    """Return a judge's answer as it was asked for."""
    return message(json.dumps({"reason": reason, "verdict": word}), **fields)


def judged_by(answer: Callable[[Request, int], Any] = lambda _request, _n: verdict()) -> FakeMessages:
    """Answer judges with `answer`, whose number counts the judges' requests alone, and all else with `ok`."""
    asked: list[Request] = []

    def reply(request: Request, _n: int) -> Any:
        if request.model == PLAYED:
            return message()
        asked.append(request)
        answered = answer(request, len(asked))
        return {**answered, "model": request.model} if isinstance(answered, dict) else answered

    return FakeMessages(answer=reply)


def talk(*turns: Any, judge: Sequence[str] = (JUDGE,), **fields: Any) -> Conversation:
    """Return a conversation with a judge, of one turn unless said otherwise."""
    graders = Graders(models=tuple(judge)) if judge else None
    return conversation("test", *(turns or (user("Hello", POLITE),)), judge=graders, **fields)


def play(run: FakedRun, played: Conversation, *, earlier: Sequence[Event] = ()) -> Transcript:
    """Play one conversation to its end."""
    assert run.play([played], earlier={ID: tuple(earlier)} if earlier else None) is None
    (transcript,) = run.progress.transcripts
    return transcript


def asked_of(messages: FakeMessages | None, model: str = JUDGE) -> list[Request]:
    """Return the requests that one model got."""
    assert messages is not None
    return [request for request in messages.requests if request.model == model]


def data_of(request: Request) -> Any:
    """Return the data that a judge was shown."""
    body: Any = request.body
    block: str = body["messages"][0]["content"][1]["text"]
    return json.loads(block.removeprefix("<data>").removesuffix("</data>"))


def nested(kind: str, *children: Expectation) -> Expectation:
    """Return a wrapper around other expectations."""
    return Expectation(kind=kind, children=children, position=HERE)


def judge(value: Json) -> Expectation:
    """Return a judge expectation."""
    return Expectation(kind="judge", value=value, position=HERE)


def test_a_judges_request_is_journalled_like_any_other() -> None:
    """Request, attempt and reply stand in the journal before the end, marked as a judge's."""
    run = FakedRun(messages=judged_by())
    transcript = play(run, talk())
    names = [type(event).__name__ for event in run.recorder.events]
    assert names == ["Started", *["Asked", "Attempted", "Replied"] * 2, "Ended"]
    first, second = (event for event in run.recorder.events if isinstance(event, Asked))
    assert first.judge is None
    assert second.judge is not None
    assert second.judge.endswith(":0:straight:turn-1")
    assert first.key != second.key
    (check,) = transcript.turns[0].checks
    assert (check.status, check.message) == ("passed", "the judge says pass: because")
    assert transcript.outcome is Outcome.PASSED


def test_what_judges_cost_stands_apart() -> None:
    """Usage and cost of the conversation are those of its replies alone."""
    used = {"input_tokens": 700, "output_tokens": 70}
    run = FakedRun(messages=judged_by(lambda _r, _n: verdict(usage=used)), cap=Decimal(1))
    transcript = play(run, talk(user("Hello", POLITE, ("max_output_tokens", 5))))
    assert (transcript.usage.input_tokens, transcript.usage.output_tokens) == (10, 5)
    assert (transcript.judge_usage.input_tokens, transcript.judge_usage.output_tokens) == (700, 70)
    assert transcript.cost_usd == transcript.judge_cost_usd == Decimal("0.01")
    assert run.budget.spent_usd == Decimal("0.02")
    assert transcript.outcome is Outcome.PASSED


def test_a_judge_is_asked_only_within_the_cap() -> None:
    """A judge whose worst cost does not fit stops the run, and the conversation can be resumed."""
    run = FakedRun(messages=judged_by(), cap=Decimal("0.025"))
    halt = run.play([talk()])
    assert halt is not None
    assert halt.code is ExitCode.CAPPED
    assert asked_of(run.messages) == []
    assert not any(isinstance(event, Ended) for event in run.recorder.events)


def test_a_judges_request_counts() -> None:
    """`--max-requests` holds judges too."""
    run = FakedRun(messages=judged_by(), max_requests=1)
    halt = run.play([talk()])
    assert halt is not None
    assert halt.code is ExitCode.CAPPED
    assert asked_of(run.messages) == []


def test_what_judges_took_counts_when_the_run_goes_on() -> None:
    """Their attempts and their cost are the run's, whether they answered, failed or were superseded."""
    failing = judged_by(lambda _request, n: failure(500) if n == 1 else verdict())
    first = FakedRun(messages=failing)
    play(first, talk())
    log = ConversationLog(first.recorder.events)
    assert log.attempts.count == 3
    history = History(logs={ID: log}, superseded=(log,))
    assert (history.attempts(), history.spent_usd()) == (6, Decimal("0.04"))
    # What was asked for nothing counts at its worst.
    cut = judged_by(lambda _request, n: Failure(kind="connection", message="cut") if n == 1 else verdict())
    second = FakedRun(messages=cut)
    play(second, talk())
    lost = History(logs={ID: ConversationLog(second.recorder.events)})
    assert (lost.attempts(), lost.spent_usd()) == (3, Decimal("0.04"))


@dataclass(frozen=True)
class NotingPrices(FlatPrices):
    """Flat prices that remember what their bounds were asked for."""

    asked: list[tuple[str, int]] = field(default_factory=list)

    def worst(self, step: Send, exchanges: Sequence[Exchange]) -> Decimal | None:
        self.asked.append((step.request.model, len(exchanges)))
        return super().worst(step, exchanges)


def test_the_bound_of_a_judges_cost_does_not_rest_on_the_conversation() -> None:
    """What the API counted of the conversation says nothing about a prompt that does not continue it."""
    prices = NotingPrices()
    play(FakedRun(messages=judged_by(), prices=prices), talk(user("Hello"), user("Go on", POLITE)))
    assert prices.asked == [(PLAYED, 0), (PLAYED, 1), (JUDGE, 0)]


def test_a_passing_fault_of_a_judge_is_retried() -> None:
    """An overloaded judge is asked again, and its attempts are told."""
    run = FakedRun(messages=judged_by(lambda _r, n: failure(529) if n < 3 else verdict()))
    transcript = play(run, talk())
    assert [exchange.attempts for exchange in transcript.judge_exchanges] == [3]
    assert transcript.outcome is Outcome.PASSED


def test_a_judge_that_cannot_be_asked_leaves_an_error() -> None:
    """The failure is in the message; the reply itself is kept."""
    transcript = play(FakedRun(messages=judged_by(lambda _r, _n: failure(400))), talk())
    (check,) = transcript.turns[0].checks
    assert check.status == "errored"
    assert check.message == "no verdict: the judge could not be asked: 400 from the test"
    assert transcript.outcome is Outcome.ERRORED
    assert transcript.turns[0].text == "ok"


def test_another_judge_than_the_one_asked_for_is_no_verdict() -> None:
    """Its answer is paid for and kept, and both names are said; a name that is allowed is the same judge."""
    messages = FakeMessages(answer=lambda r, _n: message() if r.model == PLAYED else verdict())
    run = FakedRun(messages=messages)
    (check,) = play(run, talk()).turns[0].checks
    assert check.status == "errored"
    assert f"{JUDGE} was asked for, and '{PLAYED}' answered" in check.message
    allowed = ServedNames(allowed={JUDGE: frozenset({PLAYED})})
    (check,) = play(FakedRun(messages=messages), replace(talk(), served=allowed)).turns[0].checks
    assert check.status == "passed"


def test_the_others_decide_where_one_judge_of_three_cannot_be_asked() -> None:
    """Two of three who say the same are most of those asked."""
    messages = judged_by(lambda request, _n: failure(400) if request.model == "b" else verdict("fail"))
    transcript = play(FakedRun(messages=messages), talk(judge=("a", "b", "c")))
    assert transcript.outcome is Outcome.FAILED
    assert [exchange.reply.model for exchange in transcript.judge_exchanges] == ["a", "c"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (message("pass"), "the judge's answer is not a JSON object of `reason` and `verdict`"),
        (verdict("maybe"), "the judge's verdict is none of pass, fail"),
        (
            message('{"reason": "hm", "verdict": "fail", "verdict": "pass"}'),
            "the judge's answer is not a JSON object of `reason` and `verdict`",
        ),
        (verdict(stop_reason="max_tokens"), "the judge's answer ended with 'max_tokens'"),
        (verdict(stop_reason="refusal"), "the judge's answer ended with 'refusal'"),
    ],
)
def test_an_answer_that_does_not_parse_is_errored(answer: dict[str, Any], reason: str) -> None:
    """It is paid for and kept, and it is not a verdict."""
    transcript = play(FakedRun(messages=judged_by(lambda _r, _n: answer)), talk())
    (check,) = transcript.turns[0].checks
    assert (check.status, check.message) == ("errored", f"no verdict: {reason}")
    assert len(transcript.judge_exchanges) == 1


def test_without_a_model_the_error_says_how_to_name_one() -> None:
    """Nothing is sent to nobody."""
    run = FakedRun(messages=judged_by())
    transcript = play(run, talk(judge=()))
    assert transcript.turns[0].checks[0].message == f"no verdict: {NO_JUDGE}"
    assert transcript.outcome is Outcome.ERRORED
    assert asked_of(run.messages) == []


def test_an_answered_judge_is_not_asked_again_on_resume() -> None:
    """Of two questions the answered one comes from the journal, and the script is not played on."""
    script = talk(user("Hello", POLITE), user("Go on", POLITE))
    whole = FakedRun(messages=judged_by(lambda _r, n: verdict(reason=f"reason {n}")))
    play(whole, script)
    events = whole.recorder.events
    cut = [index for index, event in enumerate(events) if isinstance(event, Replied)][2]
    second = FakedRun(messages=judged_by(lambda _r, _n: verdict(reason="late")))
    transcript = play(second, script, earlier=events[: cut + 1])
    assert second.messages is not None
    assert [request.model for request in second.messages.requests] == [JUDGE]
    assert [turn.checks[0].message for turn in transcript.turns] == [
        "the judge says pass: reason 1",
        "the judge says pass: late",
    ]
    assert [turn.text for turn in transcript.turns] == ["ok", "ok"]


UNUSABLE = (
    message("pass"),
    message('{"reason": "hm", "verdict": "fail", "verdict": "pass"}'),
    verdict("maybe"),
    verdict(stop_reason="max_tokens"),
    verdict(stop_reason="refusal"),
)


@pytest.mark.parametrize("answer", UNUSABLE)
def test_an_answer_that_cannot_be_used_is_asked_for_again_when_that_is_wanted(answer: dict[str, Any]) -> None:
    """Once for each time that it is wanted, as an attempt like any other; and never without that."""
    first = FakedRun(messages=judged_by(lambda _r, _n: answer))
    assert play(first, talk()).outcome is Outcome.ERRORED
    plain = FakedRun(messages=judged_by())
    assert play(plain, talk(), earlier=first.recorder.events).outcome is Outcome.ERRORED
    assert plain.messages is not None
    assert plain.messages.requests == []

    # Still of no use: it is not asked a third time in the same run, be the question put twice.
    twice = talk(user("Hello", POLITE, POLITE))
    second = FakedRun(messages=judged_by(lambda _r, _n: answer), ask_again=True)
    assert play(second, twice, earlier=first.recorder.events).outcome is Outcome.ERRORED
    assert len(asked_of(second.messages)) == 1
    events = [*first.recorder.events, *second.recorder.events]

    third = FakedRun(messages=judged_by(lambda _r, _n: verdict(reason="at last")), ask_again=True)
    transcript = play(third, talk(), earlier=events)
    assert [type(event).__name__ for event in third.recorder.events] == [
        "SetAside",
        "Attempted",
        "Replied",
        "Ended",
    ]
    assert [event.n for event in third.recorder.events if isinstance(event, Attempted)] == [3]
    assert transcript.outcome is Outcome.PASSED
    assert transcript.turns[0].checks[0].message == "the judge says pass: at last"

    # All three were paid for, and only the last one is found again: by a resume, and by a replay.
    assert [exchange.attempts for exchange in transcript.judge_exchanges] == [1, 1, 1]
    assert transcript.judge_cost_usd == Decimal("0.03")
    whole = ConversationLog([*events, *third.recorder.events])
    assert whole.attempts.spent_usd == Decimal("0.04")
    again = FakedRun(messages=None, recording=Recording([History(logs={ID: whole})]))
    assert play(again, talk()).outcome is Outcome.PASSED
    done = FakedRun(messages=judged_by(), ask_again=True)
    assert play(done, talk(), earlier=[*events, *third.recorder.events]).outcome is Outcome.PASSED
    assert done.messages is not None
    assert done.messages.requests == []


def test_another_judge_than_the_one_asked_for_is_asked_again() -> None:
    """Its answer may fit the schema, and is no verdict all the same."""
    other = FakeMessages(answer=lambda r, _n: message() if r.model == PLAYED else verdict())
    first = FakedRun(messages=other)
    play(first, talk())
    second = FakedRun(messages=judged_by(), ask_again=True)
    assert play(second, talk(), earlier=first.recorder.events).outcome is Outcome.PASSED
    assert len(asked_of(second.messages)) == 1


def test_judges_who_do_not_agree_are_not_asked_until_they_do() -> None:
    """Their answers can be used: they are a result, and nobody goes on asking until another one comes."""
    split = judged_by(lambda request, _n: verdict("fail" if request.model == "a" else "pass"))
    first = FakedRun(messages=split)
    script = talk(judge=("a", "b"))
    assert play(first, script).outcome is Outcome.ERRORED
    second = FakedRun(messages=judged_by(), ask_again=True)
    assert play(second, script, earlier=first.recorder.events).outcome is Outcome.ERRORED
    assert second.messages is not None
    assert second.messages.requests == []


def test_what_was_set_aside_is_not_taken_from_a_recording() -> None:
    """A run that reuses an answer that cannot be used can still ask for another one."""
    first = FakedRun(messages=judged_by(lambda _r, _n: message("pass")))
    play(first, talk())
    recording = Recording([History(logs={ID: ConversationLog(first.recorder.events)})])
    reusing = FakedRun(messages=judged_by(), recording=recording)
    assert play(reusing, talk()).outcome is Outcome.ERRORED
    again = FakedRun(messages=judged_by(), recording=recording, ask_again=True)
    assert play(again, talk(), earlier=reusing.recorder.events).outcome is Outcome.PASSED
    assert len(asked_of(again.messages)) == 1
    # Where nothing may be sent, the answer stays.
    offline = FakedRun(messages=None, recording=recording, ask_again=True)
    assert play(offline, talk(), earlier=reusing.recorder.events).outcome is Outcome.ERRORED
    assert [type(event).__name__ for event in offline.recorder.events] == ["Ended"]


def test_a_reason_is_cut_as_the_message_of_an_own_check_is() -> None:
    """A judge who writes a book does not fill every report; the whole answer stays in the transcript."""
    transcript = play(FakedRun(messages=judged_by(lambda _r, _n: verdict(reason="x" * 5_000))), talk())
    (check,) = transcript.turns[0].checks
    assert len(check.message) == len("the judge says pass: ") + 1_000
    assert "x" * 5_000 in transcript.judge_exchanges[0].reply.text


def test_a_judge_in_the_middle_of_a_journal_is_no_part_of_the_history() -> None:
    """A script that goes on after a judge's answer sends what it would have sent without it."""
    script = talk(user("Hello", POLITE), user("Go on"))
    whole = FakedRun(messages=judged_by())
    play(whole, script)
    assert whole.messages is not None
    history = whole.messages.requests[1].body
    events = whole.recorder.events
    judge_key = next(event.key for event in events if isinstance(event, Asked) and event.judge)
    first = events[1]
    assert isinstance(first, Asked)
    kept = [
        e for e in events if isinstance(e, Asked | Attempted | Replied) and e.key in {first.key, judge_key}
    ]
    run = FakedRun(messages=judged_by())
    transcript = play(run, script, earlier=[events[0], *kept])
    assert run.messages is not None
    assert [request.body for request in run.messages.requests] == [history]
    assert [len(turn.exchanges) for turn in transcript.turns] == [1, 1]
    assert len(transcript.judge_exchanges) == 1


def test_a_judge_is_replayed_from_a_recording() -> None:
    """Nothing is sent, nothing is paid again, and the verdict is the recorded one."""
    recorded = FakedRun(messages=judged_by(lambda _r, _n: verdict("fail", "rude")))
    play(recorded, talk())
    recording = Recording([History(logs={ID: ConversationLog(recorded.recorder.events)})])
    run = FakedRun(messages=None, recording=recording)
    transcript = play(run, talk())
    assert transcript.turns[0].checks[0].message == "the judge says fail: rude"
    assert transcript.replayed
    assert transcript.judge_exchanges[0].replayed
    assert run.budget.spent_usd == 0


def test_a_question_that_was_not_recorded_is_errored_in_replay() -> None:
    """Another criterion is another question: an old answer never stands in for it."""
    recorded = FakedRun(messages=judged_by())
    play(recorded, talk())
    recording = Recording([History(logs={ID: ConversationLog(recorded.recorder.events)})])
    transcript = play(
        FakedRun(messages=None, recording=recording), talk(user("Hello", ("judge", "It is short.")))
    )
    (check,) = transcript.turns[0].checks
    assert check.status == "errored"
    assert check.message == "no verdict: the judge could not be asked: this question to it was not recorded"


def test_a_conversation_is_judged_as_a_whole() -> None:
    """All that was said stands before its last reply."""
    run = FakedRun(messages=judged_by())
    transcript = play(run, talk(user("Hello"), user("Go on"), expect=(judge("It is polite."),)))
    (request,) = asked_of(run.messages)
    assert data_of(request) == {
        "conversation": [
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "ok"},
            {"role": "user", "content": "Go on"},
        ],
        "reply": "ok",
    }
    assert transcript.checks[0].status == "passed"


def test_a_system_turn_stands_where_it_was_sent() -> None:
    """It steers the reply that is judged, so the judge reads it, also at the end of a script."""
    run = FakedRun(messages=judged_by())
    steer = SystemTurn(content=text("Be brief."), position=HERE)
    script = (user("Hello", POLITE), steer, user("Go on"), steer)
    transcript = play(run, talk(*script, expect=(judge("It is brief."),)))
    first, whole = map(data_of, asked_of(run.messages))
    opening = [{"role": "user", "content": "Hello"}, {"role": "system", "content": "Be brief."}]
    assert first == {"conversation": opening, "reply": "ok"}
    assert whole["conversation"] == [
        *opening,
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": "Go on"},
        {"role": "system", "content": "Be brief."},
    ]
    assert whole["reply"] == "ok"
    assert transcript.outcome is Outcome.PASSED


def test_images_are_left_out_of_what_a_judge_reads() -> None:
    """Text blocks stay; the data of a picture would cost more than all the rest."""
    picture = JsonBlock(value={"type": "image", "source": {"type": "base64", "data": "iVBO"}})
    blocks: tuple[Block, ...] = (TextBlock(text=text("Look")), picture)
    turn = UserTurn(content=blocks, expect=(judge("It is polite."),), position=HERE)
    run = FakedRun(messages=judged_by())
    play(run, talk(turn))
    (request,) = asked_of(run.messages)
    assert data_of(request)["conversation"][0]["content"] == [
        {"type": "text", "text": "Look"},
        {"type": "image", "left_out": True},
    ]


@pytest.mark.parametrize(("word", "outcome"), [("pass", Outcome.FAILED), ("fail", Outcome.PASSED)])
def test_judges_inside_wrappers_are_asked(word: str, outcome: Outcome) -> None:
    """`not` turns the verdict round; `any_of` asks every judge inside it."""
    run = FakedRun(messages=judged_by(lambda _r, _n: verdict(word)))
    choice = nested("any_of", judge("It is rude."), judge("It is late."))
    turn = UserTurn(content=text("Hello"), expect=(nested("not", choice),), position=HERE)
    transcript = play(run, talk(turn))
    assert len(asked_of(run.messages)) == 2
    assert transcript.outcome is outcome


def test_a_pairwise_question_is_asked_in_both_orders() -> None:
    """The accepted reply of that turn stands beside the new one, in either place."""
    run = FakedRun(
        messages=judged_by(lambda _r, n: verdict("first" if n == 1 else "second")),
        accepted=lambda _conversation, turn: f"accepted {turn}",
    )
    script = (user("Hello"), user("Go on", ("judge", {"at_least_as_good_as": "baseline"})))
    transcript = play(run, talk(*script))
    straight, swapped = map(data_of, asked_of(run.messages))
    assert (straight["first"], straight["second"]) == ("ok", "accepted 1")
    assert (swapped["first"], swapped["second"]) == ("accepted 1", "ok")
    assert transcript.outcome is Outcome.PASSED


def test_a_judge_that_prefers_a_place_is_errored() -> None:
    """`first` both times is not a verdict."""
    run = FakedRun(messages=judged_by(lambda _r, _n: verdict("first")), accepted=lambda _c, _t: "accepted")
    transcript = play(run, talk(user("Hello", ("judge", {"at_least_as_good_as": "baseline"}))))
    assert transcript.outcome is Outcome.ERRORED
    assert "contradicts itself" in transcript.turns[0].checks[0].message


def test_a_pairwise_question_without_a_baseline_asks_nobody() -> None:
    """The error says which command writes one."""
    run = FakedRun(messages=judged_by())
    transcript = play(run, talk(user("Hello", ("judge", {"at_least_as_good_as": "baseline"}))))
    assert transcript.turns[0].checks[0].message == f"no verdict: {NO_BASELINE}"
    assert asked_of(run.messages) == []


def test_a_criterion_is_filled_in_once_with_variables_and_saved_text() -> None:
    """Braces in what a model said are data; one that cannot be filled in, or is empty, asks nobody."""
    run = FakedRun(messages=judged_by())
    script = (
        user("Hello", save={"word": "(ok)"}),
        user(
            "Go on",
            ("judge", "{{ item }} and {{ saved.word }}"),
            ("judge", "{{ lost }}"),
            ("judge", "{{ no }}"),
        ),
    )
    transcript = play(run, talk(*script, vars={"item": "{{ 7 * 7 }}", "no": ""}))
    (request,) = asked_of(run.messages)
    body: Any = request.body
    assert body["messages"][0]["content"][0]["text"] == 'Criterion: "{{ 7 * 7 }} and ok"'
    assert [check.status for check in transcript.turns[1].checks] == ["passed", "errored", "errored"]


def test_a_conversation_that_could_not_be_played_is_not_judged() -> None:
    """Nobody pays for a judge of half a conversation."""
    messages = FakeMessages(answer=lambda _request, n: message() if n == 1 else failure(400))
    transcript = play(FakedRun(messages=messages), talk(user("Hello", POLITE), user("Go on", POLITE)))
    assert len(messages.requests) == 2
    assert transcript.outcome is Outcome.ERRORED
