"""A folder with a scenario of many cases, the commands run in it, and the API that they talk to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.command import claude_run

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.support.command import CommandResult
    from tests.system.gate.api import Api
    from tests.system.harness.fork_server import ForkServer

GOOD = "Promise 30 days, no more."
BAD = "Promise whatever pleases."
ENOUGH = 8
"""Cases that all get worse are a regression beyond doubt: one chance in 256."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateWorkspace:
    """Where a test happens."""

    folder: Path
    fork_server: ForkServer
    api: Api

    @property
    def baseline(self) -> Path:
        """Where the scenario's baseline stands."""
        return self.folder / "refund.baseline.json"

    def write(
        self,
        *,
        system: str = GOOD,
        cases: int | Iterable[str] = ENOUGH,
        expect: str = "contains: 30 days",
        more: str = "",
    ) -> None:
        """Write the scenario; cases are numbered, or named."""
        names = [f"case-{number:02}" for number in range(1, cases + 1)] if isinstance(cases, int) else cases
        listed = "\n".join(f"  - {{id: {name}, vars: {{item: {name}}}}}" for name in names)
        text = (
            f"model: claude-haiku-5-5\nmax_tokens: 100\nsystem: {json.dumps(system)}\n{more}\n"
            f"cases:\n{listed}\nturns:\n"
            f"  - user: May I return {{{{ item }}}}?\n    expect:\n      - {expect}\n"
        )
        (self.folder / "refund.yaml").write_text(text, encoding="utf-8")

    def run(self, *arguments: str | Path) -> CommandResult:
        """Run the command in a process of its own, against the API."""
        return self.fork_server.run(self.folder, *arguments, url=self.api.url)

    def play(self, name: str, *arguments: str | Path) -> CommandResult:
        """Play the scenario into the folder `name`."""
        return self.run("refund.yaml", "-o", name, *arguments)

    def accept(self, **fields: Any) -> None:
        """Write the scenario, play it, and accept what came."""
        self.write(**fields)
        assert self.play("accepted").code in {0, 1}
        assert self.run("accept", "accepted", "--with-failures").code == 0
        self.api.bodies.clear()

    def run_offline(self, *arguments: str | Path, **environment: str) -> Any:
        """Run a command that sends nothing in a fresh process, with a few variables more."""
        return claude_run(*arguments, cwd=self.folder, env=environment)

    def summary(self, name: str) -> Any:
        """Return `summary.json` of a run."""
        return json.loads((self.folder / name / "summary.json").read_text(encoding="utf-8"))

    def accepted(self) -> Any:
        """Return the cases of the baseline by name."""
        return json.loads(self.baseline.read_text(encoding="utf-8"))["cases"]
