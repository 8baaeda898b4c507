"""Playing in a thread of its own, so that whoever calls may be anywhere: in a thread, or in an event loop."""

from __future__ import annotations

import asyncio
import signal
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from claude_run.process import Signals

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

T = TypeVar("T")


class Interrupts(Signals):
    """Ctrl-C as the thread hears of it that waits: the player takes it, and nobody else.

    No handler is set, nothing is said, and the process does not end, for it is the caller's.
    """

    def __init__(self) -> None:
        super().__init__()
        self._take = self.note

    def tell(self, number: signal.Signals) -> None:
        """Hand a signal on that another thread has heard."""
        self._take(number)

    @contextmanager
    def handed_to(self, take: Callable[[signal.Signals], object]) -> Iterator[None]:
        self._take = take
        # One that came before there was a player.
        if self.first is not None:
            take(self.first)
        try:
            yield
        finally:
            self._take = self.note


class RunInterrupt(KeyboardInterrupt):
    """Ctrl-C, and the `run` that it has ended in good order."""

    def __init__(self, run: Any) -> None:  # noqa: ANN401 - whatever was played
        super().__init__()
        self.run = run


def in_a_thread(play: Callable[[], Coroutine[Any, Any, T]], interrupts: Interrupts) -> T:
    """Return what is played in a thread with an event loop of its own, or raise what it raises.

    RunInterrupt, a KeyboardInterrupt, is raised once the player has ended in good order.
    """
    done: Future[T] = Future()

    def work() -> None:
        try:
            done.set_result(asyncio.run(play()))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            done.set_exception(error)

    thread = threading.Thread(target=work, name="claude-run")
    thread.start()
    while not done.done():
        try:
            done.exception()
        except KeyboardInterrupt:
            interrupts.tell(signal.SIGINT)
    thread.join()
    if interrupts.first is not None:
        raise KeyboardInterrupt if done.exception() else RunInterrupt(done.result())
    return done.result()
