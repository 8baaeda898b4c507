"""Waves: every request in exactly one batch, the limits held, and nobody left behind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_run.play.batch import FRAME_BYTES, ID_CHARACTERS, BatchLimits, Crowd, Wave, custom_id

LIMITS = BatchLimits(requests=4, size=1000 + 4 * FRAME_BYTES)
HEADERS = [{}, {"anthropic-beta": "a"}, {"anthropic-beta": "b", "anthropic-version": "2023-06-01"}]


@given(
    items=st.lists(st.tuples(st.integers(1, 900), st.sampled_from(HEADERS)), max_size=60),
    closes=st.sets(st.integers(0, 60)),
    gone=st.sets(st.integers(0, 60)),
)
def test_every_request_is_in_exactly_one_batch(
    items: list[tuple[int, dict[str, str]]], closes: set[int], gone: set[int]
) -> None:
    """However waves close, and whoever leaves before: no batch is too large, or has two kinds of headers."""
    wave: Wave[int] = Wave(LIMITS)
    batches: list[tuple[int, ...]] = []
    left: set[int] = set()
    for number, (size, headers) in enumerate(items):
        if full := wave.add(number, content_bytes=size, headers=headers):
            batches.append(tuple(full))
        if number in gone:
            wave.discard(number)
            left.add(number)
        if number in closes:
            batches += map(tuple, wave.close())
            assert not len(wave)
    batches += map(tuple, wave.close())

    assert sorted(number for batch in batches for number in batch) == sorted(set(range(len(items))) - left)
    for batch in batches:
        assert 1 <= len(batch) <= LIMITS.requests
        assert sum(items[number][0] + FRAME_BYTES for number in batch) <= LIMITS.size or len(batch) == 1
        assert len({str(items[number][1]) for number in batch}) == 1
        assert list(batch) == sorted(batch)


def test_a_wave_that_is_not_full_is_one_batch() -> None:
    """The limits split, and nothing else does."""
    wave: Wave[int] = Wave(BatchLimits())
    for number in range(10_000):
        assert not wave.add(number, content_bytes=20_000, headers={})
    assert [len(batch) for batch in wave.close()] == [10_000]
    assert wave.close() == []


def test_the_limits_are_those_of_the_api() -> None:
    """100,000 requests, or 256 MB."""
    wave: Wave[int] = Wave(BatchLimits())
    size = 256_000_000 // 4 - FRAME_BYTES
    assert [bool(wave.add(number, content_bytes=size, headers={})) for number in range(5)] == [False] * 4 + [
        True
    ]
    assert BatchLimits().requests == 100_000


def test_a_crowd_is_still_when_the_last_one_has_left() -> None:
    """Each time, and never before."""
    crowd, still = Crowd(), []
    crowd.on_still = lambda: still.append(True)
    crowd.enter(2)
    crowd.leave()
    assert not still
    crowd.enter()
    crowd.leave(2)
    assert len(still) == 1
    crowd.enter()
    crowd.leave()
    assert len(still) == 2


@pytest.mark.parametrize("key", ["a" * 64, "short"])
def test_an_id_is_one_that_the_api_takes(key: str) -> None:
    """At most 64 characters, the token of the batch first."""
    name = custom_id("0123456789abcdef", key)
    assert len(name) <= ID_CHARACTERS
    assert name.startswith("0123456789abcdef-")
    assert key.startswith(name.partition("-")[2])
