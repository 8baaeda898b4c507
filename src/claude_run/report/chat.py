"""What is shown of a chat: the replies while they come, what they did, and what they cost."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from claude_run.conversation.tools import described, tool_calls
from claude_run.conversation.usage import total
from claude_run.report.text.blocks import content_parts, truncate
from claude_run.report.text.numbers import tokens, usd, used
from claude_run.report.text.safe import SafeStream
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from claude_run.conversation.exchange import Exchange, SentMessage
    from claude_run.conversation.usage import Usage


class ChatView:
    """What a person sees of replies while they come.

    `write` gets their text, piece by piece and safe for a terminal, `tell` all else, in lines that it makes
    safe.
    """

    def __init__(
        self,
        *,
        write: Callable[[str], None],
        tell: Callable[..., None],
        quiet: bool = False,
        shows_thinking: bool = False,
    ) -> None:
        self.quiet = quiet
        self._write = write
        self._tell = tell
        self._shows_thinking = shows_thinking
        self._text = SafeStream()
        self._at_line_start = True
        self._has_text = False
        self._thinks = False

    def asked(self, sent: Sequence[SentMessage], files: Mapping[str, str]) -> None:
        if not self.quiet:
            self._tell(*asked_lines(sent, files))

    def began(self) -> None:
        if self._has_text:
            self._end_line()
            self._tell("the reply begins anew; what stands above of it does not count")
        self._forget()

    def thinking(self) -> None:
        if not self._thinks and not self._has_text and self._shows_thinking:
            self._tell("thinking ...")
        self._thinks = True

    def said(self, text: str) -> None:
        self._has_text = True
        self._show(self._text.add(text))

    def replied(self, exchange: Exchange) -> None:
        # What came in one piece was not streamed.
        if not self._has_text and exchange.reply.text:
            self.said(exchange.reply.text)
        self._end_line()
        self._forget()
        self._tell(*reply_notes(exchange))

    def give_up(self) -> bool:
        """Note that nothing more comes of a reply; return whether a line of it had to be ended."""
        ended = self._end_line()
        self._forget()
        return ended

    def waiting(self, what: str, seconds: float, reason: str) -> None:
        self._end_line()
        self._tell(f"{what} is tried again in {seconds:.0f} s: {reason}")

    def begin(self, totals: object, spending: object) -> None: ...

    def asking(self, conversation: object, turn: object) -> None: ...

    def left(self, conversation_id: str) -> None: ...

    def in_flight(self, count: int) -> None: ...

    def outage(self, model: str, seconds: float, reason: str) -> None: ...

    def resumed(self, what: str) -> None: ...

    def finished(self, transcript: object) -> None: ...

    def end(self) -> None: ...

    def _end_line(self) -> bool:
        """End what was shown of a reply with the end of a line, if it does not have one."""
        self._show(self._text.end())
        if self._at_line_start:
            return False
        self._write("\n")
        self._at_line_start = True
        return True

    def _show(self, text: str) -> None:
        if text:
            self._write(text)
            self._at_line_start = text.endswith("\n")

    def _forget(self) -> None:
        self._text, self._has_text, self._thinks = SafeStream(), False, False


def asked_lines(sent: Sequence[SentMessage], files: Mapping[str, str]) -> Iterator[str]:
    """Yield what a turn of a scenario says, line by line, as if it had been typed; files by their names."""
    for message in sent:
        lead = "> " if message.role == "user" else f"{message.role}: "
        for part in content_parts(message.content, files):
            body = truncate(part.body) if part.kind != "text" else part.body
            text = f"{part.title}: {body}" if part.title else body
            text = f"[{part.title}]" if part.folded else text
            for line in text.removesuffix("\n").split("\n"):
                yield lead + line
                lead = " " * len(lead)


def reply_notes(exchange: Exchange) -> Iterator[str]:
    """Yield what a reader of the reply's text does not see in it."""
    reply = exchange.reply
    calls = tool_calls(reply.content)
    for call in calls:
        yield f"calls {described(call)}"
    if reply.stop_reason == "max_tokens":
        yield "the reply was cut off at max_tokens; a higher --max-tokens lets it be longer"
    elif not reply.text.strip() and not calls and reply.stop_reason == "end_turn":
        yield "the reply is empty"
    if reply.had_credential:
        yield "warning: the credential in use stood in the reply, and was replaced"


def turn_line(exchanges: Sequence[Exchange], *, usage: Usage, cost_usd: Decimal | None) -> str:
    """Return what the replies to a turn used and cost; `usage` and `cost_usd` are those of the whole talk."""
    mine = total(each.reply.usage for each in exchanges)
    lead = "simulated: " if any(each.simulated for each in exchanges) else ""
    in_all = f"in all {_usage_words(usage)}, {usd(cost_usd)}"
    return f"[{lead}{_usage_words(mine)}, {usd(_cost(exchanges))}; {in_all}]"


def total_line(replies: int, *, usage: Usage, cost_usd: Decimal | None, simulated: bool) -> str:
    """Return what a talk came to."""
    lead = "simulated: " if simulated else ""
    money = usd(cost_usd)
    return f"{lead}{count(replies, 'reply', plural='replies')}, {_usage_words(usage)}, {money}"


def uncertain_words(attempts: int, usd_at_most: Decimal) -> str:
    """Return what may have been billed for attempts that brought no whole reply."""
    bound = f"up to {usd(usd_at_most)}" if usd_at_most else "an unknown amount"
    return f"{count(attempts, 'attempt')} without a whole reply may have cost {bound}"


def _usage_words(usage: Usage) -> str:
    read = usage.cache_read_input_tokens
    cached = f" ({tokens(read)} from the cache)" if read else ""
    return f"{used(usage.input_total)} tokens in{cached}, {used(usage.output_tokens)} out"


def _cost(exchanges: Sequence[Exchange]) -> Decimal | None:
    costs = [each.cost_usd for each in exchanges]
    return None if None in costs else sum((each or Decimal(0) for each in costs), Decimal(0))
