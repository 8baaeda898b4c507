"""Logins that need an extra: signatures with AWS credentials and tokens of Google, by the real libraries.

They run where the extras are installed: `pip install 'claude-run[bedrock,vertex]'`, or `make test-providers`.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.scripted_server import Answer, RawServer, ReceivedRequest, in_turn, json_answer, message
from tests.system.providers.setups import HAS_AWS, HAS_GOOGLE, SETUPS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.harness.workspace import Workspace

ID = "AKIACANARYCANARY0000"
AWS_SECRET = "canary+of/a+secret+key+0123456789abcdefgh"  # noqa: S105 - a canary
SESSION = "canary-session-token-0123456789abcdef"
GOOGLE_TOKEN = "ya29.canary-of-a-google-token-0123456789"  # noqa: S105 - a canary
SERVICES = {"aws": "aws-external-anthropic", "bedrock": "bedrock", "bedrock-mantle": "bedrock-mantle"}
LOGIN = {"AWS_ACCESS_KEY_ID": ID, "AWS_SECRET_ACCESS_KEY": AWS_SECRET, "AWS_SESSION_TOKEN": SESSION}
needs_aws = pytest.mark.skipif(
    not HAS_AWS, reason="needs the extra `bedrock`: `make test-providers` runs these"
)
needs_google = pytest.mark.skipif(
    not HAS_GOOGLE, reason="needs the extra `vertex`: `make test-providers` runs these"
)
OFFLINE = {"AWS_EC2_METADATA_DISABLED": "true", "NO_GCE_CHECK": "true"}


def without_key(name: str, url: str) -> dict[str, str]:
    """Return the variables of a provider without the key that would make a login needless."""
    keys = {"ANTHROPIC_AWS_API_KEY", "AWS_BEARER_TOKEN_BEDROCK", "ANTHROPIC_CUSTOM_HEADERS"}
    env = SETUPS[name].environment(url)
    return {**OFFLINE, **{name: value for name, value in env.items() if name not in keys}}


def talk(name: str) -> str:
    """Return a scenario of one turn."""
    return f"model: '{SETUPS[name].model}'\nmax_tokens: 100\nturns:\n  - user: Grüße\n"


def signature(request: ReceivedRequest, url: str, service: str) -> str:
    """Return the signature that the request should have, made anew of what arrived."""
    auth = pytest.importorskip("botocore.auth")
    requests = pytest.importorskip("botocore.awsrequest")
    login = pytest.importorskip("botocore.credentials").Credentials(ID, AWS_SECRET, SESSION)
    found = re.search(r"SignedHeaders=([^,]+)", request.headers["authorization"])
    assert found is not None
    signed = {name: request.headers[name] for name in found[1].split(";")}
    made = requests.AWSRequest("POST", url + request.path, headers=signed, data=request.raw)
    made.context["timestamp"] = request.headers["x-amz-date"]
    made.context["payload_signing_enabled"] = True
    signer = auth.SigV4Auth(login, service, "us-east-1")
    canonical = signer.canonical_request(made)
    return str(signer.signature(signer.string_to_sign(made, canonical), made))


@needs_aws
@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_request_is_signed_as_it_goes_out(workspace: Workspace, name: str) -> None:
    """What arrives has the signature of what arrives; secret key and session token are written nowhere."""
    workspace.secrets += [AWS_SECRET, SESSION]
    workspace.write("s.yaml", talk(name))
    said = {"type": "text", "text": f"{AWS_SECRET} {SESSION}"}
    answer = json_answer(message(said, model=SETUPS[name].answers))
    with RawServer(respond=in_turn(answer)) as server:
        env = {**without_key(name, server.base_url), **LOGIN}
        result = workspace.run("s.yaml", "--provider", name, "-o", "out", env=env)
        (request,) = server.ledger
        url = server.base_url
    assert result.code == 0, result.stderr
    scope = f"/us-east-1/{SERVICES[name]}/aws4_request"
    assert f"Credential={ID}/" in request.headers["authorization"]
    assert scope in request.headers["authorization"]
    assert request.headers["x-amz-security-token"] == SESSION
    assert request.headers["authorization"].endswith(f"Signature={signature(request, url, SERVICES[name])}")
    (row,) = workspace.transcripts().values()
    assert row["turns"][0]["reply"]["text"] == "[redacted] [redacted]"


@needs_aws
def test_a_profile_of_aws_has_login_and_region(workspace: Workspace, tmp_path_factory: Any) -> None:
    """The files of the AWS tools are read by the library that knows them; what is secret there is known."""
    elsewhere: Path = tmp_path_factory.mktemp("aws")
    (elsewhere / "credentials").write_text(
        f"[evals]\naws_access_key_id = {ID}\naws_secret_access_key = {AWS_SECRET}\n"
    )
    (elsewhere / "config").write_text("[profile evals]\nregion = eu-central-1\n")
    files = {
        "AWS_SHARED_CREDENTIALS_FILE": str(elsewhere / "credentials"),
        "AWS_CONFIG_FILE": str(elsewhere / "config"),
    }
    workspace.secrets.append(AWS_SECRET)
    workspace.write("s.yaml", talk("bedrock"))
    answer = json_answer(message({"type": "text", "text": AWS_SECRET}, model=SETUPS["bedrock"].answers))
    with RawServer(respond=in_turn(answer)) as server:
        env = {**without_key("bedrock", server.base_url), **files}
        del env["AWS_REGION"]
        result = workspace.run("s.yaml", "--provider", "bedrock", env={**env, "AWS_PROFILE": "evals"})
        assert result.code == 0, result.stderr
        assert f"{ID}/" in server.ledger[0].headers["authorization"]
        assert "/eu-central-1/bedrock/" in server.ledger[0].headers["authorization"]
        wrong = workspace.run("s.yaml", "--provider", "bedrock", env={**env, "AWS_PROFILE": "other"})
        none = workspace.run("s.yaml", "--provider", "bedrock", env={**env, "AWS_REGION": "us-east-1"})
        assert len(server.ledger) == 1
    assert wrong.code == none.code == 3
    assert "the AWS credentials cannot be used: The config profile (other) could not be found" in wrong.stderr
    assert (
        "no credentials for Amazon Bedrock were found: set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and"
        " AWS_SECRET_ACCESS_KEY, or AWS_PROFILE" in none.stderr
    )


def service_account(url: str, path: Path) -> Path:
    """Write the key file of a service account whose tokens come from `url`."""
    rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
    forms = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption()).decode()
    path.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": "a-project",
                "private_key_id": hashlib.sha256(pem.encode()).hexdigest(),
                "private_key": pem,
                "client_email": "evals@a-project.example",
                "token_uri": f"{url}/token",
            }
        )
    )
    return path


@needs_google
@pytest.mark.parametrize("name", ["vertex", "google-cloud"])
def test_a_token_of_google_is_fetched_and_used(
    workspace: Workspace, name: str, tmp_path_factory: Any
) -> None:
    """By a key file: the project comes from it too, and the token is written nowhere."""
    workspace.secrets.append(GOOGLE_TOKEN)
    workspace.write("s.yaml", talk(name))

    def respond(request: ReceivedRequest) -> Answer:
        if request.path == "/token":
            return json_answer({"access_token": GOOGLE_TOKEN, "expires_in": 3600, "token_type": "Bearer"})
        said = {"type": "text", "text": f"It is {GOOGLE_TOKEN}."}
        return json_answer(message(said, model=SETUPS[name].answers))

    with RawServer(respond=respond) as server:
        env = without_key(name, server.base_url)
        env.pop("ANTHROPIC_VERTEX_PROJECT_ID", None)
        file = service_account(server.base_url, tmp_path_factory.mktemp("google") / "key.json")
        env["GOOGLE_APPLICATION_CREDENTIALS"] = str(file)
        result = workspace.run("s.yaml", "--provider", name, "-o", "out", env=env)
        assert result.code == 0, result.stderr
        token, request = server.ledger
    assert token.path == "/token"
    assert request.path == SETUPS[name].path
    assert request.headers["authorization"] == f"Bearer {GOOGLE_TOKEN}"
    (row,) = workspace.transcripts().values()
    assert row["turns"][0]["reply"]["text"] == "It is [redacted]."


@needs_google
def test_a_login_at_google_that_fails(workspace: Workspace, tmp_path_factory: Any) -> None:
    """No file, one that is none, and one that is refused: each ends before anything is sent."""
    workspace.write("s.yaml", talk("vertex"))
    folder: Path = tmp_path_factory.mktemp("google")
    refused = json_answer({"error": "invalid_grant", "error_description": "Account is gone."}, status=400)
    with RawServer(respond=in_turn(refused)) as server:
        env = without_key("vertex", server.base_url)
        (folder / "odd.json").write_text("{}")
        good = service_account(server.base_url, folder / "key.json")
        for path, words in (
            (
                folder / "absent.json",
                "no credentials for Google Vertex AI were found: set GOOGLE_APPLICATION",
            ),
            (folder / "odd.json", "no credentials for Google Vertex AI were found"),
            (good, "the Google credentials cannot be used"),
        ):
            variables = {**env, "GOOGLE_APPLICATION_CREDENTIALS": str(path)}
            result = workspace.run("s.yaml", "--provider", "vertex", env=variables)
            assert (result.code, result.stdout) == (3, ""), result.stderr
            assert words in result.stderr
        assert {request.path for request in server.ledger} == {"/token"}
