"""The models of the API, asked for page by page over a real socket, and every way in which that fails."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.api.client import open_client
from claude_run.api.models import list_models
from claude_run.errors import MeasureError
from claude_run.record.redact import Redactor
from claude_run.simulator.catalog import MODELS
from claude_run.simulator.replies import Scripted
from claude_run.simulator.server import Simulator
from tests.support.scripted_server import Answer, RawServer, error_answer, http, in_turn, json_answer
from tests.unit.api.scripted_client import KEY
from tests.unit.simulator.in_order import InOrder

if TYPE_CHECKING:
    from collections.abc import Sequence


def _ask(environment: pytest.MonkeyPatch, *answers: Answer) -> tuple[Sequence[Any], list[str]]:
    """Return the models that these answers list, and the paths that were asked for."""
    environment.setenv("ANTHROPIC_API_KEY", KEY)
    with RawServer(respond=in_turn(*answers)) as server:
        environment.setenv("ANTHROPIC_BASE_URL", server.base_url)

        async def talk() -> Sequence[Any]:
            async with open_client(attempt_s=0.5) as client:
                return await list_models(client, Redactor())

        return asyncio.run(talk()), [each.path for each in server.ledger]


def _page(*ids: str, more: bool = False, **fields: Any) -> Answer:
    return json_answer({"data": [{"id": each, **fields} for each in ids], "has_more": more})


def test_the_simulator_tells_all_its_models() -> None:
    """Everything that it says of each arrives as it is."""

    async def talk() -> Sequence[Any]:
        async with (
            Simulator(replies=InOrder([Scripted(content="")])) as simulator,
            open_client(attempt_s=10.0, simulator_url=simulator.base_url) as client,
        ):
            return await list_models(client, Redactor())

    assert list(asyncio.run(talk())) == [model.info() for model in MODELS]


def test_pages_are_followed(clean_environment: pytest.MonkeyPatch) -> None:
    """The last id of a page is the cursor of the next."""
    found, paths = _ask(clean_environment, _page("a", "b", more=True), _page("c"))
    assert [each["id"] for each in found] == ["a", "b", "c"]
    assert paths == ["/v1/models?limit=100", "/v1/models?after_id=b&limit=100"]


def test_a_page_that_brings_nothing_new_is_the_last(clean_environment: pytest.MonkeyPatch) -> None:
    """A server that says `has_more` for ever is asked twice."""
    found, paths = _ask(clean_environment, _page("a", more=True))
    assert ([each["id"] for each in found], len(paths)) == (["a"], 2)


def test_a_list_without_an_end_is_no_list(clean_environment: pytest.MonkeyPatch) -> None:
    """Cut off, it would make the models behind the cut look as if they were gone."""
    pages = [_page(f"model-{number}", more=True) for number in range(101)]
    with pytest.raises(MeasureError, match="the list of models goes on after 100 pages"):
        _ask(clean_environment, *pages)


def test_the_credential_leaves_no_trace(clean_environment: pytest.MonkeyPatch) -> None:
    """A server may send it back, as a name or in an error."""
    found, _ = _ask(clean_environment, _page("a", display_name=f"me {KEY}"))
    assert KEY not in json.dumps(found)
    with pytest.raises(MeasureError) as caught:
        _ask(clean_environment, error_answer("authentication_error", f"no {KEY}", status=401))
    assert str(caught.value) == "401 authentication_error: no [redacted]"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (error_answer("not_found_error", "no such path", status=404), "404 not_found_error: no such path"),
        (http(b"<p>Log in</p>", kind="text/html"), "the API lists no models, it says: <p>Log in</p>"),
        (json_answer({"data": [{"name": "a"}]}), "the API lists no models, it says"),
        (json_answer({"object": "list"}), "the API lists no models, it says"),
        (json_answer([]), "the API lists no models, it says: []"),
        (Answer(data=b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{"), "the reply was cut off"),
        (Answer(reset=True), "was cut"),
        (Answer(silent=True), "the API fell silent"),
        (http(b" " * (4 * 1024 * 1024 + 1)), "the list of models is longer than 4194304 bytes"),
    ],
    ids=["404", "html", "no id", "no data", "no object", "cut", "reset", "silent", "endless"],
)
def test_what_is_no_list_of_models_is_one_error(
    clean_environment: pytest.MonkeyPatch, answer: Answer, told: str
) -> None:
    """It says what came in place of a list."""
    with pytest.raises(MeasureError) as caught:
        _ask(clean_environment, answer)
    assert told in str(caught.value)
