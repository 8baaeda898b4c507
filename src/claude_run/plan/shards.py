"""Which part of a plan one of several machines plays: parts of about equal weight, the same on each machine.

The plan is cut, not dealt out. A part is conversations that follow each other, so that cases of one scenario,
which share a system prompt, are parted only where a cut falls between them: each cut costs one more write to
the prompt cache. The repeats of a case stay together, so that a part can say of its cases whether they reach
their pass rate.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from claude_run.conversation.script import JUDGE, generated_turns
from claude_run.errors import InputError
from claude_run.plan.forecast import ASSUMED_REPLY, BYTES_PER_TOKEN
from claude_run.scenario.model import Text, TextBlock, UserTurn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from claude_run.conversation.lazy import LazySequence
    from claude_run.conversation.script import Conversation
    from claude_run.scenario.json_values import Json
    from claude_run.scenario.model import Content, Expectation

Shard: TypeAlias = tuple[int, int]

_SHARD = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")

# What a token weighs: by the price list output costs five times as much as input, and what the cache serves a
# tenth of it. Replies take nearly all of the time as well.
_READ, _SENT, _WRITTEN = 1, 10, 50
_BLOCK_TOKENS = 1600  # an image of usual size; files are not looked into
_JUDGE_TOKENS = 200  # of the instructions and of the answer of a judge each


def parse_shard(text: str) -> Shard:
    """Read `i/n`, the i-th of n shards counted from 1; InputError for anything else."""
    match = _SHARD.fullmatch(text)
    if match is None:
        raise InputError(f"--shard {text!r}: write it as i/n, for example 1/4 for the first of four")
    return check_shard((int(match[1]), int(match[2])))


def check_shard(shard: Shard) -> Shard:
    """Return the shard if there is such a one; InputError if not."""
    index, count = shard
    if not 1 <= index <= count:
        raise InputError(f"--shard {index}/{count}: the shard must be from 1 to the number of shards")
    return shard


def take_shard(conversations: LazySequence[Conversation], shard: Shard) -> LazySequence[Conversation]:
    """Return the part of a plan that a shard plays, which is empty where there are more shards than cases.

    A case belongs to the shard in whose n-th of the whole weight its own middle lies. So no shard is heavier
    or lighter than an n-th by more than the heaviest case, and all of them together are the plan, in order.
    """
    index, count = check_shard(shard)

    # Where each case begins, and what all cases before it weigh: repeats follow each other.
    begins, before, total, weight, name = array("Q"), [], 0, 0, ""
    for at, conversation in enumerate(conversations):
        if conversation.identity.case_name != name:
            name, weight = conversation.identity.case_name, weigh(conversation)
            begins.append(at)
            before.append(total)
        total += weight
    begins.append(len(conversations))
    before.append(total)

    # The middle of a case as a share of the whole, in whole numbers, which every machine computes alike.
    cases = range(len(begins) - 1)
    mine = [at for at in cases if (count * (before[at] + before[at + 1]) - 1) // (2 * total) == index - 1]
    if not mine:
        return conversations.at(())
    return conversations.at(conversations.places[begins[mine[0]] : begins[mine[-1] + 1]])


def weigh(conversation: Conversation) -> int:
    """Return what a conversation is likely to cost and to take, in tenths of the price of an input token.

    Templates count as they are written, and variables once. Replies are taken to be as long as their example,
    or as long as a dry run takes them to be. It is at least 1.
    """
    asked, most = frozenset(generated_turns(conversation.turns)), conversation.params.get("max_tokens")
    read, sent, weight = _content_tokens(conversation.system), _value_tokens(conversation.vars), 1
    judging = _SENT * _JUDGE_TOKENS + _WRITTEN * _JUDGE_TOKENS
    for at, turn in enumerate(conversation.turns):
        sent += _content_tokens(turn.content)
        if at not in asked or not isinstance(turn, UserTurn):
            continue
        # A request: what came before it is read from the cache, and with the reply it is history.
        reply = ASSUMED_REPLY if turn.example is None else max(1, _tokens(turn.example.source))
        reply = min(reply, most) if isinstance(most, int) else reply
        weight += _READ * read + _SENT * sent + _WRITTEN * reply
        weight += _judges(turn.expect, conversation) * (_SENT * reply + judging)
        read, sent = read + sent + reply, 0
    return weight + _judges(conversation.expect, conversation) * (_SENT * read + judging)


def _judges(expectations: Iterable[Expectation], conversation: Conversation) -> int:
    """Count the answers of judges that expectations ask for."""
    graders = len(conversation.judge.models) if conversation.judge else 1
    return sum(
        (graders if each.kind == JUDGE else 0) + _judges(each.children, conversation) for each in expectations
    )


def _content_tokens(content: Content | None) -> int:
    if content is None:
        return 0
    if isinstance(content, Text):
        return _tokens(content.source)
    blocks = (each.text.source if isinstance(each, TextBlock) else None for each in content)
    return sum(_BLOCK_TOKENS if text is None else _tokens(text) for text in blocks)


def _value_tokens(value: Json) -> int:
    if isinstance(value, str):
        return _tokens(value)
    if isinstance(value, Mapping):
        return sum(map(_value_tokens, value.values()))
    return sum(map(_value_tokens, value)) if isinstance(value, Sequence) else 0


def _tokens(text: str) -> int:
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)
