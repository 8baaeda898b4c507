"""Fault scripts: their text form, and which request they hit."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion  # noqa: TC002 - pytest reads the annotation of a fixture

from claude_run.errors import InputError
from claude_run.simulator.fault_text import parse_faults
from claude_run.simulator.faults import (
    Break,
    BreakFault,
    Call,
    DripFault,
    ErrorEventFault,
    Fault,
    FaultRule,
    FaultScript,
    HugeFault,
    PageFault,
    RedirectFault,
    Spoil,
    SpoilFault,
    StatusFault,
)


def _call(number: int = 1, *, text: str = "", seen: int = 1) -> Call:
    return Call(number=number, digest=hashlib.sha256(text.encode()).digest(), seen=seen, body={"model": text})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("529", StatusFault(status=529)),
        ("429(retry-after=3600)", StatusFault(status=429, retry_after="3600")),
        (
            "400(error-code=organization_on_hold, type=odd_error, should-retry=true)",
            StatusFault(status=400, code="organization_on_hold", type="odd_error", should_retry=True),
        ),
        ("cut", BreakFault(how=Break.CUT)),
        ("close-after", BreakFault(how=Break.CLOSE_AFTER)),
        ("no-usage", SpoilFault(how=Spoil.NO_USAGE)),
        ("stop-reason(value=novel)", SpoilFault(how=Spoil.STOP_REASON, value="novel")),
        ("pause", SpoilFault(how=Spoil.PAUSE)),
        ("other-model(id=m)", SpoilFault(how=Spoil.OTHER_MODEL, value="m")),
        ("refusal(category=cyber)", SpoilFault(how=Spoil.REFUSAL, value="cyber")),
        ("html(status=200)", PageFault(status=200)),
        (
            "redirect(status=302,to=http://example.com/x)",
            RedirectFault(status=302, location="http://example.com/x"),
        ),
        ("error-event(type=api_error)", ErrorEventFault(type="api_error")),
        ("drip(bytes=2KB,every=1.5s)", DripFault(size=2000, every_s=1.5)),
        ("huge(size=64MB,gzip=true)", HugeFault(size=64_000_000, gzip=True)),
    ],
)
def test_each_fault_can_be_written(text: str, fault: Fault) -> None:
    """Every kind of fault has a text form with its options."""
    assert parse_faults(text) == FaultScript(rules=(FaultRule(fault=fault),))


@pytest.mark.parametrize("name", [*Break, *Spoil])
def test_every_named_fault_is_known(name: str) -> None:
    """The names of the enumerations are the names of the text form."""
    (rule,) = parse_faults(name).rules
    assert getattr(rule.fault, "how", None) == name


def test_a_whole_script() -> None:
    """Items are separated by spaces or commas; latency and seed stand among them."""
    script = parse_faults("429@3, 529:10% cut@2..5  hang@7..:0.5%,latency=50ms..0.2s seed=9")
    assert [(rule.first, rule.last, rule.chance) for rule in script.rules] == [
        (3, 3, 1.0),
        (1, None, 0.1),
        (2, 5, 1.0),
        (7, None, 0.005),
    ]
    assert (script.latency_s, script.seed) == ((0.05, 0.2), 9)
    assert parse_faults("latency=1m").latency_s == (60.0, 60.0)
    assert parse_faults(" ") == FaultScript()


WRONG = [
    "429@0",
    "429@5..2",
    "429@x",
    "529:10",
    "529:101%",
    "200",
    "999",
    "42x",
    "redirekt",
    "429 hagn@3",
    "cut(size=3)",
    "429(retry-after)",
    "429(retry-after=1,retry-after=2)",
    "429(retry-after=1\n2)",
    "429(should-retry=perhaps)",
    "redirect(status=200)",
    "html(status=100)",
    "huge(size=0)",
    "huge(size=many)",
    "drip(every=5)",
    "latency=fast",
    "latency=2s..1s",
    "seed=x",
    "seed=1 seed=2",
    "latency=0s 429 latency=1s",
    "cut)",
    "\x1b[31m",
]


def test_mistakes_are_explained(snapshot: SnapshotAssertion) -> None:
    """Each error names the item, its place, and what would be right, with nothing raw from the input."""
    messages = []
    for text in WRONG:
        with pytest.raises(InputError) as caught:
            parse_faults(text)
        messages.append(str(caught.value))
    assert messages == snapshot


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="429@:%.,()=- acutlenysd\x1b\n", max_size=30))
def test_any_text_is_a_script_or_an_input_error(text: str) -> None:
    """No text escapes as another error, and no message holds a control character."""
    caught = None
    try:
        parse_faults(text)
    except InputError as error:
        caught = error
    assert str(caught).isprintable()


def test_rules_go_by_number_and_the_first_wins() -> None:
    """A rule hits the requests that it names; of several the first one counts."""
    script = parse_faults("429@2 500@2..3 hang@5..")
    hits = [script.pick(_call(number)) for number in range(1, 7)]
    hang = BreakFault(how=Break.HANG)
    assert hits == [None, StatusFault(status=429), StatusFault(status=500), None, hang, hang]


def test_a_predicate_looks_at_the_request() -> None:
    """In Python a rule may ask anything of a request."""
    rule = FaultRule(fault=PageFault(), when=lambda call: call.body is not None and call.body["model"] == "x")
    script = FaultScript(rules=(rule,))
    assert [script.pick(_call(text=text)) for text in "axb"] == [None, PageFault(), None]


def test_chance_follows_from_seed_and_request_alone() -> None:
    """The order of arrival changes nothing; a retry and another seed roll anew."""
    script = parse_faults("529:30% seed=1")
    hits = [script.pick(_call(1, text=f"{i}")) is not None for i in range(400)]
    assert hits == [script.pick(_call(400 - i, text=f"{i}")) is not None for i in range(400)]
    assert 80 < sum(hits) < 160
    assert hits != [script.pick(_call(1, text=f"{i}", seen=2)) is not None for i in range(400)]
    other = parse_faults("529:30% seed=2")
    assert hits != [other.pick(_call(1, text=f"{i}")) is not None for i in range(400)]


def test_latency_stays_in_its_range() -> None:
    """Delays are spread over the range, deterministically."""
    script = parse_faults("latency=50ms..200ms")
    delays = [script.delay_s(_call(text=f"{i}")) for i in range(200)]
    assert all(0.05 <= delay <= 0.2 for delay in delays)
    assert max(delays) - min(delays) > 0.1
    assert delays == [script.delay_s(_call(text=f"{i}")) for i in range(200)]


def test_scripts_and_books_load_no_web_server() -> None:
    """A command line can parse faults and build the examples without paying for aiohttp."""
    code = (
        "import sys, claude_run.simulator.fault_text, claude_run.simulator.examples; "
        "print(sorted({'aiohttp', 'anthropic'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
