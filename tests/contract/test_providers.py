"""One contract over every provider: a row is complete, cites where its facts are from, and can be asked."""

import re
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from anyrouter.core.provider import AuthKind, Effect, Format, Provider, Quirk
from anyrouter.policy.endpoints import ENDPOINTS
from anyrouter.providers.adaptation import adapt_body
from anyrouter.providers.address import expand_base_url, needed_variables, read_variables, render_path, select_format
from anyrouter.providers.credential import judge_credential
from anyrouter.providers.openai import OPENAI_COMPATIBLE
from anyrouter.providers.registry import PROVIDERS, read_rows
from anyrouter.providers.sandbox import SANDBOX, SANDBOX_MAKERS
from anyrouter.wire.form.warnings import Warnings

ROOT = Path(__file__).resolve().parents[2]
ROWS = [row for row in PROVIDERS.values() if row.id not in {SANDBOX.id, *(maker.id for maker in SANDBOX_MAKERS)}]
FORMATS = [(row, name) for row in ROWS for name in row.formats]
QUIRKS = [(row, quirk) for row in ROWS for quirk in row.quirks]
DIALECTS = {"openai", "responses", "anthropic", "gemini", "bedrock"}
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]+")
HEADER = re.compile(r"[a-z][a-z0-9-]*")
PLACEHOLDER = re.compile(r"\{(\w+)\}")
EXAMPLES = {
    "account": "0123456789abcdef0123456789abcdef",
    "api_version": "2024-10-21",
    "location": "europe-west4",
    "project": "my-project",
    "region": "us-east-1",
    "resource": "my-resource",
    "workspace": "dbc-a1b2.cloud.databricks.com",
}
WANTED = {
    "openai", "anthropic", "google", "google-vertex", "google-vertex-anthropic", "aws", "azure-openai", "azure-foundry", "groq",
    "mistral", "deepseek", "together", "fireworks", "x-ai", "openrouter", "cerebras", "sambanova", "perplexity", "nvidia",
    "moonshotai", "zai", "minimax", "dashscope", "cohere", "huggingface", "github-models", "cloudflare", "deepinfra", "novita",
    "nebius", "hyperbolic", "baseten", "databricks", "ollama", "vllm", "lm-studio", "llama-cpp", "openai-compatible",
}  # fmt: skip

each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
each_format = pytest.mark.parametrize(("row", "name"), FORMATS, ids=[f"{row.id}-{name}" for row, name in FORMATS])
each_quirk = pytest.mark.parametrize(("row", "quirk"), QUIRKS, ids=[f"{row.id}-{quirk.effect}-{quirk.members[0]}" for row, quirk in QUIRKS])


def make_variables(row: Provider) -> dict[str, str]:
    return read_variables(row, {variable.name: EXAMPLES[variable.name] for variable in row.variables}, environ={})


def make_address(row: Provider, form: Format, path: str) -> str:
    variables = make_variables(row)
    base = form.base_url or expand_base_url(row, variables) or "http://127.0.0.1:8000/v1"
    return base + render_path(path, model="vendor/a model:1", variables=variables)


def test_the_providers_that_were_promised_are_there() -> None:
    assert PROVIDERS.keys() >= WANTED


@each_row
def test_a_row_is_complete(row: Provider) -> None:
    assert PROVIDERS[row.id] is row
    assert re.fullmatch(r"[a-z][a-z0-9-]*", row.id)
    assert row.name.strip() == row.name != ""
    assert row.formats
    assert row.formats.keys() <= DIALECTS
    assert row.dialect in row.formats
    assert row.vendors or AuthKind.NONE in row.auth
    assert row.auth
    assert len(set(row.auth)) == len(row.auth)


@each_row
def test_what_is_forwarded_as_it_is_are_endpoints_of_the_rows_dialect(row: Provider) -> None:
    for endpoint, path in row.paths.items():
        assert ENDPOINTS[endpoint].is_inference
        assert ENDPOINTS[endpoint].dialect == row.dialect
        assert re.fullmatch(r"(/[a-z0-9_-]+)+", path)
    main = row.paths.get("chat/completions") or row.paths.get("messages")
    assert main is None or row.formats[row.dialect].path == main


@each_row
def test_a_row_cites_a_page_and_the_day_on_which_it_was_checked(row: Provider) -> None:
    assert row.source is not None
    for source in (row.source, *(quirk.source for quirk in row.quirks)):
        parts = urlsplit(source.page)
        assert parts.scheme == "https"
        assert parts.hostname
        assert "." in parts.hostname
        assert date(2026, 1, 1) < source.checked <= date.today()  # noqa: DTZ011 -- a day on a calendar


@each_row
def test_an_address_is_https_unless_it_is_on_this_machine(row: Provider) -> None:
    if row is OPENAI_COMPATIBLE:
        assert not row.base_url
        assert not row.base_url_template
        return
    assert bool(row.base_url) != bool(row.base_url_template)
    bases = [expand_base_url(row, make_variables(row)), *(form.base_url for form in row.formats.values() if form.base_url)]
    for base in bases:
        parts = urlsplit(base)
        assert parts.hostname
        if row.is_local:
            assert (parts.scheme, parts.hostname) == ("http", "127.0.0.1")
        else:
            assert parts.scheme == "https"
            assert "." in parts.hostname
            assert parts.port is None
        assert not base.endswith("/")
        assert (parts.query, parts.fragment, parts.username) == ("", "", None)
        assert "{" not in base


@each_row
def test_a_credential_has_a_way_to_be_given_and_a_way_to_travel(row: Provider) -> None:
    for variable in (row.credential_variable, row.credential_file_variable, row.base_url_variable, *row.credential_parts.values()):
        assert variable is None or VARIABLE.fullmatch(variable)
    for form in (row, *row.formats.values()):
        assert form.credential_header is None or HEADER.fullmatch(form.credential_header)
        assert form.credential_prefix in {None, "", "Bearer "}
    if row.is_local:
        assert row.auth == (AuthKind.NONE, AuthKind.HEADER)
        assert row.credential_variable is None
        assert row.models_path
    elif AuthKind.NONE not in row.auth and row.base_url:
        assert row.credential_variable
    assert (AuthKind.SIGV4 in row.auth) == (row.signing_service is not None) == bool(row.credential_parts)
    assert (AuthKind.SERVICE_ACCOUNT in row.auth) == bool(row.token_url) == bool(row.token_scope) == bool(row.credential_file_variable)
    if AuthKind.SERVICE_ACCOUNT in row.auth:  # a token stands in one header, whatever the format
        assert {(form.credential_header, form.credential_prefix) for form in row.formats.values()} == {(None, None)}
    assert row.check_path is None or row.check_path.startswith("/")
    assert (judge_credential(row, "") is AuthKind.NONE) == (AuthKind.NONE in row.auth)
    assert (judge_credential(row, "key") is AuthKind.HEADER) == (AuthKind.HEADER in row.auth)


@each_row
def test_headers_are_in_lower_case_and_carry_no_credential_of_the_clients(row: Provider) -> None:
    headers = {*row.headers, *row.passed_headers, *(name for form in row.formats.values() for name in form.headers)}
    assert all(HEADER.fullmatch(name) for name in headers)
    assert not headers & {"authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "proxy-authorization", "host"}


@each_row
def test_variables_are_those_that_addresses_need_and_each_has_words_and_a_pattern(row: Provider) -> None:
    names = [variable.name for variable in row.variables]
    assert set(names) == needed_variables(row)
    assert len(set(names)) == len(names)
    for variable in row.variables:
        assert variable.text
        assert all(VARIABLE.fullmatch(name) for name in variable.environment)
        assert variable.default is None or re.fullmatch(variable.pattern, variable.default)
        assert not re.fullmatch(variable.pattern, "a/../b")
        assert not re.fullmatch(variable.pattern, "evil.example#")
    for exception in row.base_url_exceptions:
        name, _, value = exception.partition("=")
        assert name in names
        assert expand_base_url(row, make_variables(row) | {name: value}) == row.base_url_exceptions[exception]


@each_format
def test_a_format_is_asked_at_an_address_without_gaps(row: Provider, name: str) -> None:
    form = row.formats[name]
    for path in (form.path, form.stream_path, form.count_tokens_path):
        if path is None:
            continue
        assert path.startswith("/")
        assert set(PLACEHOLDER.findall(path)) <= {"model", *(variable.name for variable in row.variables)}
        address = make_address(row, form, path)
        parts = urlsplit(address)
        assert parts.hostname
        assert "{" not in address
        assert " " not in address
        assert "//" not in parts.path
    assert (form.stream_path is not None) == (name in {"gemini", "bedrock"} or "rawPredict" in form.path)
    assert select_format(row, name) == (name, form)


@each_format
def test_a_model_that_is_in_the_path_is_not_in_the_body(row: Provider, name: str) -> None:
    form = row.formats[name]
    if name in {"openai", "responses", "anthropic"}:
        is_named_in_path = "{model}" in form.path
        assert ("model" in form.removed) == (is_named_in_path and name == "anthropic")
    else:
        assert "{model}" in form.path
    for member, value in form.members.items():
        assert member.isidentifier()
        msgspec.json.decode(value)


@each_quirk
def test_a_quirk_is_one_that_can_be_applied(row: Provider, quirk: Quirk) -> None:
    assert quirk.dialect in row.formats
    assert quirk.members
    re.compile(quirk.models)
    for member in quirk.members:
        assert re.fullmatch(r"[a-z_]+(\.[a-z_]+|\[\]\.[a-z_]+)?", member)
        if "[]" in member:
            assert quirk.effect in {Effect.UNSUPPORTED, Effect.REPLACED}
        elif "." in member:
            assert quirk.effect is Effect.RESTRICTED
        else:
            assert quirk.effect is not Effect.REPLACED
    assert (quirk.to is not None) == (quirk.effect in {Effect.RENAMED, Effect.REPLACED})
    assert bool(quirk.values) == (quirk.effect in {Effect.RESTRICTED, Effect.EXCLUDED, Effect.REPLACED})
    assert quirk.effect is not Effect.RENAMED or (len(quirk.members) == 1 and quirk.to not in quirk.members)


@each_quirk
def test_a_quirk_does_something(row: Provider, quirk: Quirk) -> None:
    for member in quirk.members:
        value = quirk.values[0] if quirk.values and quirk.effect is not Effect.RESTRICTED else "something else"
        name, _, key = member.replace("[]", "").partition(".")
        content: object = {key: value} if key else value
        body = msgspec.json.encode({name: [content] if "[]" in member else content})
        sent = adapt_body(body, row, quirk.dialect, "o1" if quirk.models.startswith("o") else "grok-4.7", Warnings())
        assert sent != body, member
        assert adapt_body(sent, row, quirk.dialect, "m", Warnings()) == sent, "it would change what it made"


@each_row
def test_a_row_has_its_page(row: Provider) -> None:
    page = (ROOT / "docs" / "providers" / f"{row.id}.md").read_text(encoding="utf-8")
    assert f'provider = "{row.id}"' in page
    assert f"({row.id}.md)" in (ROOT / "docs" / "providers" / "README.md").read_text(encoding="utf-8")


def test_no_two_rows_take_the_same_variable_for_granted() -> None:
    implied = [name for row in ROWS if row.is_implied for name in (row.credential_variable, row.base_url_variable) if name]
    assert len(implied) == len(set(implied))


def test_no_two_rows_have_the_same_name() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_the_row_that_the_documentation_shows_is_a_row() -> None:
    page = (ROOT / "docs" / "how-to" / "add-a-provider.md").read_text(encoding="utf-8")
    samples = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (row,) = read_rows("".join(samples))
    assert row.id == "example"
    assert row.formats == {"openai": Format(path="/chat/completions")}
    assert [quirk.effect for quirk in row.quirks] == [Effect.UNSUPPORTED, Effect.RENAMED, Effect.RESTRICTED, Effect.REPLACED]
    assert {quirk.source.page for quirk in row.quirks} == {"https://docs.example.com/api", "https://docs.example.com/roles"}
    for key in re.findall(r"^\| `([a-z_]+)", page, re.MULTILINE):
        assert key in {"formats", *Provider.__dataclass_fields__}


@pytest.mark.parametrize(
    "wrong",
    ["credential = 'x'", "is_host = 'yes'", "auth = ['magic']", "quirks = [{ effect = 'odd', members = ['n'] }]", "formats.anthropic = {}"],
)
def test_a_row_with_a_mistake_is_refused_and_the_mistake_is_named(wrong: str) -> None:
    row = 'id = "x"\nname = "X"\nvendors = ["x"]\nsource = { page = "https://x.example", checked = 2026-11-24 }\n'
    assert read_rows(f"[[provider]]\n{row}")[0].id == "x"
    with pytest.raises(msgspec.ValidationError, match=r"provider"):
        read_rows(f"[[provider]]\n{row}{wrong}\n")
