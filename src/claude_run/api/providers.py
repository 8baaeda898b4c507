"""The one factory of the SDK's clients: for each provider the client that the SDK has, and nothing else.

What a provider needs besides, such as `boto3` for signatures, is an extra: it is imported for the provider
that is chosen, and only where no key makes it needless. Settings come from the SDK's own variables.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

import anthropic

from claude_run.api.environment import custom_headers
from claude_run.errors import CredentialsError, InputError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    import httpx2

    from claude_run.plan.providers import Provider

Client: TypeAlias = (
    anthropic.AsyncAnthropic | anthropic.AsyncAnthropicBedrock | anthropic.AsyncAnthropicBedrockMantle
    | anthropic.AsyncAnthropicVertex
)  # fmt: skip
"""What the SDK has of clients; those that are not named derive from the first."""

_GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class Common(TypedDict):
    """What all clients take alike."""

    max_retries: int
    timeout: anthropic.Timeout
    http_client: httpx2.AsyncClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A client, and the credentials that it was found to use beside those that it holds itself."""

    client: Client
    secrets: tuple[str, ...] = ()


async def open_provider(provider: Provider, common: Common) -> Opened:
    """Return the client of a provider, with all that it needs looked for.

    InputError for an extra that is not installed and for a setting that is missing, CredentialsError where
    there is no login, each before anything is sent.
    """
    _refuse_missing_extra(provider)
    return await _OPENED[provider.name](provider, common)


def credential_errors() -> tuple[type[Exception], ...]:
    """Return what signing a request, or renewing a login, may raise; of extras that were imported only."""
    import sys  # noqa: PLC0415 - what was imported says which extra is in use

    found: list[type[Exception]] = []
    for module, name in (
        ("google.auth.exceptions", "GoogleAuthError"),
        ("botocore.exceptions", "BotoCoreError"),
    ):
        if module in sys.modules:
            found.append(getattr(sys.modules[module], name))
    return tuple(found)


async def _open_anthropic(_provider: Provider, common: Common) -> Opened:
    return Opened(client=anthropic.AsyncAnthropic(**common))


async def _open_aws(provider: Provider, common: Common) -> Opened:
    region, secrets = await _aws_login(provider)
    workspace = _setting(provider, "ANTHROPIC_AWS_WORKSPACE_ID", "the workspace")
    client = anthropic.AsyncAnthropicAWS(aws_region=region, workspace_id=workspace, **common)
    return Opened(client=client, secrets=secrets)


async def _open_bedrock(provider: Provider, common: Common) -> Opened:
    region, secrets = await _aws_login(provider)
    client = anthropic.AsyncAnthropicBedrock(aws_region=region, **common)
    return Opened(client=client, secrets=secrets)


async def _open_mantle(provider: Provider, common: Common) -> Opened:
    region, secrets = await _aws_login(provider)
    client = anthropic.AsyncAnthropicBedrockMantle(aws_region=region, **common)
    return Opened(client=client, secrets=secrets)


async def _open_vertex(provider: Provider, common: Common) -> Opened:
    region = _setting(provider, "CLOUD_ML_REGION", "the region")
    credentials, project = await _google_login(provider)
    project = os.environ.get("ANTHROPIC_VERTEX_PROJECT_ID") or project
    if not project:
        raise _missing(provider, "ANTHROPIC_VERTEX_PROJECT_ID", "the project")
    client = anthropic.AsyncAnthropicVertex(
        region=region, project_id=project, credentials=credentials, **common
    )
    return Opened(client=client, secrets=_google_secrets(credentials))


async def _open_google_cloud(provider: Provider, common: Common) -> Opened:
    credentials, project = await _google_login(provider)
    project = next(filter(None, map(os.environ.get, _GOOGLE_PROJECT)), project)
    # An address of one's own holds both already.
    if provider.base_url not in os.environ:
        _setting(provider, "ANTHROPIC_GOOGLE_CLOUD_WORKSPACE_ID", "the workspace")
        if not project:
            raise _missing(provider, " or ".join(_GOOGLE_PROJECT), "the project")
    client = anthropic.AsyncAnthropicGoogleCloud(project=project, credentials=credentials, **common)
    return Opened(client=client, secrets=_google_secrets(credentials))


async def _open_foundry(provider: Provider, common: Common) -> Opened:
    resource, address = "ANTHROPIC_FOUNDRY_RESOURCE", provider.base_url
    if resource in os.environ and address in os.environ:
        raise InputError(f"{resource} and {address} both say where {provider.title} is: keep one of them")
    if not {resource, address} & set(os.environ):
        raise _missing(provider, f"{resource} or {address}", "the resource")
    if not any(name in os.environ for name in provider.keys):
        raise _no_login(provider)
    return Opened(client=anthropic.AsyncAnthropicFoundry(**common))


_OPENED: Mapping[str, Callable[[Provider, Common], Awaitable[Opened]]] = {
    "anthropic": _open_anthropic,
    "aws": _open_aws,
    "bedrock": _open_bedrock,
    "bedrock-mantle": _open_mantle,
    "vertex": _open_vertex,
    "google-cloud": _open_google_cloud,
    "foundry": _open_foundry,
}
_GOOGLE_PROJECT = ("ANTHROPIC_GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_PROJECT")


def _refuse_missing_extra(provider: Provider) -> None:
    if provider.module is None or _has_key(provider) or _is_installed(provider.module):
        return
    install = f"pip install 'claude-run[{provider.extra}]'"
    ways = [f"set {' or '.join(provider.keys)}"] if provider.keys else []
    what = "signs its requests with AWS credentials" if provider.module == "boto3" else "logs in at Google"
    raise InputError(
        f"--provider {provider.name} {what}, and the extra for that is not installed:"
        f" {', or '.join([install, *ways])}"
    )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False  # the package that it would be a part of is not there


def _has_key(provider: Provider) -> bool:
    """Return whether something stands in the environment that is a login by itself."""
    if any(name in os.environ for name in provider.keys):
        return True
    # The clients for Google take a header of the user's in place of a token of their own.
    return provider.module == "google.auth" and "authorization" in custom_headers()


async def _aws_login(provider: Provider) -> tuple[str, tuple[str, ...]]:
    """Return the region, and the secrets of the login that requests are signed with, if they are."""
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    secrets: tuple[str, ...] = ()
    if not _has_key(provider):
        import boto3  # noqa: PLC0415 - an extra
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - same

        try:
            session: Any = await asyncio.to_thread(boto3.Session)
            region = region or session.region_name
            login: Any = await asyncio.to_thread(session.get_credentials)
            frozen: Any = None if login is None else await asyncio.to_thread(login.get_frozen_credentials)
        except BotoCoreError as error:
            raise CredentialsError(f"the AWS credentials cannot be used: {error}") from error
        if frozen is None:
            raise _no_login(provider)
        secrets = tuple(filter(None, (frozen.secret_key, frozen.token)))
    if not region:
        raise _missing(provider, "AWS_REGION", "the region")
    return region, secrets


async def _google_login(provider: Provider) -> tuple[Any, str | None]:
    """Return Google's credentials with a fresh token, and their project; None where a header stands in."""
    if _has_key(provider):
        return None, None
    import google.auth  # noqa: PLC0415 - an extra
    from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError  # noqa: PLC0415 - same
    from google.auth.transport.requests import Request  # noqa: PLC0415 - same

    try:
        credentials, project = await asyncio.to_thread(google.auth.default, scopes=[_GOOGLE_SCOPE])
        await asyncio.to_thread(credentials.refresh, Request())
    except DefaultCredentialsError as error:
        raise _no_login(provider, detail=str(error)) from error
    except GoogleAuthError as error:
        raise CredentialsError(f"the Google credentials cannot be used: {error}") from error
    return credentials, project


def _google_secrets(credentials: Any) -> tuple[str, ...]:  # noqa: ANN401 - the library has no types
    return (credentials.token,) if credentials is not None and credentials.token else ()


def _setting(provider: Provider, variable: str, what: str) -> str:
    """Return the value of a variable of the environment; InputError names it where it is not set."""
    if value := os.environ.get(variable):
        return value
    raise _missing(provider, variable, what)


def _missing(provider: Provider, variable: str, what: str) -> InputError:
    return InputError(f"--provider {provider.name} needs {what} of {provider.title}: set {variable}")


def _no_login(provider: Provider, *, detail: str = "") -> CredentialsError:
    ways: Sequence[str]
    if provider.module == "boto3":
        ways = (*provider.keys, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", "AWS_PROFILE")
    elif provider.module == "google.auth":
        ways = ("GOOGLE_APPLICATION_CREDENTIALS to a file of credentials",)
    else:
        ways = provider.keys
    login = (
        "; or log in with `gcloud auth application-default login`" if provider.module == "google.auth" else ""
    )
    said = f" ({detail})" if detail else ""
    message = f"no credentials for {provider.title} were found: set {', or '.join(ways)}{login}{said}"
    return CredentialsError(f"{message}; --simulate needs none")
