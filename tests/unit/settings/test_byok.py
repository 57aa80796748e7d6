"""The section [byok], and the vault that it makes."""

from pathlib import Path

import pytest

from anyrouter.bootstrap.vault import make_vault
from anyrouter.core.errors import InternalError
from anyrouter.core.vault import KekUnavailable
from anyrouter.settings import SettingsError, load_settings
from anyrouter.storage.kek import KEK_VARIABLE, LocalKeys
from anyrouter.storage.transit import TransitKeys
from anyrouter.upstream.client import HttpUpstreamClient

TOKEN = "hvs.MARKER-token"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "anyrouter.toml"
    path.write_text(f"[byok]\n{text}\n")
    return path


def test_nothing_local_is_allowed_unless_the_operator_says_so(tmp_path: Path) -> None:
    byok = load_settings(data_dir=tmp_path, environ={}).byok
    assert (byok.allowed_hosts, byok.vault_address) == ((), None)


def test_hosts_are_allowed_with_and_without_a_port(tmp_path: Path) -> None:
    hosts = ["LLM.internal", "127.0.0.1:8000", "[::1]", "[::1]:8000", "localhost", "example.org:443"]
    byok = load_settings(config=write(tmp_path, f"allowed_hosts = {hosts}"), environ={}).byok
    assert byok.allowed_hosts == tuple(host.lower() for host in hosts)


@pytest.mark.parametrize(
    "host", ["", "http://localhost", "localhost/v1", "a b", "::1", "*.internal", "127.1", "host:0", "host:99999", "u@host", "host:"]
)
def test_a_host_that_is_none_is_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(SettingsError, match="allowed_hosts"):
        load_settings(config=write(tmp_path, f"allowed_hosts = [{host!r}]"), environ={})


@pytest.mark.parametrize(
    "text",
    ['vault_key = "../x"', 'vault_mount = "/transit"', 'vault_mount = "a//b"', 'vault_namespace = "a\\nb"', 'vault_token_file = "x"'],
)
def test_what_could_lead_elsewhere_in_vault_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError):
        load_settings(config=write(tmp_path, text), environ={})


async def test_keys_come_from_the_file_of_the_data_directory_or_from_the_variable(tmp_path: Path) -> None:
    settings, client = load_settings(data_dir=tmp_path, environ={KEK_VARIABLE: "00" * 32}), HttpUpstreamClient()
    vault = make_vault(settings, tmp_path / "kek", client, {KEK_VARIABLE: "00" * 32})
    assert [type(keys) for keys in vault.keys] == [LocalKeys]
    assert await vault.read_current_id() == await vault.read_current_id()
    assert not (tmp_path / "kek").exists()
    with pytest.raises(InternalError, match=KEK_VARIABLE):
        make_vault(settings, tmp_path / "kek", client, {KEK_VARIABLE: "MARKER"})


async def test_vault_comes_first_and_the_file_s_keys_can_still_be_asked(tmp_path: Path) -> None:
    settings, client = load_settings(config=write(tmp_path, 'vault_address = "http://127.0.0.1:1"'), environ={}), HttpUpstreamClient()
    vault = make_vault(settings, tmp_path / "kek", client, {"VAULT_TOKEN": f"{TOKEN}\n"})
    assert [type(keys) for keys in vault.keys] == [TransitKeys, LocalKeys]
    with pytest.raises(KekUnavailable, match="cannot be reached") as caught:
        await vault.read_current_id()
    assert "MARKER" not in f"{caught.value!r}"
    for token in ("", " ", "two words"):
        with pytest.raises(InternalError, match="VAULT_TOKEN"):
            make_vault(settings, tmp_path / "kek", client, {"VAULT_TOKEN": token})
    await client.aclose()


async def test_a_token_s_file_is_read_for_each_request(tmp_path: Path) -> None:
    text = 'vault_address = "http://127.0.0.1:1"\nvault_token_file = "token"'
    settings, client = load_settings(config=write(tmp_path, text), environ={}), HttpUpstreamClient()
    vault = make_vault(settings, tmp_path / "kek", client, {})
    with pytest.raises(KekUnavailable, match="cannot be read: No such file"):
        await vault.read_current_id()
    (tmp_path / "token").write_text("MARKER two words")
    with pytest.raises(KekUnavailable, match="holds no token") as caught:
        await vault.read_current_id()
    assert "MARKER" not in f"{caught.value!r}"
    (tmp_path / "token").write_text(TOKEN)
    with pytest.raises(KekUnavailable, match="cannot be reached"):
        await vault.read_current_id()
    await client.aclose()
