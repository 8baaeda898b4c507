"""`similar`: by letters, by words, and by meaning through whatever makes vectors."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from claude_run.checks.registry import Registry
from claude_run.checks.similar_check import MAX_WORK, EmbeddingError, LocalModel, cosine, similar_check
from tests.unit.checks.builders import REGISTRY, expectation, found, problems, slots, spelt, status, subject

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

    from claude_run.conversation.results import CheckResult
    from claude_run.scenario.json_values import Json

SHIPPED = "Your order has been shipped."
FAKE_PACKAGE = """
import logging
from pathlib import Path

logging.basicConfig()

class Vectors(list):
    def tolist(self):
        return list(self)

class Model:
    def embed(self, texts):
        assert all(text.encode() for text in texts)
        return Vectors([float(len(text)), 1.0] for text in texts)

class WordLlama:
    @staticmethod
    def load(*, cache_dir, disable_download):
        assert disable_download
        (cache_dir / "loaded").touch(exist_ok=False)
        return Model()
"""


class Meaning:
    """Gives each text the vector that it is told to, and counts what it is asked."""

    def __init__(self, vectors: dict[str, list[float]], *, is_installed: bool = True) -> None:
        self.vectors = vectors
        self.is_installed = is_installed

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        if not self.vectors:
            raise EmbeddingError("the model is broken")
        return [self.vectors[text] for text in texts]


def by_meaning(meaning: Meaning, at_least: float) -> CheckResult:
    """Judge the reply `a cat` against `a kitten`."""
    wanted = expectation("similar", {"to": "a kitten", "by": "embedding", "at_least": at_least})
    return Registry([similar_check(meaning)]).evaluate(wanted, subject("a cat\n"), str)


@pytest.mark.parametrize(
    ("value", "text", "expected"),
    [
        (SHIPPED, SHIPPED, "passed"),
        (SHIPPED, f"\n{SHIPPED} ", "passed"),
        (SHIPPED, "Your order was shipped.", "passed"),
        (SHIPPED, "Nothing of that is known to me.", "failed"),
        ({"to": SHIPPED, "at_least": 1}, "Your order has been shipped!", "failed"),
        ({"to": SHIPPED, "at_least": 0.2}, "Nothing of that is known to me.", "passed"),
        ({"to": "b c a"}, "a b c", "failed"),
        ({"to": "b c a", "by": "token_sort", "at_least": 1}, "a b c", "passed"),
        ({"to": "a b", "by": "token_sort", "at_least": 1}, "a b b", "failed"),
        ({"to": "a b", "by": "token_set", "at_least": 1}, "a b b c", "passed"),
        (SHIPPED, "", "failed"),
    ],
)
def test_the_measure_and_its_limit_decide(value: Json, text: str, expected: str) -> None:
    """The limit is reached or not, by the measure that was chosen, white space at the ends aside."""
    assert not problems("similar", value)
    assert status("similar", value, text) == expected


def test_messages(snapshot: SnapshotAssertion) -> None:
    """A result says how similar the texts are, by what, and how the reply begins."""
    tight: Json = {"to": SHIPPED, "at_least": 0.9}
    results = [found("similar", tight, text) for text in (SHIPPED, "Your order was shipped.", "No.", " ")]
    assert [(one.status.value, one.message, one.expected, one.actual) for one in results] == snapshot


def test_a_limit_that_was_missed_is_not_shown_as_reached() -> None:
    """7999 of 8000 letters are 0.99987, which is not 1."""
    result = found("similar", {"to": "x" * 7999 + "y", "at_least": 1}, "x" * 8000)
    assert result.status == "failed"
    assert "it is 0.999;" in result.message


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "",
        [SHIPPED],
        {},
        {"to": ""},
        {"too": "x"},
        {"to": "x", "at_least": "high"},
        {"to": "x", "at_least": 80},
        {"to": "x", "at_least": 0},
        {"to": "x", "at_least": float("nan")},
        {"to": "x", "by": "meaning"},
        {"to": "x", "by": {}},
        {"to": "x", "by": "ratios"},
    ],
)
def test_problems(value: Json, snapshot: SnapshotAssertion) -> None:
    """Each mistake is named, with what to write instead."""
    assert [spelt(one) for one in problems("similar", value)] == snapshot


def test_the_text_is_a_template() -> None:
    """Variables are filled into the text, in both forms, and give the number of a limit."""
    assert slots("similar", "{{ a }}") == [((), "{{ a }}", "text")]
    assert slots("similar", {"to": "{{ a }}", "at_least": "{{ b }}"}) == [
        (("to",), "{{ a }}", "text"),
        (("at_least",), "{{ b }}", "value"),
    ]
    assert not slots("similar", {"to": 7})
    assert not slots("similar", 7)


def test_a_template_that_becomes_nothing_passes_nothing() -> None:
    """An empty text is like no reply."""
    result = REGISTRY.evaluate(expectation("similar", {"to": "{{ a }}"}), subject("x"), lambda _: " ")
    assert result.status == "errored"


def test_texts_that_are_too_long_are_not_measured() -> None:
    """Work is bounded: a run does not hang on two long texts."""
    long = "x" * (MAX_WORK // 100_000 + 1)
    result = found("similar", long, "x" * 100_000)
    assert result.status == "errored"
    assert result.message == "the texts are too long to be compared: 100,000 and 200,001 characters"


def test_by_meaning() -> None:
    """The cosine of the two vectors is held against the limit; opposites are not similar at all."""
    meaning = Meaning({"a cat": [3.0, 4.0], "a kitten": [4.0, 3.0]})
    assert by_meaning(meaning, 0.96).status == "passed"
    assert by_meaning(meaning, 0.97).status == "failed"
    opposite = by_meaning(Meaning({"a cat": [1.0], "a kitten": [-1.0]}), 0.1)
    assert "it is 0;" in opposite.message


def test_a_missing_model_is_a_problem_before_anything_is_sent(snapshot: SnapshotAssertion) -> None:
    """The diagnostic names the extra; an evaluation all the same is errored."""
    check = similar_check(Meaning({}, is_installed=False))
    assert [spelt(one) for one in check.problems({"to": "x", "by": "embedding"})] == snapshot
    assert by_meaning(Meaning({}, is_installed=False), 0.5).status == "errored"
    assert not check.problems({"to": "x", "by": "token_set"})


def test_a_broken_model_is_errored() -> None:
    """What could not be measured is neither passed nor failed."""
    result = by_meaning(Meaning({}), 0.5)
    assert (result.status, result.message) == ("errored", "the model is broken")


@given(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3))
@settings(max_examples=50, deadline=None)
@example([0.0, 5e-324, 5e-324])
@example([1e-323, 5e-324, -1.5e-323])
def test_a_vector_is_similar_to_itself(vector: list[float]) -> None:
    """The cosine is 1 for equal vectors and 0 where one is null."""
    assert cosine(vector, vector) == pytest.approx(1 if any(vector) else 0)
    assert cosine(vector, [0.0, 0.0, 0.0]) == 0


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Put a package that looks like the model's on the path."""
    folder = tmp_path / "wordllama"
    folder.mkdir()
    (folder / "__init__.py").write_text(FAKE_PACKAGE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    sys.modules.pop("wordllama", None)


def test_the_local_model_is_loaded_once_from_its_package(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is downloaded, lone surrogates do no harm, and a root logger without handlers stays so."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    model = LocalModel()
    assert model.is_installed
    assert model.embed(["abc", "\ud800"]) == [[3.0, 1.0], [1.0, 1.0]]
    assert model.embed(["ab"]) == [[2.0, 1.0]]
    assert (package / "loaded").exists()
    assert logging.getLogger().handlers == []


def test_a_model_that_cannot_be_loaded_says_so(package: Path) -> None:
    """An installed package without its files is an EmbeddingError, whatever it raises."""
    (package / "loaded").touch()
    with pytest.raises(EmbeddingError, match="wordllama cannot be used"):
        LocalModel().embed(["x"])
