"""A scripted Messages API that knows who asks, and keeps its own account of it."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.support.scripted_server import Answer, RawServer, ReceivedRequest, json_answer, message

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRequest:
    """One request: the case that asks, its turn from 1, and how often this turn has come, from 1."""

    case: str
    turn: int
    attempt: int
    http: ReceivedRequest


@dataclass(kw_only=True, eq=False)
class Api:
    """Serves while it is entered; `answer` decides on each request.

    Conversations say who they are in their first message, as `scenario` of this module has them do.
    """

    answer: Callable[[TurnRequest], Answer]
    ledger: list[TurnRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, int]] = Counter()
        self._server = RawServer(respond=self._respond)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)

    def reset(self, answer: Callable[[TurnRequest], Answer]) -> None:
        """Forget what came, and answer in another way."""
        with self._lock:
            self._counts.clear()
            self.ledger.clear()
        self.answer = answer

    @property
    def url(self) -> str:
        return self._server.base_url

    @property
    def requests(self) -> Counter[tuple[str, int]]:
        """How often each turn of each conversation was asked for."""
        with self._lock:
            return self._counts.copy()

    def _respond(self, request: ReceivedRequest) -> Answer:
        messages = request.body["messages"]
        case = str(messages[0]["content"]).split("|", 1)[0]
        turn = sum(each["role"] == "user" for each in messages)
        with self._lock:
            self._counts[case, turn] += 1
            asked = TurnRequest(case=case, turn=turn, attempt=self._counts[case, turn], http=request)
            self.ledger.append(asked)
        return self.answer(asked)


_numbers = itertools.count(1)


def ok(text: str = "Yes.", *, delay_s: float = 0.0, **fields: Any) -> Answer:
    """Answer with a whole message that has an id of its own."""
    body = message({"type": "text", "text": text}, **{"id": f"msg_{next(_numbers)}", **fields})
    return Answer(data=json_answer(body).data, delay_s=delay_s)


def scenario(*cases: str, turns: int = 2, max_tokens: int = 100) -> str:
    """Return a scenario of as many turns, whose conversations begin with the id of their case."""
    rows = "".join(f"  - {{id: {case}, vars: {{who: {case}}}}}\n" for case in cases)
    script = "".join(f"  - user: '{'{{ who }}|' if not n else ''}question {n + 1}'\n" for n in range(turns))
    return f"name: s\nmodel: claude-haiku-5-5\nmax_tokens: {max_tokens}\ncases:\n{rows}turns:\n{script}"
