"""What every request would share ends the run once, with exit code 3, and says the way out."""

from __future__ import annotations

import hashlib
import socket
from typing import TYPE_CHECKING

import pytest

from tests.support.scripted_server import Answer, RawServer, error_answer, http, json_answer
from tests.system.faults.api import Api, ok, scenario

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.faults.api import TurnRequest
    from tests.system.harness.workspace import Workspace

CASES = [f"c{number}" for number in range(40)]
NOT_FOUND = json_answer({"detail": "Not Found"}, status=404)
BROKE = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."


def test_a_key_with_a_line_break_at_its_end_works(workspace: Workspace) -> None:
    """It is surely not meant; one in its middle ends the run before anything is sent or written."""
    workspace.write("s.yaml", scenario("a", turns=1))
    with Api(answer=lambda _asked: ok()) as api:
        assert (
            workspace.run("s.yaml", "-o", "out", url=api.url, env={"ANTHROPIC_API_KEY": "key-x\n"}).code == 0
        )
        assert api.ledger[0].http.headers["authorization"] == "Bearer key-x"
        result = workspace.run("s.yaml", "-o", "none", url=api.url, env={"ANTHROPIC_API_KEY": "key\nx"})
        assert len(api.ledger) == 1
    assert result.code == 3
    assert result.stderr.count("ANTHROPIC_API_KEY holds a line break") == 1
    assert not (workspace.folder / "none").exists()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (error_answer("invalid_request_error", BROKE, status=400), BROKE),
        (json_answer({"error": {"message": "Unknown model group"}}, status=400), "Unknown model group"),
        (http(b"<html>", status=405, kind="text/html"), "405 with text/html"),
    ],
)
def test_an_answer_that_every_request_gets_ends_the_run(
    workspace: Workspace, answer: Answer, words: str
) -> None:
    """A few requests are enough, and the reason is said once."""
    workspace.write("s.yaml", scenario(*CASES, turns=1))
    with Api(answer=lambda _asked: answer) as api:
        result = workspace.run("s.yaml", "-o", "out", "-q", "-j", "2", url=api.url, speed=50)
        assert len(api.ledger) <= 7
    assert result.code == 3
    assert words in workspace.summary()["exit_reason"]


def test_a_refusal_with_a_new_id_in_it_ends_the_run_too(workspace: Workspace) -> None:
    """The words are the same; one case that is refused by itself stops nobody."""
    workspace.write("s.yaml", scenario(*CASES, turns=1))

    def traced(asked: TurnRequest) -> Answer:
        trace = hashlib.sha256(asked.case.encode()).hexdigest()
        return error_answer("invalid_request_error", f"rejected by policy (trace {trace})", status=400)

    with Api(answer=traced) as api:
        assert workspace.run("s.yaml", "-o", "all", "-q", "-j", "2", url=api.url, speed=50).code == 3
        assert len(api.ledger) <= 7
    assert "rejected by policy" in workspace.summary("all")["exit_reason"]
    with Api(answer=lambda asked: traced(asked) if asked.case == "c0" else ok()) as api:
        assert workspace.run("s.yaml", "-o", "one", "-q", "-j", "2", url=api.url, speed=50).code == 3
        assert len(api.ledger) == len(CASES)


@pytest.mark.parametrize(
    ("path", "words"),
    [("/v1", "/v1/v1/messages: set ANTHROPIC_BASE_URL without /v1"), ("/gw", "/gw/v1/messages: look at")],
)
def test_an_address_where_nobody_serves_the_api(workspace: Workspace, path: str, words: str) -> None:
    """The 404 is not the API's own: the address that was called is named, and one request is enough."""
    workspace.write("s.yaml", scenario(*CASES, turns=1))
    with RawServer(respond=lambda _request: NOT_FOUND) as server:
        url = server.base_url
        result = workspace.run("s.yaml", "-o", "out", "-q", "-j", "1", url=url + path, speed=50)
        assert len(server.ledger) == 1
    assert result.code == 3
    reason = workspace.summary()["exit_reason"]
    assert f"the request went to {url}" in reason
    assert words in reason


def test_a_gateway_that_speaks_as_the_api_knows_no_doubled_address(workspace: Workspace) -> None:
    """Its 404 has the API's form and tells nothing: what was called is named, and how to write it."""
    workspace.write("s.yaml", scenario(*CASES, turns=1))
    lost = error_answer("not_found_error", "Not found", status=404)
    with RawServer(respond=lambda _request: lost) as server:
        url = f"{server.base_url}/v1"
        assert workspace.run("s.yaml", "-o", "out", "-q", "-j", "1", url=url, speed=50).code == 3
    reason = workspace.summary()["exit_reason"]
    assert f"not_found_error: Not found; the request went to {url}/v1/messages" in reason
    assert "set ANTHROPIC_BASE_URL without /v1" in reason


def test_what_cannot_be_used_is_named_before_anything_is_sent(workspace: Workspace, tmp_path: Path) -> None:
    """Proxies that speak SOCKS, certificates, addresses: once, with the variable, and no password."""
    workspace.secrets.append("pass-word")
    workspace.write("s.yaml", scenario(*CASES, turns=1))
    absent = tmp_path / "absent.pem"
    with RawServer(respond=lambda _request: ok()) as server:
        host = server.base_url.partition("//")[2]
        for env, words in (
            ({"ALL_PROXY": f"socks5://me:pass-word@{host}"}, "ALL_PROXY is 'socks5://"),
            ({"SSL_CERT_FILE": str(absent)}, f"SSL_CERT_FILE names '{absent}'"),
            ({"ANTHROPIC_BASE_URL": f"http://me:pass-word@{host}"}, "ANTHROPIC_BASE_URL holds a user name"),
            ({"ANTHROPIC_BASE_URL": f"me:pass-word@[{host}"}, "ANTHROPIC_BASE_URL holds a user name"),
            ({"ANTHROPIC_BASE_URL": "http://127.0.0.1:99999"}, "ANTHROPIC_BASE_URL is not a valid address"),
            ({"ANTHROPIC_BASE_URL": host}, "ANTHROPIC_BASE_URL has no scheme"),
            ({"ANTHROPIC_BASE_URL": "http://a..b"}, "ANTHROPIC_BASE_URL names a host that cannot exist"),
            ({"ANTHROPIC_BASE_URL": "http://me:pass-word://pass-word@[::1"}, "ANTHROPIC_BASE_URL is not a"),
            ({"HTTP_PROXY": f"http://me:pass-word://z@{host}9999"}, "HTTP_PROXY is 'http://127.0.0.1:"),
            ({"ANTHROPIC_API_KEY": "sk-ant pass-word"}, "ANTHROPIC_API_KEY holds a blank"),
            ({"ANTHROPIC_API_KEY": "Bearer pass-word"}, "ANTHROPIC_API_KEY begins with the word Bearer"),
        ):
            result = workspace.run("s.yaml", "-o", "out", url="http://api.example", env=env)
            assert result.code == 3, env
            assert result.stderr.count(words) == 1, result.stderr
            assert not (workspace.folder / "out").exists()
        assert server.ledger == []


def test_a_connection_error_names_the_address_and_its_variable(workspace: Workspace) -> None:
    """Whoever cannot be reached is named, with where that was written."""
    workspace.write("s.yaml", scenario("a", turns=1))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert workspace.run("s.yaml", "-o", "out", "-q", url=url, speed=200).code == 3
    assert workspace.transcripts()["a"]["error"].startswith(
        f"the API cannot be reached at {url} (ANTHROPIC_BASE_URL): "
    )
