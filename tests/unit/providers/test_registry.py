"""The table of providers."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import anyrouter
from anyrouter.core.provider import Provider
from anyrouter.policy.endpoints import ENDPOINTS
from anyrouter.providers.anthropic import ANTHROPIC
from anyrouter.providers.openai import OPENAI, OPENAI_COMPATIBLE
from anyrouter.providers.registry import PROVIDERS, find_provider, select_rows
from anyrouter.providers.sandbox import SANDBOX, SANDBOX_ANTHROPIC

SOURCE = Path(anyrouter.__file__).parent
OWN_WORDS = {"openai", "anthropic", "openai-compatible", "sandbox", "sandbox-anthropic"}  # dialects, and our own server
HINTS = SOURCE / "core" / "keys.py"  # says whose key a foreign one looks like
REMOTE = [row for row in PROVIDERS.values() if row.base_url]


@pytest.mark.parametrize("row", PROVIDERS.values(), ids=lambda row: row.id)
def test_a_row_is_complete_and_serves_only_endpoints_of_its_dialect(row: Provider) -> None:
    assert PROVIDERS[row.id] is row
    assert row.paths
    for endpoint, path in row.paths.items():
        assert ENDPOINTS[endpoint].is_inference
        assert ENDPOINTS[endpoint].dialect == row.dialect
        assert path.startswith("/")
    assert row.credential_header == row.credential_header.lower()
    assert all(name == name.lower() for name in (*row.headers, *row.passed_headers))


@pytest.mark.parametrize("row", REMOTE, ids=lambda row: row.id)
def test_a_public_provider_is_asked_over_tls_with_a_credential(row: Provider) -> None:
    address = urlsplit(row.base_url)
    assert address.scheme == "https"
    assert address.hostname
    assert not row.base_url.endswith("/")
    assert row.credential_variable


def test_the_clients_own_credentials_and_cookies_are_passed_to_nobody() -> None:
    secret = {"authorization", "x-api-key", "cookie", "proxy-authorization", "x-goog-api-key"}
    assert not [row.id for row in PROVIDERS.values() if row.passed_headers & secret]


def test_openai_is_asked_where_its_own_client_asks() -> None:
    assert OPENAI.base_url + OPENAI.paths["chat/completions"] == "https://api.openai.com/v1/chat/completions"
    assert (OPENAI.credential_header, OPENAI.credential_prefix) == ("authorization", "Bearer ")


def test_anthropic_is_asked_where_its_own_client_asks() -> None:
    assert ANTHROPIC.base_url + ANTHROPIC.paths["messages"] == "https://api.anthropic.com/v1/messages"
    assert (ANTHROPIC.credential_header, ANTHROPIC.credential_prefix) == ("x-api-key", "")
    assert ANTHROPIC.headers == {"anthropic-version": "2023-06-01"}
    assert ANTHROPIC.passed_headers == {"anthropic-version", "anthropic-beta"}


def test_no_two_rows_read_the_same_variable() -> None:
    variables = [name for row in PROVIDERS.values() for name in (row.credential_variable, row.base_url_variable) if name]
    assert len(variables) == len(set(variables))


def test_the_sandbox_speaks_each_dialect_to_its_own_vendors_and_both_to_its_models() -> None:
    rows = (SANDBOX, SANDBOX_ANTHROPIC)
    assert select_rows(rows, "anthropic") == (SANDBOX_ANTHROPIC,)
    assert select_rows(rows, "sandbox") == rows
    assert select_rows(rows, "openai") == (SANDBOX,)
    assert select_rows(rows, "a-vendor-of-the-operators-own") == (SANDBOX,)


def test_the_sandbox_reads_no_real_credential() -> None:
    assert not [row.id for row in (SANDBOX, SANDBOX_ANTHROPIC, OPENAI_COMPATIBLE) if row.credential_variable or row.base_url_variable]


def test_a_vendors_provider_is_the_one_that_makes_its_models() -> None:
    assert find_provider("openai") is OPENAI
    assert find_provider("anthropic") is ANTHROPIC
    assert find_provider("sandbox") is SANDBOX
    assert find_provider("a-vendor-of-the-operators-own") is None


@pytest.mark.parametrize("row", REMOTE, ids=lambda row: row.id)
def test_a_providers_name_and_address_occur_in_one_source_file(row: Provider) -> None:
    host = re.escape(str(urlsplit(row.base_url).hostname))
    name = "" if row.id in OWN_WORDS else rf"|\b{re.escape(row.id)}\b"
    pattern = re.compile(f"{host}{name}", re.IGNORECASE)
    files = [path for suffix in ("py", "toml") for path in SOURCE.rglob(f"*.{suffix}") if path != HINTS]
    assert len(files) > 20
    assert len([path for path in files if pattern.search(path.read_text(encoding="utf-8"))]) == 1
