"""A process that plays whole conversations, many at a time, with the same steps as one machine does."""

from __future__ import annotations

import asyncio
import os
import platform
import secrets
import traceback
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from claude_run import __version__
from claude_run.cluster.actors import ActorLostError
from claude_run.cluster.leased import LeasedPace, RemoteRecorder, ToldProgress
from claude_run.errors import ClaudeRunError
from claude_run.play.runner import ConversationRunner, let_finish
from claude_run.play.stop import HaltedError, StopSignal
from claude_run.record.redact import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from claude_run.cluster.actors import Actor, Link
    from claude_run.cluster.pace import Message
    from claude_run.conversation.events import Event
    from claude_run.conversation.exchange import Exchange, Request
    from claude_run.conversation.log import ConversationLog
    from claude_run.conversation.script import Conversation
    from claude_run.conversation.transcript import Transcript
    from claude_run.play.ports import Clock, Pace, RecordedReplies, Recorder
    from claude_run.play.runner import PlayContext
    from claude_run.play.stop import Halt


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """Which process a player is: another one each time that it was started anew."""

    player: str
    node: str
    pid: int
    versions: Versions


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """What must be the same everywhere: what was pickled by one is read by the other."""

    claude_run: str
    python: str

    @classmethod
    def here(cls) -> Versions:
        """Return those of this process."""
        return cls(claude_run=__version__, python=".".join(platform.python_version_tuple()[:2]))

    def __str__(self) -> str:
        return f"claude-run {self.claude_run} on Python {self.python}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A conversation to be played: at a place of the plan, or, where it is none of the plan, itself.

    `earlier`, `handed_on` are as `ConversationRunner` takes them; `recorded` are its replies of earlier runs.
    """

    place: int | None
    conversation: Conversation | None = None
    earlier: ConversationLog | None = None
    handed_on: Sequence[Event] = ()
    recorded: RecordedReplies | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A conversation came to its end, which is in the journal."""

    transcript: Transcript


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """A conversation was left where it is, because the run is being stopped."""

    halt: Halt


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """Something ends the whole run: an error that is told to the user, or the traceback of a bug."""

    error: ClaudeRunError | None = None
    bug: str = ""


Answer: TypeAlias = Finished | Stopped | Broken


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayerPorts:
    """What a player has of the rest of the run."""

    pace: Pace
    recorder: Recorder
    recording: RecordedReplies
    progress: ToldProgress
    stop: StopSignal
    ask_again: bool


class Kit(Protocol):
    """What players play, and with what, on the machine that they are on."""

    @property
    def conversations(self) -> Sequence[Conversation]:
        """The plan."""

    async def connect(
        self, stack: AsyncExitStack, redactor: Redactor, say: Callable[[str], None]
    ) -> Callable[[PlayerPorts], PlayContext]:
        """Open what is needed, closed with `stack`; CredentialsError where a machine has no credentials."""


class Player:
    """The actor. A new process of it is another player: what the one before held is settled without it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._name = secrets.token_hex(8)
        self._stack = AsyncExitStack()
        self._redactor = Redactor.from_environment(os.environ)
        self._stop = StopSignal()
        self._said: list[str] = []
        self._say: Callable[[str], None] = self._said.append
        self._kit: Kit
        self._make: Callable[[PlayerPorts], PlayContext]
        self._context: PlayContext
        self._told: Link[Message]
        self._recording = HandedReplies()
        self._running: dict[asyncio.Task[None], None] = {}
        self._stopping: asyncio.Task[None] | None = None

    async def hello(self) -> Hello:
        return Hello(player=self._name, node=platform.node(), pid=os.getpid(), versions=Versions.here())

    async def set_up(self, load: Callable[[], Kit]) -> tuple[str, ...]:
        """Load what is played and connect to the API; return what the user should hear of it."""
        self._kit = load()
        self._make = await self._kit.connect(self._stack, self._redactor, self._tell)
        said, self._said = tuple(self._said), []
        return said

    def _tell(self, line: str) -> None:
        """Tell the user a line, by whatever way there is by now."""
        self._say(line)

    async def enter(self, player: str, pace: Actor, recorder: Actor, *, ask_again: bool) -> None:
        """Begin to take part in a run; ActorLostError in the process that comes after the player."""
        self._refuse_unless(player)
        journal = RemoteRecorder(recorder, self._name, self._redactor)
        leased = LeasedPace(pace, self._name, written=journal.written, stop=self._stop, clock=self._clock)
        self._told = leased.told
        progress = ToldProgress(leased.told)
        self._say = progress.say
        self._context = self._make(
            PlayerPorts(
                pace=leased,
                recorder=journal,
                recording=self._recording,
                progress=progress,
                stop=self._stop,
                ask_again=ask_again,
            )
        )
        self._stopping = asyncio.create_task(self._let_finish())

    async def play(self, player: str, task: Task) -> Answer:
        """Play a conversation from where it is; ActorLostError in the process that comes after the player."""
        self._refuse_unless(player)
        conversation = task.conversation
        if conversation is None:
            assert task.place is not None  # noqa: S101 - a task names one of the two
            conversation = self._kit.conversations[task.place]
        answer: Answer | None = None

        async def work() -> None:
            nonlocal answer
            answer = await self._play(conversation, task)

        # What is cancelled by a stop is left where it is.
        playing = asyncio.create_task(work())
        self._running[playing] = None
        try:
            await asyncio.wait({playing})
        finally:
            del self._running[playing]
        return answer or Stopped(halt=await self._stop.requested())

    def _refuse_unless(self, player: str) -> None:
        if player != self._name:
            raise ActorLostError(f"{player} is gone")

    async def _play(self, conversation: Conversation, task: Task) -> Answer | None:
        if task.recorded is not None:
            self._recording.add(conversation.id, task.recorded)
        runner = ConversationRunner(self._context, conversation, task.earlier, task.handed_on)
        try:
            self._stop.check()
            return Finished(transcript=await runner.play())
        except HaltedError:
            return None
        except ClaudeRunError as error:
            return Broken(error=error)
        except Exception:  # noqa: BLE001 - it is raised by the driver, which tells bugs from errors
            return Broken(bug=traceback.format_exc())
        finally:
            self._recording.drop(conversation.id)

    async def tell(self) -> None:
        """Return when the pace knows all that was said so far."""
        await self._told.delivered()

    async def stop(self, halt: Halt, *, by_user: bool) -> None:
        """Send nothing more, and let what is under way finish within the grace of the stop."""
        if by_user:
            self._stop.interrupt(halt)
        else:
            self._stop.request(halt)

    async def stop_now(self) -> None:
        """Wait for nothing that is under way."""
        self._stop.request_now()

    async def leave(self) -> None:
        """Drop what is under way, and end what this process has started."""
        for playing in self._running:
            playing.cancel()
        await self._stack.aclose()

    async def _let_finish(self) -> None:
        halt = await self._stop.requested()
        waiting = self._context.sender.waiting
        await let_finish(set(self._running), halt, waiting=waiting, stop=self._stop, clock=self._clock)


class HandedReplies:
    """What is recorded of the conversations that are being played; satisfies `play.ports.RecordedReplies`.

    Where a run has no recording none is ever added.
    """

    def __init__(self) -> None:
        self._parts: dict[str, RecordedReplies] = {}

    def add(self, conversation_id: str, recorded: RecordedReplies) -> None:
        """Take in what is recorded of a conversation."""
        self._parts[conversation_id] = recorded

    def drop(self, conversation_id: str) -> None:
        """Forget it again."""
        self._parts.pop(conversation_id, None)

    def find(self, key: str) -> Exchange | None:
        return next((found for part in self._parts.values() if (found := part.find(key))), None)

    def explain(self, request: Request, conversation_id: str) -> str:
        return self._parts[conversation_id].explain(request, conversation_id)

    def has(self, conversation_id: str) -> bool:
        return conversation_id in self._parts and self._parts[conversation_id].has(conversation_id)
