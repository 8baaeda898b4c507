"""What the how-to on gateways says, tried with a gateway, a proxy and a certificate of this machine."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.docs.page_examples import blocks
from tests.docs.pages import ROOT
from tests.support.scripted_server import RawServer, http, in_turn, json_answer, message
from tests.system.providers.gateway import NAME, Gateway, Tunnels, make_certificate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.harness.workspace import Workspace

PAGE = (ROOT / "docs/how-to/behind-a-gateway.md").read_text(encoding="utf-8")
TOKEN = "your-token-for-the-gateway"  # noqa: S105 - the page's
NO_KEY = {"ANTHROPIC_API_KEY": "", "ANTHROPIC_BASE_URL": ""}
SCENARIO = "model: claude-haiku-5-5\nmax_tokens: 100\nturns:\n  - user: one\n"
SAID = json_answer(message())
PASSWORD = "canary-of-a-proxy"  # noqa: S105 - a canary


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the gateway's certificate and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the command openssl")
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def test_the_file_of_the_page_reaches_a_gateway(certificate: tuple[Path, Path], workspace: Workspace) -> None:
    """By its own name and certificate, through the tunnel of a proxy, with token and headers as shown."""
    (example,) = (block for block in blocks(PAGE) if block.name == "gateway.env")
    workspace.write("s.yaml", SCENARIO)
    workspace.write("gateway.env", example.body)
    shutil.copy(certificate[0], workspace.folder / "gateway-ca.pem")
    with (
        Gateway(respond=in_turn(SAID), certificate=certificate) as gateway,
        Tunnels(to_port=gateway.port) as proxy,
    ):
        env = {**NO_KEY, "HTTPS_PROXY": f"http://me:{PASSWORD}@127.0.0.1:{proxy.port}"}
        result = workspace.run("s.yaml", "--env-file", "gateway.env", env=env)
        assert result.code == 0, result.stderr
        (request,) = gateway.ledger
        (head,) = proxy.asked
    assert request.path == "/anthropic/v1/messages"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert (request.headers["x-team"], request.headers["x-cost-center"]) == ("evals", "4711")
    assert head.startswith(f"CONNECT {NAME}:443 HTTP/1.1\r\n")
    assert "proxy-authorization: basic " in head.lower()
    assert TOKEN not in head


def test_a_certificate_that_nobody_trusts(certificate: tuple[Path, Path], workspace: Workspace) -> None:
    """Without `SSL_CERT_FILE` nothing is sent, and the way that was tried is said without its password."""
    workspace.secrets.append(PASSWORD)
    workspace.write("s.yaml", SCENARIO)
    with (
        Gateway(respond=in_turn(SAID), certificate=certificate) as gateway,
        Tunnels(to_port=gateway.port) as proxy,
    ):
        where = f"http://127.0.0.1:{proxy.port}"
        env = {"HTTPS_PROXY": f"http://me:{PASSWORD}@127.0.0.1:{proxy.port}"}
        result = workspace.run("s.yaml", "--patience", "0s", url=f"https://{NAME}", env=env)
        assert gateway.ledger == []
    assert result.code == 3
    route = f"https://{NAME} (ANTHROPIC_BASE_URL) through the proxy '{where}' (HTTPS_PROXY)"
    assert f"the API cannot be reached at {route}" in result.stdout
    assert "certificate verify failed" in result.stdout


def test_hosts_that_need_no_proxy(workspace: Workspace) -> None:
    """`NO_PROXY` names hosts, domains and networks."""
    workspace.write("s.yaml", SCENARIO)
    with RawServer(respond=in_turn(SAID)) as server:
        for direct in ("127.0.0.1", "127.0.0.0/8"):
            env = {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": f"a.example,{direct}"}
            assert workspace.run("s.yaml", url=server.base_url, env=env).code == 0, direct


@pytest.mark.parametrize(
    ("env", "header", "value"),
    [
        ({"ANTHROPIC_AUTH_TOKEN": "token"}, "authorization", "Bearer token"),
        ({"ANTHROPIC_API_KEY": "key"}, "authorization", "Bearer key"),
        ({"ANTHROPIC_API_KEY": "key", "ANTHROPIC_AUTH_TOKEN": "token"}, "authorization", "Bearer key"),
        ({"ANTHROPIC_CUSTOM_HEADERS": "x-api-key: gateway"}, "x-api-key", "gateway"),
        ({"ANTHROPIC_CUSTOM_HEADERS": "Authorization: Bearer own"}, "authorization", "Bearer own"),
        ({"ANTHROPIC_API_KEY": "key", "ANTHROPIC_CUSTOM_HEADERS": "x-own: mine"}, "x-own", "mine"),
    ],
)
def test_each_way_to_say_who_asks(workspace: Workspace, env: dict[str, str], header: str, value: str) -> None:
    """As the table of the page has them."""
    workspace.write("s.yaml", SCENARIO)
    with RawServer(respond=in_turn(SAID)) as server:
        result = workspace.run("s.yaml", url=server.base_url, env={"ANTHROPIC_API_KEY": "", **env})
        assert result.code == 0, result.stderr
        assert server.ledger[0].headers[header] == value


@pytest.mark.parametrize("name", ["X-Gateway-Auth", "x-api-key", "Proxy-Token", "Cookie", "x-password"])
def test_a_header_like_a_credential_is_one(workspace: Workspace, name: str) -> None:
    """What a gateway sends back of it is replaced."""
    secret = "canary-of-a-header-0123456789"  # noqa: S105 - a canary
    workspace.secrets.append(secret)
    workspace.write("s.yaml", SCENARIO)
    said = json_answer(message({"type": "text", "text": f"You sent {secret}."}))
    with RawServer(respond=in_turn(said)) as server:
        env = {"ANTHROPIC_CUSTOM_HEADERS": f"{name}: {secret}"}
        result = workspace.run("s.yaml", "-o", "out", url=server.base_url, env=env)
        assert result.code == 0, result.stderr
        assert server.ledger[0].headers[name.lower()] == secret
    (row,) = workspace.transcripts().values()
    assert row["turns"][0]["reply"]["text"] == "You sent [redacted]."


def test_a_bad_header_is_told_before_anything_is_sent(workspace: Workspace) -> None:
    """By its line, with exit code 2."""
    workspace.write("s.yaml", SCENARIO)
    with RawServer(respond=in_turn(SAID)) as server:
        env = {"ANTHROPIC_CUSTOM_HEADERS": r"x-team: evals\nx-run: 7"}
        result = workspace.run("s.yaml", "-o", "out", url=server.base_url, env=env)
        assert server.ledger == []
    assert (result.code, result.stdout) == (2, "")
    assert result.stderr == (
        "error: 'x-team' of ANTHROPIC_CUSTOM_HEADERS holds a backslash and an n where the next header begins:"
        " a new line begins with a line break, in a shell $'A: 1\\nB: 2'\n"
    )
    assert not (workspace.folder / "out").exists()


def test_an_address_with_v1_and_one_that_redirects(workspace: Workspace) -> None:
    """Both say what to do, or why not."""
    workspace.write("s.yaml", SCENARIO)
    with RawServer(respond=in_turn(http(b"not found", status=404, kind="text/plain"))) as server:
        result = workspace.run("s.yaml", url=f"{server.base_url}/v1")
    assert result.code == 3
    assert "set ANTHROPIC_BASE_URL without /v1" in result.stdout
    moved = http(b"", status=307, headers=["location: http://127.0.0.1:9/v1/messages"])
    with RawServer(respond=in_turn(moved)) as server:
        result = workspace.run("s.yaml", url=server.base_url)
    assert result.code == 3
    assert "the API redirects, which is refused because the prompt would follow" in result.stdout


def test_a_gateway_that_calls_the_model_otherwise(workspace: Workspace) -> None:
    """It is refused until it is allowed, as the page allows it in the project file."""
    workspace.write("s.yaml", SCENARIO)
    (example,) = (block for block in blocks(PAGE) if block.language == "toml")
    with RawServer(respond=in_turn(json_answer(message(model="gateway/haiku")))) as server:
        refused = workspace.run("s.yaml", url=server.base_url)
        assert refused.code == 3
        assert "--allow-model claude-haiku-5-5=gateway/haiku" in refused.stdout
        allow = ("--allow-model", "claude-haiku-5-5=gateway/haiku")
        assert workspace.run("s.yaml", *allow, url=server.base_url).code == 0
        workspace.write("claude-run.toml", example.body)
        assert workspace.run("s.yaml", url=server.base_url).code == 0


def test_a_gateway_that_speaks_another_api(workspace: Workspace) -> None:
    """What came in place of a message is told."""
    other = {"object": "chat.completion", "choices": [{"message": {"content": "Hi"}}]}
    workspace.write("s.yaml", SCENARIO)
    with RawServer(respond=in_turn(json_answer(other))) as server:
        result = workspace.run("s.yaml", "--patience", "0s", url=server.base_url)
    assert result.code == 3
    assert "invalid reply" in result.stdout
    assert "chat.completion" in result.stdout
