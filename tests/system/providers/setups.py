"""What each provider needs to be reached at a local server, and what a request to it looks like."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.scripted_server import ReceivedRequest

SECRET = "canary-of-a-cloud-7f3a9c51e0b2"  # noqa: S105 - a canary
BEDROCK_MODEL = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
GOOGLE_MODEL = "claude-haiku-4-5@20251001"

HAS_AWS = find_spec("boto3") is not None
HAS_GOOGLE = find_spec("google") is not None and find_spec("google.auth") is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A provider with a key in the environment: its variables, but for the address, and how it is asked.

    `headers` are those that hold the key, and others that it needs; `answers` is what a reply calls it.
    """

    name: str
    address: str
    below: str = ""
    env: Mapping[str, str]
    model: str = "claude-haiku-5-5"
    answers: str = "claude-haiku-5-5"
    path: str = "/v1/messages"
    streamed_path: str | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: {"authorization": f"Bearer {SECRET}"})

    def environment(self, url: str) -> dict[str, str]:
        """Return the variables with which the provider is reached at this address."""
        return {**self.env, self.address: url + self.below}


_GOOGLE = {"ANTHROPIC_CUSTOM_HEADERS": f"Authorization: Bearer {SECRET}"}
_MODELS = "/projects/a-project/locations/europe-west1/publishers/anthropic/models"

SETUPS = {
    each.name: each
    for each in (
        Setup(
            name="aws",
            address="ANTHROPIC_AWS_BASE_URL",
            env={
                "ANTHROPIC_AWS_API_KEY": SECRET,
                "ANTHROPIC_AWS_WORKSPACE_ID": "wrkspc_1",
                "AWS_REGION": "us-east-1",
            },
            headers={"authorization": f"Bearer {SECRET}", "anthropic-workspace-id": "wrkspc_1"},
        ),
        Setup(
            name="bedrock",
            address="ANTHROPIC_BEDROCK_BASE_URL",
            env={"AWS_BEARER_TOKEN_BEDROCK": SECRET, "AWS_REGION": "us-east-1"},
            model=BEDROCK_MODEL,
            answers="claude-haiku-4-5-20251001",
            path=f"/model/{BEDROCK_MODEL}/invoke",
            streamed_path=f"/model/{BEDROCK_MODEL}/invoke",
        ),
        Setup(
            name="bedrock-mantle",
            address="ANTHROPIC_BEDROCK_MANTLE_BASE_URL",
            below="/anthropic",
            env={"AWS_BEARER_TOKEN_BEDROCK": SECRET, "AWS_DEFAULT_REGION": "us-east-1"},
            model="anthropic.claude-haiku-5-5",
            path="/anthropic/v1/messages",
        ),
        Setup(
            name="vertex",
            address="ANTHROPIC_VERTEX_BASE_URL",
            below="/v1",
            env={
                "CLOUD_ML_REGION": "europe-west1",
                "ANTHROPIC_VERTEX_PROJECT_ID": "a-project",
                **_GOOGLE,
            },
            model=GOOGLE_MODEL,
            answers="claude-haiku-4-5-20251001",
            path=f"/v1{_MODELS}/{GOOGLE_MODEL}:rawPredict",
            streamed_path=f"/v1{_MODELS}/{GOOGLE_MODEL}:streamRawPredict",
        ),
        Setup(
            name="google-cloud",
            address="ANTHROPIC_GOOGLE_CLOUD_BASE_URL",
            env={"ANTHROPIC_GOOGLE_CLOUD_WORKSPACE_ID": "wrkspc_1", **_GOOGLE},
        ),
        Setup(
            name="foundry",
            address="ANTHROPIC_FOUNDRY_BASE_URL",
            below="/anthropic",
            env={"ANTHROPIC_FOUNDRY_API_KEY": SECRET},
            path="/anthropic/v1/messages",
            headers={"x-api-key": SECRET, "api-key": SECRET},
        ),
    )
}

NAMES_MODEL_IN_PATH = {"bedrock", "vertex"}


def asked_of(setup: Setup, request: ReceivedRequest) -> dict[str, Any]:
    """Return the body of a request without what a provider adds, once that was looked at."""
    body = dict(request.body)
    if setup.name in NAMES_MODEL_IN_PATH:
        assert body.pop("anthropic_version") == "2026-10-21"
        assert "model" not in body
    else:
        assert body.pop("model") == setup.model
    body.pop("stream", None)
    return body
