from collections.abc import Callable
from pathlib import Path

import pytest

from anyrouter.core.tenancy import EnvironmentKind
from anyrouter.settings import Settings, SettingsError, load_settings

Load = Callable[..., Settings]
Problems = Callable[..., list[str]]


def test_without_file_and_variables_everything_has_its_default(load: Load) -> None:
    settings = load()
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8080)
    assert settings.limits.default_rpm == 6_000_000
    assert settings.storage.database_url is None
    assert settings.config_path is None
    assert settings.upstreams == ()


def test_a_flag_wins_over_a_variable_over_the_file_over_the_default(load: Load) -> None:
    text, variable, flag = "[server]\nport = 1001", {"ANYROUTER_SERVER__PORT": "1002"}, {"server.port": 1003}
    assert load(text).server.port == 1001
    assert load(text, environ=variable).server.port == 1002
    assert load(text, environ=variable, flags=flag).server.port == 1003
    assert load(text, environ=variable, flags={"server.port": None}).server.port == 1002


def test_the_file_of_the_data_directory_is_read_and_another_one_when_it_is_named(load: Load, tmp_path: Path) -> None:
    other, third = tmp_path / "other.toml", tmp_path / "third.toml"
    other.write_text("[server]\nport = 2", encoding="utf-8")
    third.write_text("[server]\nport = 3", encoding="utf-8")
    assert load("[server]\nport = 1").server.port == 1
    assert load(environ={"ANYROUTER_CONFIG": str(other)}).server.port == 2
    named = load(environ={"ANYROUTER_CONFIG": str(other)}, config=third)
    assert named.server.port == 3
    assert named.config_path == third


def test_the_data_directory_comes_from_its_variable_unless_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(environ={}).data_dir == tmp_path / "data"
    assert load_settings(environ={"ANYROUTER_DATA_DIR": "elsewhere"}).data_dir == tmp_path / "elsewhere"
    assert load_settings(data_dir=tmp_path / "given", environ={"ANYROUTER_DATA_DIR": "elsewhere"}).data_dir == tmp_path / "given"


def test_a_named_file_that_is_missing_is_an_error(problems: Problems, tmp_path: Path) -> None:
    assert problems(config=tmp_path / "absent.toml") == [f"{tmp_path}/absent.toml: cannot be read: No such file or directory"]


def test_a_file_that_is_not_toml_is_an_error_with_its_place(problems: Problems) -> None:
    assert "is not TOML" in problems("[server\nport = 1")[0]
    assert "line 1" in problems("[server\nport = 1")[0]


def test_a_file_that_is_not_utf8_is_an_error(problems: Problems, tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b'[server]\nhost = "\xff"')
    assert problems(config=tmp_path / "latin.toml") == [f"{tmp_path}/latin.toml: is not a text in UTF-8"]


def test_an_unknown_key_is_an_error_that_names_file_key_and_the_nearest(problems: Problems, tmp_path: Path) -> None:
    assert problems("[server]\nprot = 1") == [f"{tmp_path}/anyrouter.toml: server.prot: is not known; did you mean port?"]


def test_an_unknown_section_is_an_error_that_names_the_nearest(problems: Problems, tmp_path: Path) -> None:
    assert problems("[sever]\nport = 1") == [f"{tmp_path}/anyrouter.toml: sever: is not known; did you mean server?"]


def test_a_key_that_belongs_into_a_section_is_sent_there(problems: Problems) -> None:
    assert problems("port = 1")[0].endswith("port: is not known here; did you mean server.port?")
    assert problems("[server]\nledger_days = 1")[0].endswith("is not known here; did you mean retention.ledger_days?")


def test_a_key_that_is_like_nothing_still_gets_the_nearest_one(problems: Problems) -> None:
    assert "the nearest known one is" in problems("[server]\nzzzz = 1")[0]


def test_all_mistakes_are_told_at_once(problems: Problems) -> None:
    text = """
        [server]
        port = 70000
        hosst = "::"
        [limits]
        default_rpm = "many"
        [[environments]]
        slug = "Live!"
        [[upstreams]]
        id = "one"
        provider = "alhpa"
        base_url = "http://127.0.0.1:1"
    """
    found = problems(text, environ={"ANYROUTER_LOGGING__LEVEL": "loud", "ANYROUTER_SERVER__BODY": "1"})
    assert len(found) == 7
    for word in (
        "server.port",
        "server.hosst",
        "limits.default_rpm",
        "environments",
        'upstreams["one"].provider',
        "LOGGING__LEVEL",
        "SERVER__BODY",
    ):
        assert any(word in line for line in found), word


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("server = 5", "server: must be a table"),
        ("[[server]]\nport = 1", "server: must be a table"),
        ("[server]\nport = '8080'", "server.port: must be a whole number"),
        ("[server]\nport = 80.5", "server.port: must be a whole number"),
        ("[server]\nport = true", "server.port: must be a whole number"),
        ("[server]\nport = -1", "server.port: must be greater than or equal to 0"),
        ("[server]\npublic_models = 1", "server.public_models: must be true or false"),
        ("[server]\nkeep_alive_s = nan", "server.keep_alive_s: must be"),
        ("[server]\nkeep_alive_s = inf", "server.keep_alive_s: must be"),
        ("[server]\nkeep_alive_s = true", "server.keep_alive_s: must be a number"),
        ("[server]\nkeep_alive_s = 0", "server.keep_alive_s: must be greater than 0"),
        ("[server]\nhost = ''", "server.host: must not be empty"),
        ("[server]\ntrusted_proxies = '10.0.0.1'", "server.trusted_proxies: must be a list"),
        ("[server]\ntrusted_proxies = ['10.0.0.1/8']", "server.trusted_proxies[0]: must be an address or a network"),
        ("[server]\npublic_url = 'ftp://x'", "server.public_url: must be a URL"),
        ("[server]\ntls_key = 'x'", "server: tls_certificate and tls_key belong together"),
        ("[server]\nmetrics_token = 'a b'", "server.metrics_token: must be printable ASCII without spaces"),
        ("[storage]\ndatabase_url = 'mysql://u:MARKER@h/d'", "storage.database_url: must start with postgresql://"),
        ("[logging]\nlevel = 'loud'", "logging.level: must be 'debug', 'info', 'warning' or 'error'"),
        ("[retention]\nledger_days = 0", "retention.ledger_days: must be greater than or equal to 1"),
        ("environments = 1", "environments: must be an array of tables: [[environments]]"),
        ("[upstreams.openai]\nprovider = 'alpha'", "upstreams: must be an array of tables: [[upstreams]]"),
        ("[[environments]]\nname = 'x'", "environments[0].slug: is missing"),
        ("[[environments]]\nslug = 'a'", "must be 2 to 16 lower-case letters"),
        ("[[environments]]\nslug = 'prod'\nkind = 'real'", 'environments["prod"].kind: must be'),
        ("[[environments]]\nslug = 'prod'\n[[environments]]\nslug = 'prod'", 'environments["prod"].slug: is used twice: prod'),
        ("[[environments]]\nslug = 'test'\nkind = 'live'", 'environments["test"].kind: must be sandbox: test always is'),
    ],
)
def test_a_bad_value_is_an_error_that_says_what_is_needed(problems: Problems, text: str, complaint: str) -> None:
    found = problems(text)
    assert len(found) == 1
    assert complaint in found[0]


def test_no_error_repeats_a_value(problems: Problems) -> None:
    secret = "MARKER with spaces"
    text = f"""
        metrics_tokn = "{secret}"
        [server]
        metrics_token = "{secret}"
        metrics_tokeen = "{secret}"
        public_url = "https://{secret}@host"
        trusted_proxies = ["{secret}"]
        [storage]
        database_url = 5
        [logging]
        level = "{secret}"
        [[upstreams]]
        id = "{secret}"
        provider = "alpha"
        base_url = "https://user:{secret}@host"
        api_key = "{secret}"
        credential_variable = "{secret}"
    """
    found = problems(
        text, environ={"ANYROUTER_SERVER__PORT": secret, "ANYROUTER_UPSTREAM": secret, "ANYROUTER_SERVER__METRICS_TOKEN": secret}
    )
    assert len(found) >= 10
    assert "MARKER" not in "\n".join(found)


def test_secrets_are_held_hidden(load: Load) -> None:
    settings = load(
        environ={"ANYROUTER_SERVER__METRICS_TOKEN": "MARKER-token", "ANYROUTER_STORAGE__DATABASE_URL": "postgresql://u:MARKER@h/d"}
    )
    assert settings.server.metrics_token is not None
    assert settings.server.metrics_token.reveal() == "MARKER-token"
    assert settings.storage.database_url is not None
    assert settings.storage.database_url.reveal() == "postgresql://u:MARKER@h/d"
    assert "MARKER" not in repr(settings)
    assert "MARKER" not in str(settings.server.model_dump())


def test_live_and_test_always_exist_and_others_are_added(load: Load) -> None:
    environments = load('[[environments]]\nslug = "staging"\nname = "Staging"\nrate_limit_rpm = 60').environments
    assert [(item.slug, item.kind) for item in environments] == [
        ("live", EnvironmentKind.LIVE),
        ("test", EnvironmentKind.SANDBOX),
        ("staging", EnvironmentKind.LIVE),
    ]
    assert environments[2].rate_limit_rpm == 60


def test_the_standard_environments_can_be_given_limits(load: Load) -> None:
    environments = load('[[environments]]\nslug = "test"\nrate_limit_rpm = 5').environments
    assert [(item.slug, item.kind, item.rate_limit_rpm) for item in environments] == [
        ("live", EnvironmentKind.LIVE, None),
        ("test", EnvironmentKind.SANDBOX, 5),
    ]


def test_paths_of_the_configuration_start_at_its_directory(load: Load, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "gateway.toml").write_text("", encoding="utf-8")
    assert load(config=tmp_path / "etc" / "gateway.toml").resolve_path("tls/cert.pem") == tmp_path / "etc" / "tls" / "cert.pem"
    assert load().resolve_path("cert.pem") == tmp_path / "cert.pem"
    assert load().resolve_path("/etc/cert.pem") == Path("/etc/cert.pem")


def test_settings_do_not_change(load: Load) -> None:
    settings = load()
    with pytest.raises(ValueError, match="frozen"):
        settings.server.port = 1
    with pytest.raises(AttributeError):
        settings.server = settings.server


def test_problems_can_be_read_one_by_one(load: Load, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load("[server]\nport = 70000\nhead_count = 1")
    assert [(problem.origin, problem.setting) for problem in caught.value.problems] == [
        (str(tmp_path / "anyrouter.toml"), "server.port"),
        (str(tmp_path / "anyrouter.toml"), "server.head_count"),
    ]


def test_only_the_environments_that_the_file_names_are_declared(load: Load) -> None:
    text = '[[environments]]\nslug = "test"\nrate_limit_rpm = 5\n[[environments]]\nslug = "staging"'
    assert load().declare_environments(0) == ()
    found = load(text).declare_environments(0)
    assert [(item.slug, item.name, item.kind, item.rate_limit_rpm) for item in found] == [
        ("test", "Test", EnvironmentKind.SANDBOX, 5),
        ("staging", "Staging", EnvironmentKind.LIVE, None),
    ]
    assert found[0].id.startswith("env_")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("", "http://127.0.0.1:8080"),
        ("host = '0.0.0.0'\nport = 9", "http://127.0.0.1:9"),
        ("host = '::'", "http://[::1]:8080"),
        ("host = 'fe80::1'", "http://[fe80::1]:8080"),
        ("tls_certificate = 'c'\ntls_key = 'k'", "https://127.0.0.1:8080"),
        ("public_url = 'https://gateway.example/'", "https://gateway.example"),
    ],
)
def test_clients_are_told_an_address_that_they_can_use(load: Load, text: str, address: str) -> None:
    assert load(f"[server]\n{text}").server.base_url() == address


def test_the_port_really_bound_takes_the_place_of_the_one_asked_for(load: Load) -> None:
    assert load("[server]\nport = 0").server.base_url(5000) == "http://127.0.0.1:5000"
