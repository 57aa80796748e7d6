import json
from collections.abc import Callable

import pytest

from anyrouter.core.tenancy import EnvironmentKind
from anyrouter.settings import Settings
from anyrouter.settings.variables import known_variables

Load = Callable[..., Settings]
Problems = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("name", "text", "section", "value"),
    [
        ("ANYROUTER_SERVER__PORT", "9000", "server", 9000),
        ("ANYROUTER_SERVER__HOST", "::1", "server", "::1"),
        ("ANYROUTER_SERVER__KEEP_ALIVE_S", "2.5", "server", 2.5),
        ("ANYROUTER_SERVER__PUBLIC_MODELS", "Yes", "server", True),
        ("ANYROUTER_SERVER__PUBLIC_MODELS", "0", "server", False),
        ("ANYROUTER_SERVER__TRUSTED_PROXIES", "10.0.0.0/8, ::1", "server", ("10.0.0.0/8", "::1")),
        ("ANYROUTER_SERVER__TRUSTED_PROXIES", '["10.0.0.1"]', "server", ("10.0.0.1",)),
        ("ANYROUTER_RETENTION__LEDGER_DAYS", "30", "retention", 30),
        ("ANYROUTER_LOGGING__LEVEL", "debug", "logging", "debug"),
    ],
)
def test_a_variable_sets_its_setting(load: Load, name: str, text: str, section: str, value: object) -> None:
    assert getattr(getattr(load(environ={name: text}), section), name.partition("__")[2].lower()) == value


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("ANYROUTER_SERVER__PORT", "eighty", "ANYROUTER_SERVER__PORT: must be a whole number"),
        ("ANYROUTER_SERVER__PORT", "70000", "ANYROUTER_SERVER__PORT: server.port: must be less than or equal to 65535"),
        ("ANYROUTER_SERVER__KEEP_ALIVE_S", "long", "ANYROUTER_SERVER__KEEP_ALIVE_S: must be a number"),
        ("ANYROUTER_SERVER__PUBLIC_MODELS", "maybe", "ANYROUTER_SERVER__PUBLIC_MODELS: must be true or false"),
        ("ANYROUTER_SERVER__TRUSTED_PROXIES", "[1", "ANYROUTER_SERVER__TRUSTED_PROXIES: must be a JSON array"),
        ("ANYROUTER_UPSTREAMS", "{}", "ANYROUTER_UPSTREAMS: must be a JSON array of tables"),
        ("ANYROUTER_SERVER__PROT", "1", "ANYROUTER_SERVER__PROT: no such setting; did you mean ANYROUTER_SERVER__PORT?"),
        ("ANYROUTER_PORT", "8080", "ANYROUTER_PORT: no such setting; did you mean ANYROUTER_SERVER__PORT?"),
        ("ANYROUTER_SERVER_PORT", "8080", "ANYROUTER_SERVER_PORT: no such setting; did you mean ANYROUTER_SERVER__PORT?"),
        ("ANYROUTER_DATADIR", "x", "ANYROUTER_DATADIR: no such setting; did you mean ANYROUTER_DATA_DIR?"),
    ],
)
def test_a_bad_variable_is_an_error_that_names_it(problems: Problems, name: str, text: str, complaint: str) -> None:
    found = problems(environ={name: text})
    assert len(found) == 1
    assert found[0].startswith(complaint)


def test_an_empty_variable_counts_as_unset(load: Load) -> None:
    assert load("[server]\nport = 5", environ={"ANYROUTER_SERVER__PORT": "", "ANYROUTER_SERVER__METRICS_TOKEN": ""}).server.port == 5


def test_what_kubernetes_adds_beside_a_service_of_that_name_is_left_alone(load: Load) -> None:
    names = (
        "ANYROUTER_SERVICE_HOST",
        "ANYROUTER_SERVICE_PORT",
        "ANYROUTER_SERVICE_PORT_HTTP",
        "ANYROUTER_PORT_8080_TCP_ADDR",
        "ANYROUTER_DB_PORT_5432_TCP",
    )
    load(environ=dict.fromkeys(names, "10.0.0.1") | {"ANYROUTER_PORT": "tcp://10.0.0.1:8080"})


def test_a_variable_that_an_upstream_refers_to_may_have_any_name(load: Load) -> None:
    text = '[[upstreams]]\nid = "one"\nprovider = "alpha"\ncredential_variable = "ANYROUTER_ALPHA_CREDENTIAL"'
    credential = load(text, environ={"ANYROUTER_ALPHA_CREDENTIAL": "MARKER-credential"}).upstreams[0].credential
    assert credential is not None
    assert credential.reveal() == "MARKER-credential"


def test_whole_arrays_come_as_json(load: Load) -> None:
    tables = [{"id": "local", "provider": "alpha", "base_url": "http://127.0.0.1:1/v1", "models": ["tiny"]}]
    environ = {"ANYROUTER_UPSTREAMS": json.dumps(tables), "ANYROUTER_ENVIRONMENTS": '[{"slug": "ci", "kind": "sandbox"}]'}
    settings = load('[[upstreams]]\nid = "of_the_file"\nprovider = "alpha"', environ=environ)
    assert [upstream.id for upstream in settings.upstreams] == ["local"]
    assert settings.environments[-1].kind is EnvironmentKind.SANDBOX


def test_a_mistake_in_an_array_names_the_variable(problems: Problems) -> None:
    assert problems(environ={"ANYROUTER_UPSTREAMS": '[{"id": "x", "provider": "alpha", "bse_url": "http://h"}]'}) == [
        'ANYROUTER_UPSTREAMS: upstreams["x"].bse_url: is not known; did you mean base_url?'
    ]


def test_every_setting_of_a_section_has_a_variable() -> None:
    names = known_variables()
    assert len(names) == len(set(names))
    assert {"ANYROUTER_PEPPER", "ANYROUTER_DATA_DIR", "ANYROUTER_CONFIG", "ANYROUTER_STORAGE__DATABASE_URL", "ANYROUTER_UPSTREAMS"} <= set(
        names
    )
