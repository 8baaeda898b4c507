"""The conversations of a run as reports see them: figures in memory, transcripts read when they are wanted.

A run may have a hundred thousand conversations. What is added up of each is a few hundred bytes; what was
said in it stays in the journal, and is read from there again by whoever shows it.
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, overload

from claude_run.conversation.results import Outcome
from claude_run.conversation.usage import Usage
from claude_run.record.caching import ConversationCaching

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import IO

    from claude_run.conversation.identity import Identity
    from claude_run.conversation.transcript import Transcript


_NOTHING = Decimal(0)
_NO_USAGE = Usage()


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a conversation came to in numbers.

    `replies` counts all that were paid for, those that were set aside among them, and `exchanges` those that
    count; so many of these were made up or recorded. Whether anything was, of judges too, say `simulated` and
    `replayed`. `known_usd` is what the exchanges with a price cost, `uncounted` how many replies, of judges
    too, came without a usable count of their tokens. `broke` says whether a rule that must hold was broken.
    `unpriced` are the models that answered and have no price. `caching` is what it did with the prompt cache.
    """

    outcome: Outcome
    usage: Usage
    cost_usd: Decimal | None
    known_usd: Decimal
    uncertain_usd: Decimal
    replies: int
    exchanges: int
    made_up: int
    recorded: int
    simulated: bool
    replayed: bool
    uncounted: int
    warnings: int
    broke: bool
    unpriced: tuple[str, ...]
    judge_replies: int
    judge_usage: Usage
    judge_cost_usd: Decimal | None
    caching: ConversationCaching | None = None

    @classmethod
    def of(cls, transcript: Transcript) -> Figures:
        """Add a transcript up."""
        exchanges, paid = transcript.exchanges, transcript.paid_exchanges
        judged, cost_usd = transcript.judge_exchanges, transcript.cost_usd
        known_usd = sum((each.cost_usd or _NOTHING for each in exchanges), _NOTHING)
        return cls(
            outcome=transcript.outcome,
            usage=transcript.usage,
            # There are as many figures as conversations: what is the same is the same object.
            cost_usd=cost_usd,
            known_usd=cost_usd if cost_usd == known_usd else known_usd,
            uncertain_usd=transcript.uncertain_usd or _NOTHING,
            replies=len(paid),
            exchanges=len(exchanges),
            made_up=sum(each.simulated for each in exchanges),
            recorded=sum(each.replayed for each in exchanges),
            simulated=transcript.simulated,
            replayed=transcript.replayed,
            uncounted=sum(not each.reply.usage.known for each in (*exchanges, *judged)),
            warnings=len(transcript.warnings),
            broke=bool(transcript.broken_rules),
            unpriced=tuple(
                each.reply.model
                for each in (*paid, *judged)
                if each.cost_usd is None and each.reply.usage.known
            ),
            judge_replies=len(judged),
            judge_usage=transcript.judge_usage if judged else _NO_USAGE,
            judge_cost_usd=transcript.judge_cost_usd if judged else _NOTHING,
            caching=ConversationCaching.of(transcript),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A planned conversation and what it came to; `figures` is None where it was never started."""

    planned: Identity
    figures: Figures | None
    read: Callable[[], Transcript] | None

    @classmethod
    def of(cls, planned: Identity, transcript: Transcript | None) -> Record:
        """Return the record of a transcript that is at hand."""
        if transcript is None:
            return cls(planned=planned, figures=None, read=None)
        return cls(planned=planned, figures=Figures.of(transcript), read=lambda: transcript)

    @property
    def transcript(self) -> Transcript | None:
        """The transcript, read anew each time that it is asked for; None where it was never started."""
        return None if self.read is None else self.read()

    @property
    def outcome(self) -> Outcome:
        return self.figures.outcome if self.figures else Outcome.SKIPPED


class Records(Sequence[Record]):
    """One record per planned conversation, in the order of the plan, each made when it is asked for."""

    def __init__(
        self,
        planned: Sequence[Identity],
        figures: Mapping[str, Figures],
        read: Callable[[str], Transcript],
    ) -> None:
        self._planned = planned
        self._figures = figures
        self._read = read

    def __len__(self) -> int:
        return len(self._planned)

    @overload
    def __getitem__(self, at: int) -> Record: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Record]: ...
    def __getitem__(self, at: int | slice) -> Record | Sequence[Record]:
        if isinstance(at, slice):
            return [self[index] for index in range(*at.indices(len(self)))]
        planned = self._planned[at]
        figures = self._figures.get(planned.id)
        read = None if figures is None else partial(self._read, planned.id)
        return Record(planned=planned, figures=figures, read=read)


class Spool:
    """Pieces of a derived file, each made when its conversation ends, until the file is put together of them.

    They lie in a file without a name in the run folder, which is gone with the spool or with the process.
    Where the disk does not take a piece it is made anew later, from the journal.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._end = 0
        # Where the piece of a conversation begins: its length stands before it.
        self._places: dict[str, int] = {}

    def add(self, conversation_id: str, piece: bytes) -> None:
        """Keep the piece of a conversation."""
        with suppress(OSError):
            if self._file is None:
                # Open as long as the spool; nothing of it stays in a buffer that could not be written later.
                self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 - same
                weakref.finalize(self, self._file.close)
            self._file.seek(self._end)
            data = len(piece).to_bytes(_LENGTH) + piece
            if self._file.write(data) == len(data):
                self._places[conversation_id] = self._end
                self._end += len(data)

    def get(self, conversation_id: str) -> bytes | None:
        """Return the piece of a conversation; None where it is not there."""
        if self._file is None or conversation_id not in self._places:
            return None
        try:
            self._file.seek(self._places[conversation_id])
            size = int.from_bytes(self._file.read(_LENGTH))
            piece = self._file.read(size)
        except OSError:
            return None
        return piece if len(piece) == size else None


_LENGTH = 8
