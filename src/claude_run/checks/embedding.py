"""Texts as vectors, for `similar` by meaning: a small model on this machine, which an extra installs."""

from __future__ import annotations

import logging
import math
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

EXTRA = "embeddings"
"""The extra of claude-run that brings the model along."""

_PACKAGE = "wordllama"


class EmbeddingError(Exception):
    """The model is installed and cannot be used."""


class Embedder(Protocol):
    """What turns texts into vectors."""

    @property
    def is_installed(self) -> bool:
        """Whether `embed` has what it needs. It is asked before anything is sent, so it must be quick."""

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Return a vector for each text, all of one length; EmbeddingError where the model fails."""


class LocalModel:
    """The model in the package of WordLlama: 256 numbers a text, no download, no GPU.

    It averages vectors of word pieces. So it knows what a text is about, not who did what to whom.
    """

    def __init__(self) -> None:
        self._model: Any = None

    @property
    def is_installed(self) -> bool:
        return find_spec(_PACKAGE) is not None

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        # Lone surrogates are legal in the API's JSON, and the model's tokenizer refuses them.
        storable = [text.encode("utf-8", "replace").decode() for text in texts]
        try:
            if self._model is None:
                self._model = _load()
            vectors: Sequence[Sequence[float]] = self._model.embed(storable).tolist()
        except (ImportError, OSError, ValueError, TypeError, AttributeError) as error:
            raise EmbeddingError(f"the model of the package {_PACKAGE} cannot be used: {error}") from error
        return vectors


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the cosine of the angle between two vectors: 1 for the same direction, 0 where one is null."""
    length, other_length = math.hypot(*one), math.hypot(*other)
    if not length or not other_length:
        return 0.0
    return sum((x / length) * (y / other_length) for x, y in zip(one, other, strict=True))


def _load() -> Any:  # noqa: ANN401 - the package has no type information
    root, quiet = logging.getLogger(), logging.NullHandler()
    # The package configures the root logger when it is imported, unless that has a handler.
    root.addHandler(quiet)
    try:
        import wordllama  # type: ignore[import-not-found] # noqa: PLC0415 - an extra, and it costs a second
    finally:
        root.removeHandler(quiet)
    # It looks for its tokenizer in the wrong folder of its own; as a cache, the right one is found.
    folder = Path(wordllama.__file__).parent
    return wordllama.WordLlama.load(cache_dir=folder, disable_download=True)
