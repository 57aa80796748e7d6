from collections.abc import Callable
from pathlib import Path

import pytest

from anyrouter.relay.ports import Timeouts
from anyrouter.settings import ServedModel, Settings, SettingsError, Upstream, load_settings

Load = Callable[..., Settings]
Problems = Callable[..., list[str]]
LOCAL = '[[upstreams]]\nid = "local"\nprovider = "alpha"\nbase_url = "http://127.0.0.1:8000/v1"\n'
PLAIN = '[[upstreams]]\nid = "one"\nprovider = "alpha"\n'
ENVIRON = {"ALPHA_API_KEY": "MARKER-credential"}


def only(settings: Settings) -> Upstream:
    (upstream,) = settings.upstreams
    return upstream


def test_an_upstream_of_the_file_is_complete(load: Load) -> None:
    text = """
        [[upstreams]]
        id = "one"
        provider = "alpha"
        credential_variable = "OTHER_KEY"
        priority = 5
        models = ["alpha/large", "alpha/*", "small"]
        timeouts = { connect_s = 1, total_s = 0 }
        environments = ["live"]
    """
    upstream = only(load(text, environ={"OTHER_KEY": "MARKER-credential\n"}))
    assert (upstream.id, upstream.provider.id, upstream.base_url, upstream.priority) == ("one", "alpha", "https://api.alpha.example/v1", 5)
    assert upstream.credential is not None
    assert upstream.credential.reveal() == "MARKER-credential"
    assert upstream.credential_source == "variable OTHER_KEY"
    assert upstream.timeouts == Timeouts(connect_s=1.0, first_byte_s=120.0, idle_s=60.0, total_s=None)
    assert upstream.environments == ("live",)
    assert upstream.models == (
        ServedModel(public="alpha/large", upstream_name="large"),
        ServedModel(public="alpha/*", upstream_name=None),
        ServedModel(public="alpha/small", upstream_name="small"),
    )


def test_a_table_of_models_gives_them_the_upstreams_own_names(load: Load) -> None:
    text = LOCAL + '[upstreams.models]\n"meta/llama-3" = "llama3:8b"\ntiny = "tiny.gguf"'
    assert only(load(text)).models == (
        ServedModel(public="meta/llama-3", upstream_name="llama3:8b"),
        ServedModel(public="alpha/tiny", upstream_name="tiny.gguf"),
    )


def test_a_bare_name_at_a_provider_without_vendors_gets_the_upstreams_id(load: Load) -> None:
    text = '[[upstreams]]\nid = "box"\nprovider = "beta"\nbase_url = "http://127.0.0.1:1"\nmodels = ["tiny"]'
    assert only(load(text)).models == (ServedModel(public="box/tiny", upstream_name="tiny"),)


def test_without_a_list_of_models_it_serves_its_vendors_or_is_its_own(load: Load) -> None:
    assert only(load(LOCAL)).models == (ServedModel(public="alpha/*"),)
    own = only(load('[[upstreams]]\nid = "box"\nprovider = "beta"\nbase_url = "http://127.0.0.1:1"'))
    assert own.models == (ServedModel(public="box/*"),)
    assert own.has_own_address


def test_plain_http_and_loopback_are_allowed_to_the_operator_without_a_credential(load: Load) -> None:
    upstream = only(load(LOCAL))
    assert (upstream.base_url, upstream.credential, upstream.credential_source) == ("http://127.0.0.1:8000/v1", None, "none")


def test_a_credential_file_is_relative_to_the_configuration_and_stripped(load: Load, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "alpha").write_text("MARKER-of-file\n", encoding="utf-8")
    upstream = only(load(PLAIN + 'credential_file = "secrets/alpha"'))
    assert upstream.credential is not None
    assert upstream.credential.reveal() == "MARKER-of-file"
    assert "MARKER" not in repr(upstream)


def test_upstreams_come_in_the_order_in_which_they_are_tried(load: Load) -> None:
    text = "".join(
        f'[[upstreams]]\nid = "{name}"\nprovider = "alpha"\nbase_url = "http://h"\npriority = {priority}\n'
        for name, priority in [("c", 30), ("a", 10), ("b", 30)]
    )
    assert [upstream.id for upstream in load(text).upstreams] == ["a", "c", "b"]


def test_without_a_list_of_environments_every_live_one_reaches_it(load: Load) -> None:
    assert only(load(LOCAL)).environments is None


def test_an_environment_that_only_the_database_has_can_be_named(load: Load) -> None:
    settings = load(LOCAL + 'environments = ["live", "staging"]')
    assert only(settings).environments == ("live", "staging")
    assert settings.list_unknown_environments([]) == [("local", "staging")]
    assert settings.list_unknown_environments(["staging", "other"]) == []


@pytest.mark.parametrize("key", ["credential", "api_key", "key", "token", "secret", "password", "API_KEY"])
def test_a_literal_credential_is_refused_with_the_reason_and_the_cure(problems: Problems, key: str) -> None:
    (found,) = problems(LOCAL + f'{key} = "MARKER-credential"')
    assert f'upstreams["local"].{key}: a credential does not belong in this file' in found
    assert "credential_variable" in found
    assert "MARKER" not in found


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[[upstreams]]\nid = "one"\nprovider = "alhpa"\nbase_url = "http://h"', '["one"].provider: is not known; did you mean alpha?'),
        (PLAIN, '["one"].credential_variable: is missing: Alpha asks for a credential (credential_variable = "ALPHA_API_KEY")'),
        (PLAIN + 'credential_variable = "ABSENT"', '["one"].credential_variable: names ABSENT, which is not set'),
        (PLAIN + 'credential_variable = "sk-MARKER"', '["one"].credential_variable: must be the name of an environment variable'),
        (PLAIN + 'credential_file = "absent"', '["one"].credential_file: cannot be read (No such file or directory)'),
        (PLAIN + 'credential_file = "."', '["one"].credential_file: cannot be read (Is a directory)'),
        (PLAIN + 'credential_file = "a"\ncredential_variable = "A"', '["one"]: has both credential_variable and credential_file'),
        ('[[upstreams]]\nid = "sandbox"\nprovider = "alpha"\nbase_url = "http://h"', '["sandbox"].id: is taken by the built-in'),
        ('[[upstreams]]\nid = "Big One"\nprovider = "alpha"', "upstreams[0].id: must be at most 63 lower-case letters"),
        ('[[upstreams]]\nprovider = "alpha"', "upstreams[0].id: is missing"),
        (LOCAL + LOCAL, '["local"].id: is used twice: local'),
        (LOCAL + 'environments = ["test"]', '["local"].environments: names test, a sandbox'),
        (LOCAL + "priority = -1", '["local"].priority: must be greater than or equal to 0'),
        (LOCAL + "timeouts = { conect_s = 1 }", '["local"].timeouts.conect_s: is not known; did you mean connect_s?'),
        (LOCAL + "timeouts = { connect_s = 0 }", '["local"].timeouts.connect_s: must be greater than 0'),
        (LOCAL + "models = []", '["local"].models: is empty'),
        (LOCAL + "models = 'tiny'", '["local"].models: must be a list of names'),
        (LOCAL + "models = [1]", '["local"].models: holds a name that is not a printable text'),
        (LOCAL + "models = ['*']", '["local"].models: holds a pattern; the only one is "vendor/*"'),
        (LOCAL + "models = ['a/b*']", '["local"].models: holds a pattern'),
        (LOCAL + "models = { 'a/*' = 'x' }", '["local"].models: gives a pattern an upstream name'),
        (LOCAL + "models = ['/a']", '["local"].models: holds a name that starts or ends'),
        ('[[upstreams]]\nid = "box"\nprovider = "beta"', "credential_variable: is missing"),
    ],
)
def test_a_bad_upstream_is_an_error_that_says_what_is_needed(problems: Problems, text: str, complaint: str) -> None:
    (found,) = problems(text)
    assert complaint in found
    assert "MARKER" not in found


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "gopher://h",
        "https://",
        "//host/v1",
        "https://u:p@host",
        "https://h?x=1",
        "https://h#f",
        "http://h:99999",
        "http://h:0",
        "http://h h",
        "http://h\\x",
    ],
)
def test_a_base_url_that_is_not_a_plain_address_is_refused(problems: Problems, address: str) -> None:
    (found,) = problems(f"[[upstreams]]\nid = 'one'\nprovider = 'alpha'\nbase_url = '{address}'")
    assert "base_url" in found


@pytest.mark.parametrize("content", [b"", b"two words", b"line\nbreak", "schlüssel".encode(), b"x" * 9000])
def test_a_credential_file_with_something_else_in_it_is_refused(problems: Problems, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "credential").write_bytes(content)
    (found,) = problems(PLAIN + 'credential_file = "credential"')
    assert "credential_file" in found


def test_the_providers_usual_variables_make_an_upstream_of_every_live_environment(load: Load) -> None:
    upstream = only(load(environ=ENVIRON | {"ALPHA_BASE_URL": "http://127.0.0.1:9/v1/"}))
    assert (upstream.id, upstream.base_url, upstream.environments, upstream.models) == (
        "alpha",
        "http://127.0.0.1:9/v1",
        None,
        (ServedModel(public="alpha/*"),),
    )
    assert upstream.credential is not None
    assert upstream.credential.reveal() == "MARKER-credential"
    assert upstream.is_implied


def test_the_usual_address_is_taken_when_only_the_credential_is_set(load: Load) -> None:
    assert only(load(environ=ENVIRON)).base_url == "https://api.alpha.example/v1"


def test_an_own_address_without_a_credential_counts_too(load: Load) -> None:
    upstream = only(load(environ={"ALPHA_BASE_URL": "http://127.0.0.1:9/v1"}))
    assert (upstream.credential, upstream.base_url) == (None, "http://127.0.0.1:9/v1")


def test_an_upstream_of_that_id_in_the_file_takes_the_place_of_the_implied_one(load: Load) -> None:
    text = '[[upstreams]]\nid = "alpha"\nprovider = "alpha"\nbase_url = "http://h"'
    upstream = only(load(text, environ=ENVIRON))
    assert (upstream.base_url, upstream.is_implied) == ("http://h", False)


def test_empty_variables_imply_nothing(load: Load) -> None:
    assert load(environ={"ALPHA_API_KEY": "", "ALPHA_BASE_URL": ""}).upstreams == ()


def test_bad_usual_variables_are_errors_that_name_them(problems: Problems) -> None:
    assert problems(environ={"ALPHA_BASE_URL": "nonsense"})[0].startswith("ALPHA_BASE_URL: must be a URL")
    (found,) = problems(environ={"ALPHA_API_KEY": "MARKER credential"})
    assert found.startswith("ALPHA_API_KEY: holds what no credential has")
    assert "MARKER" not in found


def test_a_known_local_engine_needs_neither_an_address_nor_a_credential(tmp_path: Path) -> None:
    (tmp_path / "anyrouter.toml").write_text('[[upstreams]]\nid = "box"\nprovider = "ollama"', encoding="utf-8")
    (upstream,) = load_settings(data_dir=tmp_path, environ={}).upstreams
    assert (upstream.base_url, upstream.credential, upstream.discovery_vendor) == ("http://127.0.0.1:11434/v1", None, "box")


def test_variables_that_other_tools_read_too_imply_nothing(tmp_path: Path) -> None:
    environ = {
        "GITHUB_TOKEN": "t",
        "HF_TOKEN": "t",
        "DATABRICKS_TOKEN": "t",
        "DATABRICKS_HOST": "https://h.example",
        "AWS_ACCESS_KEY_ID": "t",
    }
    assert load_settings(data_dir=tmp_path, environ=environ).upstreams == ()


def test_a_credential_without_the_address_that_it_is_for_implies_nothing(tmp_path: Path) -> None:
    environ = {"AZURE_OPENAI_API_KEY": "t", "AWS_BEARER_TOKEN_BEDROCK": "t", "CLOUDFLARE_API_TOKEN": "t"}
    assert load_settings(data_dir=tmp_path, environ=environ).upstreams == ()
    (upstream,) = load_settings(data_dir=tmp_path, environ=environ | {"AZURE_OPENAI_ENDPOINT": "https://r.example/"}).upstreams
    assert (upstream.id, upstream.base_url) == ("azure-openai", "https://r.example")


def load_one(tmp_path: Path, table: str, **environ: str) -> Upstream:
    (tmp_path / "anyrouter.toml").write_text(f'[[upstreams]]\nid = "one"\ncredential_variable = "T"\n{table}', encoding="utf-8")
    return only(load_settings(data_dir=tmp_path, environ={"T": "token", **environ}))


def test_an_accounts_variables_complete_the_providers_address(tmp_path: Path) -> None:
    upstream = load_one(tmp_path, 'provider = "azure-openai"\nvariables = { resource = "my-res" }')
    assert (upstream.base_url, upstream.variables) == ("https://my-res.openai.azure.com", {"resource": "my-res"})
    assert not upstream.has_own_address


def test_variables_come_from_where_the_providers_own_tools_have_them(tmp_path: Path) -> None:
    upstream = load_one(tmp_path, 'provider = "cloudflare"', CLOUDFLARE_ACCOUNT_ID="0" * 32)
    assert upstream.base_url == f"https://api.cloudflare.com/client/v4/accounts/{'0' * 32}/ai/v1"


def test_an_address_of_the_operators_needs_no_variables_for_it(tmp_path: Path) -> None:
    upstream = load_one(tmp_path, 'provider = "azure-openai"\nbase_url = "http://127.0.0.1:9"')
    assert (upstream.base_url, upstream.variables, upstream.has_own_address) == ("http://127.0.0.1:9", {}, True)


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ('provider = "azure-openai"', "variables: resource is missing (or the variable AZURE_RESOURCE_NAME)"),
        ('provider = "azure-openai"\nvariables = { resource = "MARKER/x" }', "variables: resource is not what Azure OpenAI takes"),
        ('provider = "openai"\nvariables = { region = "x" }', "variables: region is not a variable of OpenAI; it has none"),
        ('provider = "azure-openai"\nvariables = { resource = 1 }', "variables"),
        ('provider = "azure-openai"\nvariables = "x"', "variables"),
    ],
)
def test_a_variable_that_cannot_be_used_is_told(tmp_path: Path, table: str, complaint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_one(tmp_path, table)
    assert complaint in str(caught.value)
    assert "MARKER" not in str(caught.value)
