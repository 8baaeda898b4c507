"""The locks are closed: each package that is needed, with its hashes, and nothing of the writing machine."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from importlib.metadata import requires
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
_RUN, _EXTRAS = _PROJECT["project"]["dependencies"], _PROJECT["project"]["optional-dependencies"]
ASKED = {
    "run": [Requirement(line) for line in _RUN],
    "dev": [Requirement(line) for line in (*_RUN, *_PROJECT["dependency-groups"]["dev"])],
    "cluster": [Requirement(line) for line in (*_RUN, *_EXTRAS["cluster"])],
}
"""What each lock has to satisfy."""

_PIN = re.compile(
    r"(?P<pin>[a-z0-9.-]+(?:\[[a-z0-9,-]+\])?==[\w.+!]+(?: ; [\w .'<>=!()]+?)?)"
    r"(?P<hashes>(?: --hash=sha256:[0-9a-f]{64})+)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One package of a lock."""

    requirement: Requirement
    version: str
    hashes: frozenset[str]


def _text(lock: str) -> str:
    return (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")


def _pins(lock: str) -> Mapping[str, Pin]:
    """Return the packages of a lock by name; whatever is not a pin with hashes is an AssertionError."""
    joined = re.sub(r"\s*\\\n\s*", " ", re.sub(r"^ *#.*\n", "", _text(lock), flags=re.MULTILINE))
    pins: dict[str, Pin] = {}
    for line in joined.splitlines():
        found = _PIN.fullmatch(line)
        assert found is not None, line
        requirement = Requirement(found["pin"])
        assert requirement.name not in pins, requirement.name
        version = str(requirement.specifier).removeprefix("==")
        pins[requirement.name] = Pin(
            requirement=requirement, version=version, hashes=frozenset(found["hashes"].split())
        )
    return pins


def _needs(lock: str, environment: dict[str, str]) -> Iterator[tuple[str, Requirement]]:
    """Yield who needs what, extras included, as the installed packages themselves say it."""
    yield from (("pyproject.toml", need) for need in ASKED[lock])
    for name, pin in _pins(lock).items():
        marker = pin.requirement.marker
        if marker and not (marker.evaluate(environment) and marker.evaluate()):
            continue  # not for this Python, or not installed here and so not to be asked
        for need in map(Requirement, requires(name) or ()):
            extras = ("", *pin.requirement.extras)
            if not need.marker or any(need.marker.evaluate({**environment, "extra": one}) for one in extras):
                yield name, need


@pytest.mark.parametrize("lock", ASKED)
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_nothing_is_left_to_resolve(lock: str, python: str) -> None:
    """Whatever a package of the lock needs is in the lock too, in a version that will do, for each Python."""
    if lock == "cluster":
        pytest.importorskip("ray", reason="Ray is not installed here: `make test-cluster` runs these")
    pins, environment = _pins(lock), {"python_version": python, "python_full_version": f"{python}.0"}

    for who, need in _needs(lock, environment):
        pin = pins.get(canonicalize_name(need.name))
        assert pin is not None, f"{who} needs {need}"
        assert need.specifier.contains(pin.version, prereleases=True), f"{who} needs {need}"
        assert need.extras <= pin.requirement.extras, f"{who} needs {need}"
        assert pin.requirement.marker is None or pin.requirement.marker.evaluate(environment), (
            f"{who} needs {need}"
        )


def test_the_transport_of_the_extra_is_pinned() -> None:
    """`anthropic[aiohttp]` keeps its extra, and what the extra brings is there."""
    pins = _pins("run")

    assert pins["anthropic"].requirement.extras == {"aiohttp"}
    assert "aiohttp" in pins


def test_the_run_lock_is_a_part_of_the_dev_lock() -> None:
    """The tools come on top: no package of the program moves, and none of the tools is among them."""
    run, dev = _pins("run"), _pins("dev")

    assert {name: (pin.version, pin.hashes) for name, pin in run.items()} == {
        name: (pin.version, pin.hashes) for name, pin in dev.items() if name in run
    }
    assert not run.keys() & {"pytest", "mypy", "ruff", "hatchling"}


def test_ray_moves_no_package() -> None:
    """The cluster lock holds all of the run lock, and installed over the dev lock it replaces nothing."""
    run, dev, cluster = _pins("run"), _pins("dev"), _pins("cluster")

    assert run.keys() < cluster.keys()
    assert {name: (pin.version, pin.hashes) for name, pin in cluster.items() if name in dev} == {
        name: (pin.version, pin.hashes) for name, pin in dev.items() if name in cluster
    }
    assert "ray" not in dev


@pytest.mark.parametrize("lock", [*ASKED, "docs"])
def test_a_lock_names_no_address_and_no_path(lock: str) -> None:
    """Not even in a comment: the next machine has another index and other folders."""
    assert not re.search(r"[/\\](?!\n)|\bindex|find-links", _text(lock))
