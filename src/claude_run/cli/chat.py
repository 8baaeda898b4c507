"""`chat`: a message, a streamed reply, what it cost, and again, until its user ends it."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from claude_run.cli.line_editor import message_source
from claude_run.cli.output import print_error, print_next, print_part
from claude_run.errors import ExitCode
from claude_run.process import CODES
from claude_run.report.chat import ChatView, total_line, turn_line, uncertain_words
from claude_run.session.chat import Ending, open_chat
from claude_run.session.next_command import play_line
from claude_run.session.prepare_chat import prepare_chat, problem_of_saved
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from claude_run.cli.line_editor import MessageSource
    from claude_run.process import Signals
    from claude_run.session.chat import Chat, ChatTotals, TurnResult
    from claude_run.session.prepare_chat import PreparedChat
    from claude_run.session.request import ChatRequest, RunRequest
    from claude_run.session.world import World

_LAST_WORDS = frozenset({"quit", "exit"})
_CODES = {
    Ending.ANSWERED: ExitCode.PASSED,
    Ending.NOT_KEPT: ExitCode.NOT_MEASURED,
    Ending.UNANSWERED: ExitCode.NOT_MEASURED,
    Ending.CAPPED: ExitCode.CAPPED,
}
_OTHERS_NAMED = 3


def chat(asked: ChatRequest, request: RunRequest, world: World, *, quiet: bool) -> int:
    """Talk until the user ends it, and return the exit code."""
    prepared = prepare_chat(request, asked, today=world.today)
    view = ChatView(
        write=print_part, tell=print_error, quiet=quiet, shows_thinking=sys.stderr.isatty() and not quiet
    )
    if not quiet:
        print_error(*prepared.warnings)
    return asyncio.run(_run(prepared, view, world))


async def _run(prepared: PreparedChat, view: ChatView, world: World) -> int:
    async with open_chat(prepared, view, world, warn=print_error) as talk:
        # Only now, for connecting takes a moment, somebody is told that something can be said.
        source = message_source(world.signals)
        if not view.quiet:
            print_error(*_opening(prepared, source))
        loop = _Loop(talk, source, view)
        with _handed_to(loop, world.signals):
            code = await loop.run()
        # Whatever ended it, what it came to is said.
        _print_end(talk, prepared, world)
    unsaved = talk.save_problem is not None and code is ExitCode.PASSED
    return int(ExitCode.NOT_MEASURED if unsaved else code)


class _Loop:
    """The talk itself: the turns of a scenario, then messages. A signal stops a reply, or ends it all.

    `code` is how it ends as far as it got. Somebody who sits before it may try again whatever went wrong;
    what a pipe says further on was written for an answer that did not come.
    """

    def __init__(self, talk: Chat, source: MessageSource, view: ChatView) -> None:
        self.code = ExitCode.PASSED
        self._talk = talk
        self._source = source
        self._view = view
        self._whole: asyncio.Task[ExitCode] | None = None
        self._reply: asyncio.Task[TurnResult] | None = None
        self._ended_by: signal.Signals | None = None

    async def run(self) -> ExitCode:
        """Talk, and return how it ended."""
        self._whole = asyncio.create_task(self._talk_on())
        try:
            return await self._whole
        except asyncio.CancelledError:
            if self._ended_by is None:
                raise
            return CODES[self._ended_by]

    def take(self, number: signal.Signals, signals: Signals) -> None:
        """Stop the reply that somebody does not want to hear out, or else all of it."""
        if number is signal.SIGINT and self._reply is not None and self._source.is_person:
            self._reply.cancel()
            return
        signals.note(number)
        self._ended_by = self._ended_by or number
        if self._whole is not None:
            self._whole.cancel()

    async def _talk_on(self) -> ExitCode:
        kept = ""
        await self._play_script()
        while self._goes_on:
            if self._talk.script_left:
                turns = count(self._talk.script_left, "turn")
                print_error(f"{turns} of the scenario left: Enter sends the next; a message leaves them out")
            try:
                text = await self._source.read(kept)
            except KeyboardInterrupt:
                return ExitCode.INTERRUPTED
            if text is None or text.strip().lower() in _LAST_WORDS:
                break
            kept = await self._take_message(text)
        return self.code

    @property
    def _goes_on(self) -> bool:
        return self.code is not ExitCode.CAPPED and (self._source.is_person or self.code is ExitCode.PASSED)

    async def _play_script(self) -> None:
        """Send the turns of the scenario that are left, until one of them is not answered."""
        while self._talk.script_left and await self._turn(self._talk.play_next()):
            pass

    async def _take_message(self, text: str) -> str:
        """Send what was typed; return it where it is to be sent again, as it is or changed."""
        if not text.strip():
            await self._play_script()
            return ""
        if problem := self._talk.problem_of(text):
            print_error(f"error: {problem}: it was not sent")
            self.code = ExitCode.NOT_MEASURED
            return ""
        if dropped := self._talk.drop_script():
            print_error(f"{count(dropped, 'turn')} of the scenario left out")
        answered = await self._turn(self._talk.say(text))
        return "" if answered or self.code is ExitCode.PASSED else text

    async def _turn(self, playing: Coroutine[None, None, TurnResult]) -> bool:
        """Play a turn and say how it ended; return whether it was answered."""
        before = self._talk.totals
        self._reply = asyncio.create_task(playing)
        try:
            result = await self._reply
        except asyncio.CancelledError:
            ended_line = self._view.give_up()
            if self._ended_by is not None:
                raise
            if not ended_line:
                print_error("")  # the terminal has just shown `^C`
            cost = self._lost_since(before) or "nothing was sent that could be billed"
            print_error(f"stopped: neither message nor reply is kept; {cost}")
            self.code = ExitCode.PASSED
            return False
        finally:
            self._reply = None
        self._view.give_up()
        self._tell(result, before)
        return result.ending is Ending.ANSWERED

    def _tell(self, result: TurnResult, before: ChatTotals) -> None:
        self.code = _CODES[result.ending]
        if result.problem is not None:
            print_error(f"error: {result.problem}")
        if lost := self._lost_since(before):
            print_error(lost)
        if result.ending is Ending.NOT_KEPT:
            print_error("neither message nor reply is kept: change the message, or say something else")
        elif result.ending is Ending.UNANSWERED and self._source.is_person:
            print_error("there is no reply: the message can be sent again")
        if result.ending is Ending.ANSWERED and not result.exchanges:
            print_error("a turn of the scenario is left out: the last reply does not fit its `if`")
        if result.exchanges and not self._view.quiet:
            totals = self._talk.totals
            print_error(turn_line(result.exchanges, usage=totals.usage, cost_usd=totals.cost_usd))
        if self._talk.save_problem is not None:
            print_error(f"warning: not saved: {self._talk.save_problem}")

    def _lost_since(self, before: ChatTotals) -> str:
        """Return what may have been billed for nothing since then; empty for nothing."""
        now = self._talk.totals
        lost = now.uncertain - before.uncertain
        return uncertain_words(lost, now.uncertain_usd - before.uncertain_usd) if lost else ""


@contextmanager
def _handed_to(loop: _Loop, signals: Signals) -> Iterator[None]:
    """Let the talk take the signals while the block runs."""
    events = asyncio.get_running_loop()
    with signals.handed_to(lambda number: events.call_soon_threadsafe(loop.take, number, signals)):
        yield


def _opening(prepared: PreparedChat, source: MessageSource) -> Iterator[str]:
    """Yield what somebody should know before the first message."""
    conversation = prepared.conversation
    if prepared.others:
        named = [*prepared.others[:_OTHERS_NAMED], *(["..."] if prepared.others[_OTHERS_NAMED:] else [])]
        yield f"{conversation.id} is taken; -k chooses another one: {', '.join(named)}"
    if source.is_person:
        simulated = ", simulated: every reply is made up" if prepared.request.simulate else ""
        yield (
            f"{conversation.model}{simulated}; quit or Ctrl-D ends it, Ctrl-C stops a reply, Alt-Enter"
            " begins a new line"
        )


def _print_end(talk: Chat, prepared: PreparedChat, world: World) -> None:
    """Say what it came to, and where it is kept."""
    totals, path = talk.totals, prepared.save
    if totals.replies:
        simulated = prepared.request.simulate
        line = total_line(totals.replies, usage=totals.usage, cost_usd=totals.cost_usd, simulated=simulated)
        print_error(line)
    if totals.uncertain:
        print_error(uncertain_words(totals.uncertain, totals.uncertain_usd))
    if path is None:
        return
    if not talk.is_saved:
        print_error(f"{path} was not written: " + (talk.save_problem or "no message was answered"))
        return
    print_error(f"saved {path}")
    if problem := problem_of_saved(path, today=world.today):
        print_error(f"warning: {path} has to be mended before it can be played: {problem}")
    print_next(play_line([str(path)], "--simulate"))
