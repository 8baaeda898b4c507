"""Who serves Claude besides Anthropic's own API, by the clients that the SDK has: names, settings, limits.

Sources: the clients in `anthropic.lib` of the SDK 2.14, which read these variables. None of it has been
tried against the real services.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A service that the SDK has a client for.

    Of the environment `base_url` is the variable with its address, `keys` are those that hold a key which is
    enough by itself, the first found counts, `secrets` all that hold anything secret, and `settings` the
    others that its client reads. `extra` is what pip has to install besides where no such key is set, by the
    `module` that it brings.

    `names_model_in_path`: the request goes out with its model in the address. `streams`: replies come as
    server-sent events where that is wanted. `caches_by_itself`: it takes `cache_control` at the top of a
    request. `lists_models`: it has the Models API. `batches`: it has the Message Batches API.
    `counts_tokens`: it tells for nothing how many tokens a prompt has.
    """

    name: str
    title: str
    base_url: str
    keys: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    extra: str | None = None
    module: str | None = None
    names_model_in_path: bool = False
    streams: bool = True
    caches_by_itself: bool = True
    lists_models: bool = True
    batches: bool = False
    counts_tokens: bool = False

    @property
    def is_default(self) -> bool:
        """Whether it is Anthropic's own API, or a gateway that speaks as it does."""
        return self.name == ANTHROPIC.name


_AWS_REGION = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE")
_AWS_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")

ANTHROPIC = Provider(
    name="anthropic",
    title="Anthropic's API",
    base_url="ANTHROPIC_BASE_URL",
    keys=("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    secrets=("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_IDENTITY_TOKEN"),
    batches=True,
    counts_tokens=True,
)

PROVIDERS: Sequence[Provider] = (
    ANTHROPIC,
    Provider(
        name="aws",
        title="the Claude Platform on AWS",
        base_url="ANTHROPIC_AWS_BASE_URL",
        keys=("ANTHROPIC_AWS_API_KEY",),
        secrets=("ANTHROPIC_AWS_API_KEY", *_AWS_SECRETS),
        settings=(*_AWS_REGION, "ANTHROPIC_AWS_WORKSPACE_ID"),
        extra="aws",
        module="boto3",
        batches=True,
        counts_tokens=True,
    ),
    Provider(
        name="bedrock",
        title="Amazon Bedrock",
        base_url="ANTHROPIC_BEDROCK_BASE_URL",
        keys=("AWS_BEARER_TOKEN_BEDROCK",),
        secrets=("AWS_BEARER_TOKEN_BEDROCK", *_AWS_SECRETS),
        settings=_AWS_REGION,
        extra="bedrock",
        module="boto3",
        names_model_in_path=True,
        streams=False,
        caches_by_itself=False,
        lists_models=False,
    ),
    Provider(
        name="bedrock-mantle",
        title="the Messages endpoint of Amazon Bedrock",
        base_url="ANTHROPIC_BEDROCK_MANTLE_BASE_URL",
        keys=("AWS_BEARER_TOKEN_BEDROCK", "ANTHROPIC_AWS_API_KEY"),
        secrets=("AWS_BEARER_TOKEN_BEDROCK", "ANTHROPIC_AWS_API_KEY", *_AWS_SECRETS),
        settings=_AWS_REGION,
        extra="bedrock",
        module="boto3",
        lists_models=False,
    ),
    Provider(
        name="vertex",
        title="Google Vertex AI",
        base_url="ANTHROPIC_VERTEX_BASE_URL",
        settings=("CLOUD_ML_REGION", "ANTHROPIC_VERTEX_PROJECT_ID", "GOOGLE_APPLICATION_CREDENTIALS"),
        extra="vertex",
        module="google.auth",
        names_model_in_path=True,
        lists_models=False,
    ),
    Provider(
        name="google-cloud",
        title="Claude on Google Cloud",
        base_url="ANTHROPIC_GOOGLE_CLOUD_BASE_URL",
        settings=(
            "ANTHROPIC_GOOGLE_CLOUD_PROJECT",
            "GOOGLE_CLOUD_PROJECT",
            "ANTHROPIC_GOOGLE_CLOUD_LOCATION",
            "ANTHROPIC_GOOGLE_CLOUD_WORKSPACE_ID",
            "GOOGLE_APPLICATION_CREDENTIALS",
        ),
        extra="google-cloud",
        module="google.auth",
        batches=True,
    ),
    Provider(
        name="foundry",
        title="Microsoft Foundry",
        base_url="ANTHROPIC_FOUNDRY_BASE_URL",
        keys=("ANTHROPIC_FOUNDRY_API_KEY",),
        secrets=("ANTHROPIC_FOUNDRY_API_KEY",),
        settings=("ANTHROPIC_FOUNDRY_RESOURCE",),
        lists_models=False,
    ),
)

PROVIDER_NAMES = tuple(each.name for each in PROVIDERS)

SECRET_VARIABLES = tuple(dict.fromkeys(name for each in PROVIDERS for name in each.secrets))
"""Every variable of the environment that holds a credential of one of them."""

ADDRESS_VARIABLES = tuple(each.base_url for each in PROVIDERS)


def provider(name: str) -> Provider:
    """Return the provider of this name; KeyError for none."""
    return {each.name: each for each in PROVIDERS}[name]
