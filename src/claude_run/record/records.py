"""The conversations of a run as reports see them: figures in memory, transcripts read when they are wanted.

A run may have a hundred thousand conversations. What is added up of each is a few hundred bytes; what was
said in it stays in the journal, and is read from there again by whoever shows it.
"""

from __future__ import annotations

import marshal
import tempfile
import weakref
from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING

from claude_run.conversation.lazy import LazySequence
from claude_run.conversation.results import Outcome
from claude_run.conversation.usage import Usage
from claude_run.plan.caching import PromptUse
from claude_run.record.caching import ConversationCaching
from claude_run.record.numbers import NONE, Column, Numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
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


class Book(MutableMapping[str, Figures]):
    """Figures by conversation id, each packed into some hundred bytes until it is asked for."""

    def __init__(self, numbers: Numbers | None = None) -> None:
        # One piece of memory: what lives as long as the run lies apart from all that comes and goes.
        self._packed = bytearray()
        self._places = Column(numbers or Numbers())

    def __getitem__(self, conversation_id: str) -> Figures:
        if (place := self._places[conversation_id]) == NONE:
            raise KeyError(conversation_id)
        with memoryview(self._packed) as packed, packed[place:] as found:
            return _unpacked(found)

    def __setitem__(self, conversation_id: str, figures: Figures) -> None:
        self._places[conversation_id] = len(self._packed)
        self._packed += _packed(figures)

    def __delitem__(self, conversation_id: str) -> None:
        self._places[conversation_id] = NONE

    def __contains__(self, conversation_id: object) -> bool:
        return isinstance(conversation_id, str) and self._places[conversation_id] != NONE

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def records_of(
    planned: Sequence[Identity], figures: Mapping[str, Figures], read: Callable[[str], Transcript]
) -> Sequence[Record]:
    """Return a record of each planned conversation, in the order of the plan, made when it is asked for."""

    def record(identity: Identity) -> Record:
        found = figures.get(identity.id)
        return Record(
            planned=identity, figures=found, read=None if found is None else partial(read, identity.id)
        )

    return LazySequence.over(planned, record)


_OUTCOMES = tuple(Outcome)
_COUNTS = tuple(each.name for each in fields(Usage))
_NUMBERS = tuple(each.name for each in fields(Figures) if each.type in {"int", "bool"})
_MONEY = tuple(each.name for each in fields(Figures) if str(each.type).startswith("Decimal"))
_PROMPTS = tuple(each.name for each in fields(PromptUse))
_OF_PREFIX = tuple(each.name for each in fields(ConversationCaching) if each.name != "alone")
_counts, _numbers, _money, _prompts, _of_prefix = (
    attrgetter(*names) for names in (_COUNTS, _NUMBERS, _MONEY, _PROMPTS, _OF_PREFIX)
)


def _packed(figures: Figures) -> bytes:
    """Return figures as bytes that this process can read again."""
    caching = figures.caching
    return marshal.dumps(
        (
            _OUTCOMES.index(figures.outcome),
            _counts(figures.usage),
            _counts(figures.judge_usage),
            _numbers(figures),
            [None if amount is None else str(amount) for amount in _money(figures)],
            figures.unpriced,
            None if caching is None else (_prompts(caching.alone), _of_prefix(caching)),
        )
    )


def _unpacked(data: memoryview) -> Figures:
    """Return the figures that bytes begin with."""
    outcome, usage, judge_usage, numbers, money, unpriced, caching = marshal.loads(data)  # noqa: S302 - we packed it
    amounts = (None if amount is None else Decimal(amount) for amount in money)
    if caching is not None:
        alone, of_prefix = caching
        use = PromptUse(**dict(zip(_PROMPTS, alone, strict=True)))
        caching = ConversationCaching(alone=use, **dict(zip(_OF_PREFIX, of_prefix, strict=True)))
    return Figures(
        outcome=_OUTCOMES[outcome],
        usage=Usage(**dict(zip(_COUNTS, usage, strict=True))),
        judge_usage=Usage(**dict(zip(_COUNTS, judge_usage, strict=True))),
        **dict(zip(_NUMBERS, numbers, strict=True)),
        **dict(zip(_MONEY, amounts, strict=True)),  # type: ignore[arg-type] # None only where it was
        unpriced=unpriced,
        caching=caching,
    )


class Spool:
    """Pieces of a derived file, each made when its conversation ends, until the file is put together of them.

    They lie in a file without a name in the run folder, which is gone with the spool or with the process.
    Where the disk does not take a piece it is made anew later, from the journal.
    """

    def __init__(self, folder: Path, numbers: Numbers | None = None) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._end = 0
        # Where the piece of a conversation begins: its length stands before it.
        self._places = Column(numbers or Numbers())

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
        place = self._places[conversation_id]
        if self._file is None or place == NONE:
            return None
        try:
            self._file.seek(place)
            size = int.from_bytes(self._file.read(_LENGTH))
            piece = self._file.read(size)
        except OSError:
            return None
        return piece if len(piece) == size else None


_LENGTH = 8
