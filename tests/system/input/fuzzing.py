"""The targets of `make torture` for every commit: fewer inputs, which hypothesis chooses and makes small.

`python -m tests.system.input.fuzzing` runs them all in a process of its own, so that a segfault is a finding.
"""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.system.torture.targets import TARGETS

EXAMPLES = 100


def main() -> None:
    """Run every target; what one of them raises is the finding, with the input that brought it."""
    for target in TARGETS.values():
        quiet = settings(
            max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        quiet(given(st.binary(max_size=80))(target))()


if __name__ == "__main__":
    main()
