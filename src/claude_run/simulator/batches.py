"""Message Batches, as the API processes them: taken at once, looked at later, answered all together.

Facts: messages-api reference, section 5. What a batch comes to is worked out once its delay is over, request
by request, so that thousands of them do not hold up whoever asks how it stands.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from claude_run.simulator.problems import (
    ApiError,
    a_list,
    a_string,
    an_object,
    invalid,
    join,
    only,
    refused,
    required,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from claude_run.scenario.json_values import JsonObject
    from claude_run.simulator.engine import Engine
    from claude_run.simulator.faults import FaultScript

MAX_REQUESTS = 100_000
MAX_BATCH_BYTES = 256 * 1024 * 1024
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NOT_ALLOWED = ("speed", "thread")
_LIVES = timedelta(hours=24)
_PAGE_SIZE = 20
_MAX_PAGE_SIZE = 1000
_KINDS = ("succeeded", "errored", "canceled", "expired")


@dataclass(kw_only=True, eq=False)
class Batch:
    """One batch. `results` are its lines, in an order of their own, once `ended`; until then it has none."""

    id: str
    items: Sequence[tuple[str, JsonObject]]
    headers: Mapping[str, str]
    created: datetime
    ended: datetime | None = None
    canceled: datetime | None = None
    results: list[JsonObject] = field(default_factory=list)
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def status(self) -> str:
        if self.ended is not None:
            return "ended"
        return "in_progress" if self.canceled is None else "canceling"

    def to_json(self, base_url: str) -> JsonObject:
        """Return it as the API tells of it: all requests are `processing` until it has ended."""
        kinds = Counter(each["result"]["type"] for each in self.results)  # type: ignore[index,call-overload]
        counts = {"processing": 0 if self.ended else len(self.items)}
        counts |= {kind: kinds[kind] if self.ended else 0 for kind in _KINDS}
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": self.status,
            "request_counts": counts,
            "created_at": _time(self.created),
            "expires_at": _time(self.created + _LIVES),
            "ended_at": _time(self.ended),
            "cancel_initiated_at": _time(self.canceled),
            "archived_at": None,
            "results_url": f"{base_url}/v1/messages/batches/{self.id}/results" if self.ended else None,
        }


class BatchStore:
    """The batches of one simulator, the newest last; they live as long as it does."""

    def __init__(self, engine: Engine, faults: FaultScript, *, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._faults = faults
        self._clock = clock
        self._batches: dict[str, Batch] = {}
        self._working: set[asyncio.Task[None]] = set()
        self._created = 0
        self._seen: Counter[bytes] = Counter()

    def close(self) -> None:
        """Process nothing more."""
        for task in self._working:
            task.cancel()

    def create(self, body: JsonObject, headers: Mapping[str, str]) -> Batch:
        """Take a batch; ApiError for what is refused at once: its frame, not what its requests say."""
        items = _items(body)
        self._created += 1
        name = hashlib.sha256(f"{self._created}\n{items[0][0]}\n{len(items)}".encode()).hexdigest()
        batch = Batch(id=f"msgbatch_sim_{name[:20]}", items=items, headers=dict(headers), created=self._now())
        self._batches[batch.id] = batch
        task = asyncio.create_task(self._process(batch))
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return batch

    def loses_answer(self) -> bool:
        """Return whether nobody is to learn that the last batch was taken."""
        return self._created <= self._faults.batch_lost

    def find(self, name: str) -> Batch:
        """Return the batch of this id; ApiError 404 for none."""
        if name not in self._batches:
            raise ApiError(404, f"Message batch {name} not found")
        return self._batches[name]

    def cancel(self, name: str) -> Batch:
        """Begin to cancel a batch; one that has ended stays as it is."""
        batch = self.find(name)
        if batch.ended is None and batch.canceled is None:
            batch.canceled = self._now()
            batch.wake.set()
        return batch

    def delete(self, name: str) -> JsonObject:
        """Forget a batch; ApiError for one that is still processed."""
        if self.find(name).ended is None:
            raise refused(f"Message batch {name} cannot be deleted while it is processing")
        del self._batches[name]
        return {"id": name, "type": "message_batch_deleted"}

    def page(self, query: Mapping[str, str], base_url: str) -> JsonObject:
        """Return a page of the list, the newest first, with `limit`, `after_id` and `before_id`."""
        limit = query.get("limit", str(_PAGE_SIZE))
        if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit) <= _MAX_PAGE_SIZE:
            raise invalid("limit", f"Input should be a whole number from 1 to {_MAX_PAGE_SIZE}")
        ids = [*reversed(self._batches)]
        first, last = 0, len(ids)
        if "after_id" in query:
            first = _place(ids, query["after_id"], "after_id") + 1
        if "before_id" in query:
            last = _place(ids, query["before_id"], "before_id")
        page = [self._batches[name].to_json(base_url) for name in ids[first:last][: int(limit)]]
        return {
            "data": page,
            "has_more": len(page) < last - first,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
        }

    async def _process(self, batch: Batch) -> None:
        """Answer every request once the delay is over, those of a canceled batch not at all."""
        if self._faults.batch_delay_s > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(batch.wake.wait(), self._faults.batch_delay_s)
        for number, (custom_id, params) in enumerate(batch.items):
            batch.results.append({"custom_id": custom_id, "result": self._result(batch, custom_id, params)})
            if number % 20 == 0:
                await asyncio.sleep(0)
        # In no order that anybody could rely on.
        batch.results.sort(key=lambda each: hashlib.sha256(str(each["custom_id"]).encode()).digest())
        batch.ended = self._now()

    def _result(self, batch: Batch, custom_id: str, params: JsonObject) -> JsonObject:
        if batch.canceled is not None:
            return {"type": "canceled"}
        # Chance goes by what is asked, and how often it was: not by ids, which are new each time.
        digest = hashlib.sha256(json.dumps(params, sort_keys=True).encode()).digest()
        self._seen[digest] += 1
        draw = digest + str(self._seen[digest]).encode()
        if self._faults.batch_fails("expiry", draw):
            return {"type": "expired"}
        problem = ApiError(529, "simulated error of a request in a batch")
        if not self._faults.batch_fails("error", draw):
            try:
                return {"type": "succeeded", "message": self._message(batch, params)}
            except ApiError as error:
                problem = error
        name = hashlib.sha256(f"{batch.id}/{custom_id}".encode()).hexdigest()
        return {"type": "errored", "error": problem.body(f"req_sim_{name[:24]}")}

    def _message(self, batch: Batch, params: JsonObject) -> JsonObject:
        for name in _NOT_ALLOWED:
            if name in params:
                raise invalid(name, "Extra inputs are not permitted in batches")
        if params.get("stream") is not None or params.get("max_tokens") == 0:
            raise refused("`stream` and `max_tokens: 0` are not supported in batches")
        prepared = self._engine.prepare(params, batch.headers)
        self._engine.begin(prepared)
        usage = an_object(prepared.message["usage"], "usage")
        return {**prepared.message, "usage": {**usage, "service_tier": "batch"}}

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def results_of(batch: Batch) -> Iterator[bytes]:
    """Yield the results of a batch as lines of JSON; ApiError while it is processed."""
    if batch.ended is None:
        raise ApiError(404, f"Message batch {batch.id} has no available results.")
    return (json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in batch.results)


def _items(body: JsonObject) -> Sequence[tuple[str, JsonObject]]:
    only(body, {"requests"}, "")
    listed = a_list(required(body, "requests", ""), "requests")
    if not 1 <= len(listed) <= MAX_REQUESTS:
        raise invalid("requests", f"List should have from 1 to {MAX_REQUESTS} items")
    found: dict[str, JsonObject] = {}
    for index, value in enumerate(listed):
        where = f"requests.{index}"
        item = an_object(value, where)
        only(item, {"custom_id", "params"}, where)
        name = a_string(required(item, "custom_id", where), join(where, "custom_id"))
        if not _CUSTOM_ID.fullmatch(name):
            raise invalid(join(where, "custom_id"), f"String should match pattern '^{_CUSTOM_ID.pattern}$'")
        if name in found:
            raise invalid(join(where, "custom_id"), f"custom_id {name} is not unique in its batch")
        found[name] = an_object(required(item, "params", where), join(where, "params"))
    return [*found.items()]


def _place(ids: Sequence[str], name: str, where: str) -> int:
    if name not in ids:
        raise invalid(where, "no batch has this id")
    return ids.index(name)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
