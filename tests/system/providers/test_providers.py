"""Each provider of the SDK at a local server: what arrives there, what is kept, what is refused before."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from claude_run.plan.providers import PROVIDER_NAMES
from tests.support.scripted_server import (
    Answer,
    RawServer,
    ReceivedRequest,
    error_answer,
    events_of,
    http,
    in_turn,
    json_answer,
    message,
    sse,
    stream_answer,
)
from tests.system.harness.workspace import KEY
from tests.system.providers.setups import (
    BEDROCK_MODEL,
    HAS_AWS,
    HAS_GOOGLE,
    NAMES_MODEL_IN_PATH,
    SECRET,
    SETUPS,
    asked_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.system.harness.workspace import Workspace
    from tests.system.providers.setups import Setup

NAMES = sorted(SETUPS)


def scenario(model: str, *, max_tokens: int = 100, more: str = "") -> str:
    """Return a scenario of two turns."""
    return (
        f"model: '{model}'\nmax_tokens: {max_tokens}\nsystem: Be kind.\n{more}"
        "turns:\n  - user: one\n  - user: two\n"
    )


def test_every_provider_is_tried() -> None:
    """Whoever adds one adds how it is reached."""
    assert {*NAMES, "anthropic"} == set(PROVIDER_NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_talk_through_each(workspace: Workspace, name: str) -> None:
    """Address, credential and body are the provider's; the key of Anthropic's own API goes nowhere."""
    setup = SETUPS[name]
    workspace.secrets.append(SECRET)
    workspace.write("s.yaml", scenario(setup.model))
    answers = [
        json_answer(
            message({"type": "text", "text": word}, model=setup.answers), headers=[f"request-id: {word}"]
        )
        for word in ("first", "second")
    ]
    with RawServer(respond=in_turn(*answers)) as server:
        env = setup.environment(server.base_url)
        result = workspace.run("s.yaml", "--provider", name, "-o", "out", env=env, url="http://127.0.0.1:9")
        first, second = server.ledger
    assert result.code == 0, result.stderr

    for request in (first, second):
        assert (request.method, request.path) == ("POST", setup.path)
        for header, value in setup.headers.items():
            assert request.headers[header] == value
        assert KEY not in repr(request)
    system = [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}]
    asked = asked_of(setup, first)
    assert asked.pop("cache_control", None) == (None if name == "bedrock" else {"type": "ephemeral"})
    one = {"role": "user", "content": "one"}
    assert asked == {"max_tokens": 100, "system": system, "messages": [one]}
    assert asked_of(setup, second)["messages"] == [
        one,
        {"role": "assistant", "content": [{"type": "text", "text": "first"}]},
        {"role": "user", "content": "two"},
    ]

    (talk,) = workspace.transcripts().values()
    assert [turn["reply"]["text"] for turn in talk["turns"] if turn["reply"]] == ["first", "second"]
    assert [turn["reply"]["model"] for turn in talk["turns"] if turn["reply"]] == [setup.answers] * 2
    assert talk["model"] == setup.model
    assert talk["cost_usd"] is not None
    saved = json.loads((workspace.folder / "out" / "run.json").read_bytes())
    assert saved["options"]["provider"] == name


@pytest.mark.parametrize("name", NAMES)
def test_long_replies_are_streamed_where_the_stream_is_one_of_events(workspace: Workspace, name: str) -> None:
    """All but Amazon Bedrock's InvokeModel, whose frames are its own: there a reply comes whole."""
    setup = SETUPS[name]
    workspace.write("s.yaml", scenario(setup.model, max_tokens=20_000))

    def respond(request: ReceivedRequest) -> Answer:
        said = message({"type": "text", "text": "It streams."}, model=setup.answers)
        if "stream" in request.path or request.body.get("stream"):
            return stream_answer(sse(events_of(said)))
        return json_answer(said)

    with RawServer(respond=respond) as server:
        env = setup.environment(server.base_url)
        result = workspace.run("s.yaml", "--provider", name, "-o", "out", env=env)
        asked = server.ledger[0]
    assert result.code == 0, result.stderr
    assert asked.path == (setup.streamed_path or setup.path)
    streams = "stream" in asked.path or asked.body.get("stream")
    assert bool(streams) == (name != "bedrock")
    (talk,) = workspace.transcripts().values()
    assert talk["turns"][0]["reply"]["text"] == "It streams."


@pytest.mark.parametrize("name", NAMES)
def test_a_server_that_echoes_the_credential(workspace: Workspace, name: str) -> None:
    """It is taken out of replies and of errors, whichever variable it came from."""
    setup = SETUPS[name]
    workspace.secrets.append(SECRET)
    workspace.write("s.yaml", scenario(setup.model))
    said = json_answer(message({"type": "text", "text": f"It is {SECRET}."}, model=setup.answers))
    refused = error_answer("invalid_request_error", f"{SECRET} is bad", status=400)
    with RawServer(respond=in_turn(said, refused)) as server:
        env = setup.environment(server.base_url)
        result = workspace.run("s.yaml", "--provider", name, "-o", "out", "-vv", env=env)
    assert result.code == 3
    (talk,) = workspace.transcripts().values()
    assert talk["turns"][0]["reply"]["text"] == "It is [redacted]."
    assert talk["error"].startswith("400 invalid_request_error: [redacted] is bad")


def refusals(setup: Setup) -> Sequence[tuple[str, str]]:
    """Return each variable that the provider cannot do without, and what is said where it is not set."""
    known = {
        "aws": [
            ("AWS_REGION", "--provider aws needs the region of the Claude Platform on AWS: set AWS_REGION"),
            (
                "ANTHROPIC_AWS_WORKSPACE_ID",
                "needs the workspace of the Claude Platform on AWS: set ANTHROPIC_AWS_WORKSPACE_ID",
            ),
        ],
        "bedrock": [("AWS_REGION", "needs the region of Amazon Bedrock: set AWS_REGION")],
        "bedrock-mantle": [("AWS_DEFAULT_REGION", "set AWS_REGION")],
        "vertex": [
            ("CLOUD_ML_REGION", "needs the region of Google Vertex AI: set CLOUD_ML_REGION"),
            (
                "ANTHROPIC_VERTEX_PROJECT_ID",
                "the project of Google Vertex AI: set ANTHROPIC_VERTEX_PROJECT_ID",
            ),
        ],
        "google-cloud": [
            ("ANTHROPIC_GOOGLE_CLOUD_BASE_URL", "set ANTHROPIC_GOOGLE_CLOUD_PROJECT or GOOGLE_CLOUD_PROJECT")
        ],
        "foundry": [
            (
                "ANTHROPIC_FOUNDRY_BASE_URL",
                "set ANTHROPIC_FOUNDRY_RESOURCE or ANTHROPIC_FOUNDRY_BASE_URL",
            )
        ],
    }
    return known[setup.name]


@pytest.mark.parametrize(
    ("name", "missing", "words"), [(name, *each) for name in NAMES for each in refusals(SETUPS[name])]
)
@pytest.mark.parametrize("blank", [False, True], ids=["unset", "blank"])
def test_a_setting_that_is_missing(
    workspace: Workspace, name: str, missing: str, words: str, *, blank: bool
) -> None:
    """It is named with its variable, nothing is sent, and no folder is made."""
    setup = SETUPS[name]
    workspace.write("s.yaml", scenario(setup.model))
    with RawServer(respond=in_turn(Answer())) as server:
        env = setup.environment(server.base_url)
        del env[missing]
        if blank:
            env[missing] = "  "
        result = workspace.run("s.yaml", "--provider", name, "-o", "out", env=env)
        assert server.ledger == []
    assert (result.code, result.stdout) == (2, "")
    assert words in result.stderr
    assert not (workspace.folder / "out").exists()


@pytest.mark.parametrize(
    ("name", "key", "words"),
    [
        pytest.param(*each, marks=pytest.mark.skipif(has, reason="the extra is installed"))
        for has, each in (
            (HAS_AWS, ("aws", "ANTHROPIC_AWS_API_KEY", "[aws]', or set ANTHROPIC_AWS_API_KEY")),
            (HAS_AWS, ("bedrock", "AWS_BEARER_TOKEN_BEDROCK", "[bedrock]', or set AWS_BEARER_TOKEN_BEDROCK")),
            (HAS_AWS, ("bedrock-mantle", "AWS_BEARER_TOKEN_BEDROCK", "[bedrock]', or set AWS_BEARER_TOKEN")),
            (HAS_GOOGLE, ("vertex", "ANTHROPIC_CUSTOM_HEADERS", "[vertex]'\n")),
            (HAS_GOOGLE, ("google-cloud", "ANTHROPIC_CUSTOM_HEADERS", "[google-cloud]'\n")),
        )
    ],
)
def test_an_extra_that_is_missing(workspace: Workspace, name: str, key: str, words: str) -> None:
    """What to install is said, and which key makes it needless."""
    setup = SETUPS[name]
    workspace.write("s.yaml", scenario(setup.model))
    env = setup.environment("http://127.0.0.1:9")
    del env[key]
    result = workspace.run("s.yaml", "--provider", name, "-o", "out", env=env)
    assert (result.code, result.stdout) == (2, "")
    assert f"error: --provider {name} " in result.stderr
    assert f"pip install 'claude-run{words}" in result.stderr
    assert not (workspace.folder / "out").exists()


def test_a_key_that_is_missing(workspace: Workspace) -> None:
    """A provider without a login of another kind names its variable."""
    workspace.write("s.yaml", scenario("claude-haiku-5-5"))
    env = {"ANTHROPIC_FOUNDRY_RESOURCE": "mine"}
    result = workspace.run("s.yaml", "--provider", "foundry", env=env)
    assert result.code == 3
    assert "no credentials for Microsoft Foundry were found: set ANTHROPIC_FOUNDRY_API_KEY" in result.stderr
    env = SETUPS["foundry"].environment("http://127.0.0.1:9") | env
    result = workspace.run("s.yaml", "--provider", "foundry", env=env)
    assert result.code == 2
    assert "both say where Microsoft Foundry is: keep one of them" in result.stderr


@pytest.mark.parametrize("name", NAMES)
def test_an_address_that_cannot_be(workspace: Workspace, name: str) -> None:
    """The provider's own variable is named, and not that of Anthropic's API."""
    setup = SETUPS[name]
    workspace.write("s.yaml", scenario(setup.model))
    env = {**setup.environment(""), setup.address: "ftp://there"}
    result = workspace.run("s.yaml", "--provider", name, env=env)
    assert result.code == 3
    assert f"{setup.address} is not an http or https address" in result.stderr
    env[setup.address] = "http://127.0.0.1:9"
    result = workspace.run("s.yaml", "--provider", name, "--patience", "0s", "-o", "out", env=env)
    assert result.code == 3
    assert f"cannot be reached at http://127.0.0.1:9 ({setup.address})" in result.stdout


AWS_ERROR: Mapping[int, tuple[str, str]] = {
    400: ("ValidationException", "The provided model identifier is invalid."),
    403: ("AccessDeniedException", "You do not have access."),
    404: ("ResourceNotFoundException", "This model is gone."),
}


@pytest.mark.parametrize("status", sorted(AWS_ERROR))
def test_the_words_of_amazon_are_said(workspace: Workspace, status: int) -> None:
    """Its errors have a form of their own."""
    kind, words = AWS_ERROR[status]
    body = json.dumps({"message": words}).encode()
    headers = [f"x-amzn-errortype: {kind}:http://internal.amazon.com/x", "x-amzn-requestid: req-1"]
    workspace.write("s.yaml", scenario(BEDROCK_MODEL))
    with RawServer(respond=in_turn(http(body, status=status, headers=headers))) as server:
        env = SETUPS["bedrock"].environment(server.base_url)
        result = workspace.run("s.yaml", "--provider", "bedrock", "-o", "out", env=env)
        assert len(server.ledger) == 1
    assert result.code == 3
    assert f"{status} {kind}: {words}" in result.stdout
    assert [event["failure"]["request_id"] for event in workspace.events("failure")] == ["req-1"]


def test_the_words_of_google_are_said(workspace: Workspace) -> None:
    """A limit passes, a permission does not; both are told as Google says them."""

    def error(status: int, kind: str, words: str) -> Answer:
        return json_answer({"error": {"code": status, "message": words, "status": kind}}, status=status)

    setup = SETUPS["vertex"]
    workspace.write("s.yaml", scenario(setup.model))
    answers = (error(429, "RESOURCE_EXHAUSTED", "Quota."), error(403, "PERMISSION_DENIED", "Not you."))
    with RawServer(respond=in_turn(*answers)) as server:
        result = workspace.run(
            "s.yaml", "--provider", "vertex", "-o", "out", env=setup.environment(server.base_url), speed=200
        )
        assert len(server.ledger) == 2
    assert result.code == 3
    assert "429 RESOURCE_EXHAUSTED: Quota." in result.stderr
    assert "403 PERMISSION_DENIED: Not you." in result.stdout


@pytest.mark.parametrize("name", sorted(NAMES_MODEL_IN_PATH))
def test_headers_of_parameters_go_into_the_body(workspace: Workspace, name: str) -> None:
    """Where the SDK sends betas and an older API version so, sampling of a model that takes it works."""
    setup = SETUPS[name]
    workspace.write("s.yaml", scenario(setup.model, more="temperature: 0.5\nbetas: [a-beta-2026-01-01]\n"))
    said = json_answer(message(model=setup.answers))
    with RawServer(respond=in_turn(said)) as server:
        result = workspace.run("s.yaml", "--provider", name, env=setup.environment(server.base_url))
        asked = server.ledger[0]
    assert result.code == 0, result.stderr
    assert asked.body["anthropic_version"] == "2023-06-01"
    assert asked.body["temperature"] == 0.5
    assert asked.path.partition("?")[0] == setup.path
    assert "a-beta-2026-01-01" in (asked.body.get("anthropic_beta") or asked.headers["anthropic-beta"])


def test_amazon_bedrock_takes_no_breakpoint_of_the_users_at_the_top(workspace: Workspace) -> None:
    """Leaving out what a scenario asks for would be silent; the automatic one is left out."""
    workspace.write("s.yaml", scenario(BEDROCK_MODEL, more="cache_control: {type: ephemeral}\n"))
    env = SETUPS["bedrock"].environment("http://127.0.0.1:9")
    result = workspace.run("s.yaml", "--provider", "bedrock", env=env)
    assert result.code == 2
    assert "s.yaml: Amazon Bedrock takes no `cache_control` at the top of a request" in result.stderr


def test_another_model_is_seen_behind_a_providers_name(workspace: Workspace) -> None:
    """Names that a provider puts around a model do not hide that it is another one."""
    workspace.write("s.yaml", scenario(BEDROCK_MODEL))
    with RawServer(respond=in_turn(json_answer(message(model="claude-haiku-5-5")))) as server:
        env = SETUPS["bedrock"].environment(server.base_url)
        result = workspace.run("s.yaml", "--provider", "bedrock", "-o", "out", env=env)
    assert result.code == 3
    (talk,) = workspace.transcripts().values()
    assert f"{BEDROCK_MODEL} was asked for, and 'claude-haiku-5-5' answered" in talk["error"]


def test_a_run_goes_on_at_its_provider(workspace: Workspace) -> None:
    """Nobody has to say it again, and nobody can say another."""
    setup = SETUPS["bedrock"]
    workspace.write("s.yaml", scenario(setup.model))
    with RawServer(respond=in_turn(json_answer(message(model=setup.answers)))) as server:
        env = setup.environment(server.base_url)
        capped = workspace.run("s.yaml", "--provider", "bedrock", "--max-requests", "1", "-o", "out", env=env)
        assert capped.code == 4
        other = workspace.run("resume", "out", "--provider", "vertex", env=env)
        assert other.code == 2
        assert "--provider" in other.stderr
        resumed = workspace.run("resume", "out", "--max-requests", "5", env=env)
        assert resumed.code == 0, resumed.stderr
        assert [request.path for request in server.ledger] == [setup.path] * 2


def test_the_simulator_answers_in_place_of_any_provider(workspace: Workspace) -> None:
    """On one command line they contradict each other; a provider of the project file gives way."""
    workspace.write("s.yaml", scenario(BEDROCK_MODEL))
    result = workspace.run("s.yaml", "--simulate", "--provider", "bedrock")
    assert result.code == 2
    assert "--simulate answers in place of any provider" in result.stderr
    workspace.write("claude-run.toml", 'provider = "bedrock"\n')
    result = workspace.run("s.yaml", "--simulate", "-o", "out")
    assert result.code == 0, result.stderr
    (talk,) = workspace.transcripts().values()
    assert talk["simulated"] is True
    # Without the simulator it counts.
    setup = SETUPS["bedrock"]
    with RawServer(respond=in_turn(json_answer(message(model=setup.answers)))) as server:
        result = workspace.run("s.yaml", "-o", "real", env=setup.environment(server.base_url))
        assert (result.code, server.ledger[0].path) == (0, setup.path)


def test_a_provider_that_is_none(workspace: Workspace) -> None:
    """The others are named, on the command line and in the project file."""
    workspace.write("s.yaml", scenario("claude-haiku-5-5"))
    result = workspace.run("s.yaml", "--provider", "azure")
    assert result.code == 2
    assert "--provider azure: choose anthropic, aws, bedrock, bedrock-mantle, vertex," in result.stderr
    workspace.write("claude-run.toml", 'provider = "azure"\n')
    result = workspace.run("s.yaml")
    assert result.code == 2
    assert "error: provider azure: choose anthropic" in result.stderr
    assert "claude-run.toml:1:12" in result.stderr


def test_models_are_asked_of_those_that_have_an_api_for_it(workspace: Workspace) -> None:
    """The others are refused by name."""
    result = workspace.run("models", "--refresh", "--provider", "vertex")
    assert result.code == 2
    assert (
        "Google Vertex AI has no Models API to ask; these have one: anthropic, aws, google-cloud"
        in result.stderr
    )
    setup = SETUPS["aws"]
    page = json_answer({"data": [{"id": "claude-of-tomorrow"}], "has_more": False})
    with RawServer(respond=in_turn(page)) as server:
        result = workspace.run(
            "models", "--refresh", "--provider", "aws", env=setup.environment(server.base_url)
        )
        assert server.ledger[0].headers["authorization"] == f"Bearer {SECRET}"
    assert result.code == 0, result.stderr
    assert "claude-of-tomorrow" in result.stdout


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_another_provider_is_imported(workspace: Workspace, name: str) -> None:
    """Nor is an extra that a key makes needless."""
    code = (
        "import asyncio, sys\n"
        "from claude_run.api.client import open_client\n"
        "from claude_run.plan.providers import provider\n"
        "async def open_it():\n"
        "    async with open_client(attempt_s=5, provider=provider(sys.argv[1])) as client:\n"
        "        print(type(client).__name__)\n"
        "asyncio.run(open_it())\n"
        "print([each for each in ('boto3', 'botocore', 'google.auth') if each in sys.modules])\n"
    )
    env = SETUPS[name].environment("http://127.0.0.1:9")
    result = workspace.spawn([sys.executable, "-c", code, name], env=env).wait()
    assert result.code == 0, result.stderr
    client, imported = result.stdout.split("\n")[:2]
    words = {"aws": "AWS", "google-cloud": "GoogleCloud", "bedrock-mantle": "BedrockMantle"}
    assert client == f"AsyncAnthropic{words.get(name, name.capitalize())}"
    assert imported == "[]"


@pytest.mark.parametrize("name", NAMES)
def test_prompts_are_counted_where_the_provider_has_a_key_and_counts(workspace: Workspace, name: str) -> None:
    """By its own address and credential, before anything is paid; the others are not asked at all."""
    setup = SETUPS[name]
    workspace.secrets.append(SECRET)
    workspace.write("s.yaml", scenario(setup.model))
    with RawServer(respond=in_turn(json_answer({"input_tokens": 12}))) as server:
        env = setup.environment(server.base_url)
        result = workspace.run("s.yaml", "--provider", name, "--dry-run", env=env, url="http://127.0.0.1:9")
        asked = list(server.ledger)
    assert result.code == 0, result.stderr
    assert "warning: " not in result.stderr
    assert [request.path for request in asked] == ([f"{setup.path}/count_tokens"] if name == "aws" else [])
    for request in asked:
        assert KEY not in repr(request)
        assert request.headers["authorization"] == setup.headers["authorization"]
