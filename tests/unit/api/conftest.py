"""An environment that holds one key, and nothing else that the SDK reads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.unit.api.scripted_client import KEY, ScriptedClient

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Take away all credentials and proxies; the SDK looks for files below HOME."""
    for name in list(os.environ):
        if name.startswith(("ANTHROPIC_", "SSL_CERT_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return monkeypatch


@pytest.fixture
def client(clean_environment: pytest.MonkeyPatch) -> ScriptedClient:
    """Return a client with a key."""
    clean_environment.setenv("ANTHROPIC_API_KEY", KEY)
    return ScriptedClient(clean_environment)
