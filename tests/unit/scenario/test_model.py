"""The few parts of the model that do something."""

from __future__ import annotations

import pytest

from claude_run.scenario.json_values import EMPTY
from claude_run.scenario.model import Position


def test_the_empty_object_is_a_mapping_that_can_be_a_default() -> None:
    """It equals an empty dict, and is hashable."""
    assert EMPTY == {}
    assert list(EMPTY) == []
    assert hash(EMPTY) == 0
    assert repr(EMPTY) == "{}"
    with pytest.raises(KeyError):
        EMPTY["a"]


def test_positions_sort_by_path_line_and_column() -> None:
    """Line 9 comes before line 10."""
    early, late = Position(path="a", line=9, column=5), Position(path="a", line=10, column=1)
    assert sorted([late, early]) == [early, late]
    assert str(early) == "a:9:5"
