"""Replies of earlier runs, found again by the key of their request: for replay, reuse and resume."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claude_run.errors import InputError
from claude_run.record.disk import LocalDisk
from claude_run.record.folder import RunFolder
from claude_run.record.history import read_history
from claude_run.record.journal import refuse_if_held
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from claude_run.conversation.exchange import Exchange, Request
    from claude_run.conversation.identity import Identity
    from claude_run.conversation.log import ConversationLog
    from claude_run.record.history import History
    from claude_run.scenario.json_values import Json

_EXCERPT = 60
_LEAD = 20


class Recording:
    """The replies of one or more journals; satisfies `play.ports.Recording`."""

    def __init__(self, histories: Iterable[History]) -> None:
        self._replies: dict[str, Exchange] = {}
        self._conversations: dict[str, ConversationLog] = {}
        self._logs: list[ConversationLog] = []
        self._of_parts: dict[tuple[Json, ...], list[ConversationLog]] = {}
        for history in histories:
            self.add(history)

    def add(self, history: History) -> None:
        """Take the replies of one more journal in."""
        for log in history.all_logs:
            self._replies.update((exchange.key, exchange) for exchange in log.replies)
        self._logs += history.all_logs
        self._of_parts.clear()
        self._conversations.update(history.logs)

    def of(self, identity: Identity) -> Recording:
        """Return what is recorded of one conversation: all that its requests may be answered with."""
        if not self._of_parts:
            for log in self._logs:
                assert log.started is not None  # noqa: S101 - no log in a journal begins otherwise
                self._of_parts.setdefault(tuple(log.started.identity.key_parts), []).append(log)
        part = Recording(())
        for log in self._of_parts.get(tuple(identity.key_parts), ()):
            part._replies.update((exchange.key, exchange) for exchange in log.replies)
        if (known := self._conversations.get(identity.id)) is not None:
            part._conversations[identity.id] = known
        return part

    @classmethod
    def open(cls, path: Path) -> Recording:
        """Read a run folder or a journal file, as `history_of` does."""
        return cls([cls.history_of(path)])

    @classmethod
    def line_of(cls, path: Path, told: Callable[[str], None]) -> Sequence[History]:
        """Return the history of a run, as `history_of` does, behind those that it took replies over from.

        The oldest comes first, so that the newest reply counts. `told` hears how many there are, and which
        of them is not there any more, where the line ends.
        """
        line, seen = [cls.history_of(path)], {path.resolve()}
        told(f"taking replies from {path}")
        while (earlier := _reused_by(path)) is not None and earlier.resolve() not in seen:
            if not earlier.exists():
                told(
                    f"warning: {path} took replies over from {earlier}, which is not there any more: what"
                    " only that has told is asked for again"
                )
                break
            seen.add(earlier.resolve())
            line.append(cls.history_of(earlier))
            path = earlier
        if len(line) > 1:
            told(f"and from {count(len(line) - 1, 'run')} that it took replies over from")
        return line[::-1]

    @staticmethod
    def history_of(path: Path) -> History:
        """Return what the journal of a run folder, or a journal file, tells.

        InputError where there is none, and while the run is still going on: more replies are to come.
        """
        folder = RunFolder(path if path.is_dir() else path.parent)
        journal = folder.journal if path.is_dir() else path
        refuse_if_held(journal, LocalDisk())
        # With the rest of its run beside it, it must be what that says; alone it can only be whole.
        if folder.run_json.exists() and path in {folder.path, folder.journal}:
            return folder.read_history()
        if not journal.is_file():
            raise InputError(f"{path} holds no recording: name a run folder, or its journal.jsonl")
        return read_history(journal)

    def find(self, key: str) -> Exchange | None:
        """Return the recorded reply to the request with this key."""
        return self._replies.get(key)

    def has(self, conversation_id: str) -> bool:
        """Return whether the conversation was recorded at all."""
        return conversation_id in self._conversations

    def explain(self, request: Request, conversation_id: str) -> str:
        """Say why a request has no recorded reply: the first part in which the nearest one differs."""
        log = self._conversations.get(conversation_id)
        if log is None:
            return f"not recorded: the recording has no conversation {conversation_id}"
        recorded = list(_requests(log))
        if not recorded:
            return f"not recorded: the recorded conversation {conversation_id} has no reply"
        messages: Any = request.body["messages"]
        same_turn = [body for body in recorded if len(body["messages"]) == len(messages)]
        difference = _difference(same_turn[-1] if same_turn else recorded[-1], request.body)
        return f"not recorded: {difference}"


def _reused_by(path: Path) -> Path | None:
    """Return the run that a recorded run took replies over from; None for none, and for a journal alone."""
    folder = RunFolder(path if path.is_dir() else path.parent)
    if path not in {folder.path, folder.journal} or not folder.run_json.exists():
        return None
    reused = folder.read_run().options.get("reuse")
    return Path(reused) if isinstance(reused, str) and "\0" not in reused else None


def may_confirm(path: Path) -> bool:
    """Return whether a recorded run played fresh attempts where a case looked broken."""
    folder = RunFolder(path)
    options = folder.read_run().options if folder.run_json.exists() else {}
    gate = options.get("gate")
    if options.get("baseline") is None or not isinstance(gate, Mapping):
        return False
    return not gate.get("no_confirm") and bool(gate.get("confirm"))


def _requests(log: ConversationLog) -> Iterator[dict[str, Any]]:
    """Yield the bodies of the answered requests, as far as the journal tells them."""
    started, messages = log.started, list[Any]()
    if started is None:
        return
    system = {"system": started.system} if started.system else {}
    for exchange in log.exchanges:
        messages.extend({"role": message.role, "content": message.content} for message in exchange.sent)
        yield {"model": started.identity.model, **started.params, **system, "messages": list(messages)}
        messages.append({"role": "assistant", "content": exchange.reply.content})


def _difference(recorded: dict[str, Any], asked: Any) -> str:  # noqa: ANN401 - the API's own JSON
    for name in dict.fromkeys([*recorded, *asked]):
        if name not in {"messages", "cache_control"} and recorded.get(name) != asked.get(name):
            return f"{name} {_change(recorded.get(name), asked.get(name))}"
    pairs = zip(recorded["messages"], asked["messages"], strict=False)
    for number, (before, now) in enumerate(pairs, start=1):
        if before != now:
            return f"message {number} ({now['role']}) {_change(before['content'], now['content'])}"
    before, now = len(recorded["messages"]), len(asked["messages"])
    if before == now:
        # Nothing else of a request is left out of what the journal tells.
        return "the request marks other parts for the prompt cache: one without a follow-up marks none"
    return (
        f"{count(before, 'message')} {'was' if before == 1 else 'were'} recorded, and the request has {now}"
    )


def _change(before: Json, now: Json) -> str:
    """Show two values from shortly before the place where they part."""
    texts = [json.dumps(value, ensure_ascii=True, sort_keys=True) for value in (before, now)]
    pairs = enumerate(zip(*texts, strict=False))
    parting = next((index for index, (left, right) in pairs if left != right), min(map(len, texts)))
    start = max(0, parting - _LEAD)
    end = start + _EXCERPT
    was, is_now = (
        f"{'...' if start else ''}{text[start:end]}{'...' if end < len(text) else ''}" for text in texts
    )
    return f"was {was} and is now {is_now}"
