"""Tenants' credentials that are kept sealed: opened when they are needed, and what a vault that is out means."""

import asyncio
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from anyrouter.bootstrap.byok import VaultOpening
from anyrouter.core.byok import ProviderCredential, Sealed, SealPlace
from anyrouter.core.errors import StorageUnavailable
from anyrouter.core.provider import Provider
from anyrouter.core.secret import Secret
from anyrouter.providers.registry import PROVIDERS
from anyrouter.storage.vault import SealingVault

NOW = datetime(2026, 11, 24, tzinfo=UTC)
CREDENTIAL = ProviderCredential(
    id="byok_a",
    organisation_id="org_default",
    environment_id="env_live",
    environment="live",
    provider="openai",
    name="a",
    secret_label="sk-…AbCd",
    sealed=Sealed(kek_id="kek_1", wrapped_key=b"w", nonce=b"n", ciphertext=b"c"),
    seal_version=1,
    host="api.openai.com",
    created_at=NOW,
    updated_at=NOW,
)


class LateVault(SealingVault):
    """Opens nothing before it is told to."""

    def __init__(self) -> None:
        super().__init__([])
        self.gate, self.asked = asyncio.Event(), 0

    async def open(self, place: SealPlace, sealed: Sealed) -> Secret:  # noqa: ARG002 -- the port's
        self.asked += 1
        await self.gate.wait()
        return Secret("sk-tenants-MARKER")


async def test_a_vault_that_does_not_answer_in_time_is_out_and_no_failure_of_the_provider() -> None:
    vault = LateVault()
    opening = VaultOpening(vault, CREDENTIAL)
    with pytest.raises(StorageUnavailable):  # an UpstreamError would be helped by another target: the operator's
        await opening.prepare(0.001)
    vault.gate.set()
    await opening.prepare(5)
    assert opening.read() == Secret("sk-tenants-MARKER")
    assert vault.asked == 1, "who waited first has not begun in vain"


@pytest.mark.parametrize("provider", [row for row in PROVIDERS.values() if any(form.base_url for form in row.formats.values())])
def test_no_format_of_a_provider_leads_away_from_the_host_that_a_credential_is_sealed_for(provider: Provider) -> None:
    home = urlsplit(provider.base_url)
    for form in provider.formats.values():
        if form.base_url is not None:
            assert urlsplit(form.base_url)[:2] == home[:2]
