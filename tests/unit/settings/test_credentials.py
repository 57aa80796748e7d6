"""Credentials of several parts: where they are found, and what is said when they cannot be used."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from anyrouter.core.provider import AuthKind
from anyrouter.settings import SettingsError, Upstream, load_settings
from support.service_account import PROJECT, key_file, key_lines

LoadOne = Callable[..., Upstream]
Complain = Callable[..., str]

ACCESS_KEY = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "MARKER/secret+", "session_token": "MARKER-session=="}
PARTS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "MARKER/secret+"}
BEDROCK = 'provider = "aws"\nvariables = { region = "us-east-1" }\n'
VERTEX = 'provider = "google-vertex"\n'
TOKEN_URL = "https://oauth2.googleapis.com/token"


@pytest.fixture
def load_one(tmp_path: Path) -> LoadOne:
    """The upstream of a table, with these variables."""

    def load_one(table: str, **environ: str) -> Upstream:
        (tmp_path / "anyrouter.toml").write_text(f'[[upstreams]]\nid = "it"\n{table}', encoding="utf-8")
        return next(upstream for upstream in load_settings(data_dir=tmp_path, environ=environ).upstreams if upstream.id == "it")

    return load_one


@pytest.fixture
def complain(load_one: LoadOne) -> Complain:
    """What is said of a table that cannot be used."""

    def complain(table: str, **environ: str) -> str:
        with pytest.raises(SettingsError) as caught:
            load_one(table, **environ)
        (problem,) = str(caught.value).splitlines()
        assert "MARKER" not in problem
        return problem.partition('upstreams["it"].')[2]

    return complain


def revealed(upstream: Upstream) -> dict[str, str]:
    assert upstream.credential is not None
    assert "MARKER" not in repr(upstream)
    return json.loads(upstream.credential.reveal())


@pytest.mark.parametrize("indent", [None, 2])
def test_an_access_key_may_stand_in_one_variable_or_file_as_json(load_one: LoadOne, tmp_path: Path, indent: int | None) -> None:
    text = json.dumps(ACCESS_KEY, indent=indent)
    (tmp_path / "key.json").write_text(f"{text}\n", encoding="utf-8")
    from_variable = load_one(f'{BEDROCK}credential_variable = "MY_KEY"', MY_KEY=text)
    from_file = load_one(f'{BEDROCK}credential_file = "key.json"')
    assert revealed(from_variable) == revealed(from_file) == ACCESS_KEY
    assert (from_variable.credential_kind, from_variable.credential_source) == (AuthKind.SIGV4, "variable MY_KEY")
    assert (from_file.credential_kind, from_file.credential_source) == (AuthKind.SIGV4, "file key.json")


@pytest.mark.parametrize("named", ["", 'credential_variable = "AWS_ACCESS_KEY_ID"', 'credential_variable = "AWS_SECRET_ACCESS_KEY"'])
def test_an_access_key_in_the_usual_variables_is_found_named_or_not(load_one: LoadOne, named: str) -> None:
    upstream = load_one(BEDROCK + named, **PARTS, AWS_SESSION_TOKEN="MARKER-session")
    assert revealed(upstream)["session_token"] == "MARKER-session"
    assert (upstream.credential_kind, upstream.base_url) == (AuthKind.SIGV4, "https://bedrock-runtime.us-east-1.amazonaws.com")
    assert upstream.credential_source == "variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN"


def test_a_key_for_the_api_is_the_plain_header_and_counts_before_an_access_key(load_one: LoadOne) -> None:
    upstream = load_one(BEDROCK, **PARTS, AWS_BEARER_TOKEN_BEDROCK="MARKER-bearer")
    assert upstream.credential is not None
    assert (upstream.credential.reveal(), upstream.credential_kind) == ("MARKER-bearer", AuthKind.HEADER)
    assert upstream.credential_source == "variable AWS_BEARER_TOKEN_BEDROCK"
    named = load_one(f'{BEDROCK}credential_variable = "AWS_BEARER_TOKEN_BEDROCK"', **PARTS, AWS_BEARER_TOKEN_BEDROCK="MARKER-bearer")
    assert named.credential_kind is AuthKind.HEADER


def test_to_an_address_of_the_operators_goes_only_what_the_operator_names(load_one: LoadOne) -> None:
    own = f'{BEDROCK}base_url = "http://127.0.0.1:9"\n'
    assert load_one(own, **PARTS).credential is None
    assert load_one(f'{own}credential_variable = "AWS_ACCESS_KEY_ID"', **PARTS).credential_kind is AuthKind.SIGV4
    vertex = f'{VERTEX}base_url = "http://127.0.0.1:9"\nvariables = {{ project = "p" }}'
    assert load_one(vertex, GOOGLE_APPLICATION_CREDENTIALS="/absent").credential is None


@pytest.mark.parametrize("provider", ["google-vertex", "google-vertex-anthropic"])
@pytest.mark.parametrize("place", ["file", "variable", "usual variable", "usual variable, named", "usual variable, unnamed"])
def test_a_service_accounts_key_may_stand_in_a_file_or_a_variable_and_tells_its_project(
    load_one: LoadOne, tmp_path: Path, provider: str, place: str
) -> None:
    path, text = tmp_path / "key.json", key_file(TOKEN_URL)
    path.write_text(text, encoding="utf-8")
    said = {
        "file": ('credential_file = "key.json"', {}),
        "variable": ('credential_variable = "MY_KEY"', {"MY_KEY": text}),
        "usual variable": ('credential_variable = "GOOGLE_APPLICATION_CREDENTIALS"', {"GOOGLE_APPLICATION_CREDENTIALS": text}),
        "usual variable, named": (
            'credential_variable = "GOOGLE_APPLICATION_CREDENTIALS"',
            {"GOOGLE_APPLICATION_CREDENTIALS": str(path)},
        ),
        "usual variable, unnamed": ("", {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}),
    }
    table, environ = said[place]
    upstream = load_one(f'provider = "{provider}"\n{table}', **environ)
    assert upstream.credential is not None
    assert upstream.credential.reveal() == text
    assert (upstream.credential_kind, upstream.variables["project"]) == (AuthKind.SERVICE_ACCOUNT, PROJECT)
    assert upstream.base_url == "https://aiplatform.googleapis.com/v1"
    assert not any(line in repr(upstream) for line in key_lines())


def test_a_project_that_is_given_counts_before_that_of_the_key(load_one: LoadOne, tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text(key_file(TOKEN_URL), encoding="utf-8")
    given = f'{VERTEX}credential_file = "key.json"\nvariables = {{ project = "other", location = "europe-west4" }}'
    upstream = load_one(given)
    assert (upstream.variables["project"], upstream.base_url) == ("other", "https://europe-west4-aiplatform.googleapis.com/v1")
    assert load_one(f'{VERTEX}credential_file = "key.json"', GOOGLE_CLOUD_PROJECT="elsewhere").variables["project"] == PROJECT


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"access_key_id": "MARKER"}', "has no secret_access_key"),
        ('{"MARKER', "is not a JSON object with access_key_id and secret_access_key"),
        ('{"access_key_id": "ASIAMARKER", "secret_access_key": "b"}', "is a temporary access key"),
        ('{"access_key_id": "a", "secret_access_key": "MARKER b"}', "has a secret_access_key that is empty or not printable"),
        ('{"type": "service_account", "private_key": "MARKER"}', "has no access_key_id"),
        ("two MARKER words", "holds what no credential has"),
    ],
)
def test_what_is_wrong_with_an_access_key_is_told_at_its_place(complain: Complain, tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "key.json").write_text(text, encoding="utf-8")
    for place, named, environ in (
        ("credential_variable", 'credential_variable = "MY_KEY"', {"MY_KEY": text}),
        ("credential_file", 'credential_file = "key.json"', {}),
    ):
        said = complain(BEDROCK + named, **environ)
        assert said.startswith(f"{place}: ")
        assert complaint in said


@pytest.mark.parametrize(
    ("named", "environ", "complaint"),
    [
        (
            "",
            {},
            'is missing: Amazon Bedrock asks for a credential (credential_variable = "AWS_BEARER_TOKEN_BEDROCK", or the variables AWS_',
        ),
        ("", {"AWS_ACCESS_KEY_ID": "MARKER"}, "is missing, and of the usual variables AWS_SECRET_ACCESS_KEY is not set"),
        ("", {"AWS_SESSION_TOKEN": "MARKER"}, "of the usual variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY is not set"),
        (
            'credential_variable = "AWS_ACCESS_KEY_ID"',
            {"AWS_ACCESS_KEY_ID": "MARKER"},
            "names AWS_ACCESS_KEY_ID, a part of a credential of which AWS_SECRET_ACCESS_KEY is not set",
        ),
        ("", {"AWS_ACCESS_KEY_ID": "ASIAMARKER", "AWS_SECRET_ACCESS_KEY": "MARKER"}, "is a temporary access key"),
    ],
)
def test_half_an_access_key_is_told_by_the_names_of_its_variables(
    complain: Complain, named: str, environ: dict[str, str], complaint: str
) -> None:
    assert complaint in complain(BEDROCK + named, **environ)


def test_what_is_wrong_with_a_service_accounts_key_is_told(complain: Complain, tmp_path: Path) -> None:
    def said(text: str) -> str:
        (tmp_path / "key.json").write_text(text, encoding="utf-8")
        in_file = complain(f'{VERTEX}credential_file = "key.json"')
        named = complain(VERTEX, GOOGLE_APPLICATION_CREDENTIALS=str(tmp_path / "key.json"))
        assert named.startswith("credential_variable: (the file that GOOGLE_APPLICATION_CREDENTIALS names) ")
        assert in_file.startswith("credential_file: ")
        assert in_file.partition(") ")[2] == named.partition(") ")[2]
        return in_file

    assert "has a private_key that cannot be read" in said(key_file(TOKEN_URL, private_key="MARKER"))
    assert 'its "type" is not service_account' in said(key_file(TOKEN_URL, type="authorized_user"))
    assert "it has no client_email" in said(key_file(TOKEN_URL, client_email=None))
    assert "is not a service account's key" in said('{"MARKER')
    assert "has a token_uri that is not an address" in said(key_file("file:///MARKER"))
    no_project = key_file(TOKEN_URL, project_id=None)
    (tmp_path / "key.json").write_text(no_project, encoding="utf-8")
    assert "variables: project is missing (or the variable GOOGLE_CLOUD_PROJECT)" in complain(f'{VERTEX}credential_file = "key.json"')


@pytest.mark.parametrize(
    ("table", "environ", "complaint"),
    [
        (
            VERTEX,
            {},
            'credential_variable: is missing: Vertex AI asks for a credential (credential_file = "key.json", or the variable GOOGLE',
        ),
        (VERTEX, {"GOOGLE_APPLICATION_CREDENTIALS": "/absent"}, "GOOGLE_APPLICATION_CREDENTIALS names) cannot be read (No such file"),
        (VERTEX, {"GOOGLE_APPLICATION_CREDENTIALS": "/dev/null"}, "GOOGLE_APPLICATION_CREDENTIALS names) is empty"),
        (f'{VERTEX}credential_variable = "K"', {"K": "AIzaMARKER"}, "holds no service account's key, which is a JSON object"),
        ('provider = "openai"\ncredential_variable = "K"', {"K": '{"a": "MARKER"}'}, "holds a JSON object, and OpenAI takes an API key"),
        ('provider = "sandbox"\nbase_url = "http://h"\ncredential_variable = "K"', {"K": "MARKER"}, "is not needed"),
        (f"{BEDROCK}discover = true", PARTS, "discover: cannot be on: Amazon Bedrock has no list of models"),
    ],
)
def test_a_credential_of_another_kind_or_in_no_place_is_told(
    complain: Complain, table: str, environ: dict[str, str], complaint: str
) -> None:
    assert complaint in complain(table, **environ)


def test_the_library_for_private_keys_is_not_loaded_for_those_that_need_none() -> None:
    """It costs 20 MB and a tenth of a second."""
    upstream = {"id": "b", "provider": "aws", "variables": {"region": "us-east-1"}, "credential_variable": "AWS_ACCESS_KEY_ID"}
    environ = {**PARTS, "OPENAI_API_KEY": "k", "ANYROUTER_UPSTREAMS": json.dumps([upstream])}
    code = (
        "import sys; from pathlib import Path; import anyrouter.bootstrap.gateway; from anyrouter.settings import load_settings\n"
        f"load_settings(data_dir=Path('absent'), environ={environ!r})\n"
        "print([name for name in sys.modules if name.partition('.')[0] == 'cryptography'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
