"""The use case of `chat`: one conversation that grows message by message, and is sent as a run sends it.

What is kept is only what the API can be sent again: a turn counts once its reply is whole and is an answer.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from claude_run.checks.conditions import ScriptRenderer
from claude_run.conversation.content import named_files
from claude_run.conversation.events import SetAside
from claude_run.conversation.log import ConversationLog
from claude_run.conversation.script import generated_turns
from claude_run.conversation.steps import Finish, Send, Steps, role_of
from claude_run.conversation.usage import total
from claude_run.errors import ExitCode, InputError, StorageError
from claude_run.play.budget import Budget
from claude_run.play.pace import RunPace
from claude_run.play.pacing import AdaptivePacing
from claude_run.play.ports import Deadlines, Progress, ReplyWatcher, RequestFailedError
from claude_run.play.prefixes import Prefixes
from claude_run.play.retry import RetryPolicy
from claude_run.play.sender import JournalledLog, Sender
from claude_run.play.stop import HaltedError, StopSignal
from claude_run.record.disk import replace_file
from claude_run.scenario.model import Position, Text, UserTurn
from claude_run.scenario.template import RenderError
from claude_run.scenario.template_language import literal
from claude_run.scenario.yaml_reader import MAX_BYTES
from claude_run.session.chat_file import scenario_text
from claude_run.session.connect import connect
from claude_run.session.open_files import exhaustion_said_once
from claude_run.session.world import ListPrices

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from claude_run.conversation.events import Event
    from claude_run.conversation.exchange import Exchange, SentMessage
    from claude_run.conversation.usage import Usage
    from claude_run.play.ports import Messages
    from claude_run.scenario.model import Turn
    from claude_run.session.prepare_chat import PreparedChat
    from claude_run.session.world import World

_HERE = Position(path="chat", line=1, column=1)
_NEXT = UserTurn(content=Text(source="", position=_HERE), position=_HERE)
"""What will be said next: only with it does a turn before it have to be one that can be gone on from."""


class Watcher(Progress, ReplyWatcher, Protocol):
    """Somebody who watches a conversation grow."""

    def asked(self, sent: Sequence[SentMessage], files: Mapping[str, str]) -> None:
        """Note what is sent for a turn of the scenario, and what its files are called, before it is sent."""

    def replied(self, exchange: Exchange) -> None:
        """Note that a reply is whole; a turn may have several, where tools are called."""


class Ending(StrEnum):
    """What became of a turn."""

    ANSWERED = "answered"
    NOT_KEPT = "not kept"  # a whole reply, from which the conversation cannot go on
    UNANSWERED = "unanswered"  # no whole reply
    CAPPED = "capped"  # nothing more may be sent


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnResult:
    """How a turn ended, and why it was not kept where it was not.

    One that was answered without an exchange is left out: the last reply does not fit its condition.
    """

    ending: Ending
    exchanges: tuple[Exchange, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatTotals:
    """What a conversation came to: replies that are kept or were paid for all the same, and their cost.

    `cost_usd` is None where a model has no known price; `uncertain` counts attempts that brought no whole
    reply and may have been billed, up to `uncertain_usd`.
    """

    replies: int
    usage: Usage
    cost_usd: Decimal | None
    uncertain: int
    uncertain_usd: Decimal


@asynccontextmanager
async def open_chat(
    prepared: PreparedChat, watcher: Watcher, world: World, *, warn: Callable[[str], None]
) -> AsyncIterator[Chat]:
    """Connect, to the simulator where that is wanted, and yield the conversation; errors as in a run."""
    async with AsyncExitStack() as stack:
        stack.enter_context(exhaustion_said_once(warn))
        connected = await connect(
            prepared.request,
            [prepared.conversation],
            stack,
            redactor=world.redactor,
            warn=warn,
            watcher=watcher,
        )
        yield Chat(prepared, connected.messages, watcher, world=world)


class Chat:
    """One conversation: the turns of its scenario, one after the other, and then what is said.

    Turns are played one at a time. What is kept is saved after each: `is_saved` once there is a file,
    `save_problem` is why the last turn is not in it. A turn may be cancelled: then nothing of it is kept, but
    for what it may cost.
    """

    def __init__(
        self,
        prepared: PreparedChat,
        messages: Messages | None,
        watcher: Watcher,
        *,
        world: World,
    ) -> None:
        self.log = ConversationLog()
        self.save_problem: str | None = None
        self._prepared = prepared
        self._messages = messages
        self._watcher = watcher
        self._world = world
        self._renderer = ScriptRenderer(prepared.conversation.vars, prepared.registry)
        self._script = list(_parts(prepared.conversation.turns))
        self._turns: tuple[Turn, ...] = ()
        self.is_saved = False

    @property
    def script_left(self) -> int:
        """How many turns of the scenario are still to be sent."""
        return len(self._script)

    @property
    def totals(self) -> ChatTotals:
        """What was paid so far, replies that are not kept among them."""
        paid = (*self.log.exchanges, *self.log.set_aside)
        costs = [each.cost_usd for each in paid]
        return ChatTotals(
            replies=len(paid),
            usage=total(each.reply.usage for each in paid),
            cost_usd=None if None in costs else sum((each or Decimal(0) for each in costs), Decimal(0)),
            uncertain=len(self.log.attempts.uncertain),
            uncertain_usd=self.log.attempts.uncertain_usd,
        )

    def problem_of(self, text: str) -> str | None:
        """Return why a text cannot be sent as a message; None where it can."""
        if self._world.redactor.finds(text):
            return "the credential in use stands in this message"
        if "\0" in text:
            return "the character NUL stands in this message"
        return None

    def drop_script(self) -> int:
        """Leave out what is left of the scenario's turns; return how many turns that are."""
        left = len(self._script)
        self._script.clear()
        return left

    async def play_next(self) -> TurnResult:
        """Send the next turn of the scenario; one that is not kept is still the next."""
        part = self._script[0]
        result = await self._play(part, of_scenario=True)
        if result.ending is Ending.ANSWERED:
            del self._script[0]
        return result

    async def say(self, text: str) -> TurnResult:
        """Send a message of the user, exactly this text."""
        said = UserTurn(content=Text(source=literal(text), position=_HERE), position=_HERE)
        return await self._play((said,), of_scenario=False)

    async def _play(self, part: tuple[Turn, ...], *, of_scenario: bool) -> TurnResult:
        before = len(self.log.exchanges)
        turns = (*self._turns, *part)
        try:
            ending, problem = await self._exchange(turns, of_scenario=of_scenario)
        except (RequestFailedError, RenderError) as error:
            ending, problem = Ending.UNANSWERED, str(error)
        except asyncio.CancelledError:
            self._set_aside(before, "the user stopped it")
            raise
        exchanges = tuple(self.log.exchanges[before:])
        if ending is Ending.ANSWERED:
            self._turns = turns
            self.save_problem = self._save()
        else:
            self._set_aside(before, problem or "")
        return TurnResult(
            ending=ending,
            exchanges=exchanges,
            problem=problem,
        )

    async def _exchange(self, turns: tuple[Turn, ...], *, of_scenario: bool) -> tuple[Ending, str | None]:
        """Send what the last turn needs, tools answered; return how it ended, and why not well."""
        clock, stop = self._world.clock, StopSignal()
        conversation = replace(self._prepared.conversation, turns=(*turns, _NEXT))
        steps = Steps(conversation, self._renderer)
        log, sender = JournalledLog(_KeptNowhere(), self.log), self._sender(stop)
        deadline = clock.monotonic() + sender.deadlines.conversation_s
        first = True
        while isinstance(step := steps.next(self.log.exchanges), Send) and step.turn < len(turns):
            if first and of_scenario:
                self._watcher.asked(step.sent, named_files(conversation))
            first = False
            try:
                self._watcher.replied(await sender.ask(conversation, step, log=log, deadline=deadline))
            except HaltedError as error:
                capped = stop.halt is not None and stop.halt.code is ExitCode.CAPPED
                return (Ending.CAPPED if capped else Ending.UNANSWERED), str(error)
        if isinstance(step, Finish) and step.stop is not None:
            return Ending.NOT_KEPT, step.stop.message
        return Ending.ANSWERED, None

    def _sender(self, stop: StopSignal) -> Sender:
        """Return who sends the next turn, in the way of a run: what stops one turn stops no other."""
        request, attempts = self._prepared.request, self.log.attempts
        clock, usual = self._world.clock, Deadlines()
        deadlines = Deadlines(
            attempt_s=request.attempt_s,
            conversation_s=max(usual.conversation_s, 2 * request.patience_s, 2 * request.attempt_s),
        )
        pace = RunPace(
            budget=Budget(request.max_cost, stop=stop, spent_usd=attempts.spent_usd, attempts=attempts.count),
            pacing=AdaptivePacing(ceiling=1, clock=clock, longest_reset_s=request.patience_s),
            prefixes=Prefixes(clock),
            stop=stop,
            clock=clock,
            progress=self._watcher,
            deadlines=deadlines,
            policy=RetryPolicy(patience_s=request.patience_s),
        )
        return Sender(
            messages=self._messages,
            recording=None,
            prices=ListPrices(),
            pace=pace,
            stop=stop,
            clock=clock,
            progress=self._watcher,
            deadlines=deadlines,
        )

    def _set_aside(self, before: int, reason: str) -> None:
        """Let the replies of a turn that is not kept count no longer, but for what they cost."""
        for exchange in reversed(self.log.exchanges[before:]):
            self.log.append(
                SetAside(
                    conversation_id=self._prepared.conversation.id,
                    turn=exchange.turn,
                    key=exchange.key,
                    reason=reason,
                    at=self._world.clock.now(),
                )
            )

    def _save(self) -> str | None:
        """Write what is kept as a scenario, whole or not at all; return why that failed, if it did.

        Nothing is written before there is something to keep, and never over a file that another has made.
        """
        path = self._prepared.save
        if path is None or not self.log.exchanges:
            return None
        conversation, now = self._prepared.conversation, self._world.clock.now()
        data = scenario_text(conversation, self.log.exchanges, path=path, at=now).encode()
        if len(data) > MAX_BYTES:
            return f"{path}: the talk is longer than a scenario may be; the file ends before this turn"
        try:
            if not self.is_saved:
                _create(self._world, path)
                self.is_saved = True
            replace_file(self._world.disk, path, [data])
        except StorageError as error:
            return str(error)
        return None


class _KeptNowhere:
    """A journal that keeps nothing: what a chat is to leave behind is what `--save` writes."""

    def append(self, *events: Event) -> None:
        """Take events, whose place is in the log."""

    async def written(self) -> None:
        """Return at once."""

    async def synced(self) -> None:
        """Return at once."""


def refuse_file(path: Path) -> None:
    """Raise InputError for a file that must not be overwritten, or could not be written when all is paid."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise InputError(f"--save {path}: {error.strerror or error}: name another file") from error
    else:
        raise InputError(f"--save {path}: it is there already, and chat overwrites nothing: name a new file")
    if not path.parent.is_dir():
        raise InputError(f"--save {path}: there is no folder {path.parent}; make it first")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(f"--save {path}: nothing may be written into {path.parent}")


def _create(world: World, path: Path) -> None:
    try:
        world.disk.close(world.disk.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error


def _parts(turns: Sequence[Turn]) -> Iterator[tuple[Turn, ...]]:
    """Yield the turns of a script in the parts that are sent together: each part gets one reply."""
    begin = 0
    for index in generated_turns(turns):
        end = index + 1
        # System turns follow the user turn whose reply they steer.
        while end < len(turns) and role_of(turns[end]) == "system":
            end += 1
        yield tuple(turns[begin:end])
        begin = end
