"""Addresses and paths with variables and models' names in them."""

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrouter.core.errors import ClientError
from anyrouter.core.provider import Format, Provider
from anyrouter.providers.address import (
    UnusableVariableError,
    expand_base_url,
    name_model,
    needed_variables,
    read_variables,
    render_path,
    select_format,
)
from anyrouter.providers.registry import PROVIDERS

BEDROCK, VERTEX, CLAUDE_ON_VERTEX, GOOGLE, AZURE, DEPLOYMENTS, DEEPSEEK = (
    PROVIDERS[name]
    for name in ("aws", "google-vertex", "google-vertex-anthropic", "google", "azure-openai", "azure-openai-deployments", "deepseek")
)


def locate(provider: Provider, dialect: str, model: str, given_: dict[str, str], *, is_streamed: bool = False) -> str:
    variables = read_variables(provider, given_, environ={})
    selected = select_format(provider, dialect)
    assert selected is not None
    row = selected[1]
    path = (is_streamed and row.stream_path) or row.path
    return (row.base_url or expand_base_url(provider, variables)) + render_path(path, model=model, variables=variables)


@pytest.mark.parametrize(
    ("provider", "dialect", "model", "variables", "address"),
    [
        (PROVIDERS["openai"], "openai", "gpt-4o", {}, "https://api.openai.com/v1/chat/completions"),
        (PROVIDERS["openai"], "responses", "gpt-4o", {}, "https://api.openai.com/v1/responses"),
        (GOOGLE, "openai", "gemini-2.5-pro", {}, "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions"),
        (GOOGLE, "gemini", "gemini-2.5-pro", {}, "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:generateContent"),
        (DEEPSEEK, "anthropic", "deepseek-chat", {}, "https://api.deepseek.com/anthropic/v1/messages"),
        (
            VERTEX,
            "gemini",
            "gemini-2.5-pro",
            {"project": "p-1"},
            "https://aiplatform.googleapis.com/v1/projects/p-1/locations/global/publishers/google/models/gemini-2.5-pro:generateContent",
        ),
        (
            VERTEX,
            "gemini",
            "g",
            {"project": "example.com:p", "location": "eu"},
            "https://aiplatform.eu.rep.googleapis.com/v1/projects/example.com:p/locations/eu/publishers/google/models/g:generateContent",
        ),
        (
            CLAUDE_ON_VERTEX,
            "anthropic",
            "c@1",
            {"project": "p", "location": "europe-west1"},
            "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1/publishers/anthropic/models/c@1:rawPredict",
        ),
        (
            BEDROCK,
            "bedrock",
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.a:0",
            {"region": "us-east-1"},
            "https://bedrock-runtime.us-east-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.a%3A0/converse",
        ),
        (AZURE, "openai", "dep", {"resource": "my-res"}, "https://my-res.openai.azure.com/openai/v1/chat/completions"),
        (
            DEPLOYMENTS,
            "openai",
            "my dep",
            {"resource": "my-res"},
            "https://my-res.openai.azure.com/openai/deployments/my%20dep/chat/completions?api-version=2024-10-21",
        ),
        (
            PROVIDERS["cloudflare"],
            "openai",
            "@cf/meta/llama",
            {"account": "0" * 32},
            f"https://api.cloudflare.com/client/v4/accounts/{'0' * 32}/ai/v1/chat/completions",
        ),
        (
            PROVIDERS["databricks"],
            "openai",
            "m",
            {"workspace": "dbc-a.cloud.databricks.com"},
            "https://dbc-a.cloud.databricks.com/serving-endpoints/chat/completions",
        ),
    ],
)
def test_each_is_asked_where_its_documentation_says(
    provider: Provider, dialect: str, model: str, variables: dict[str, str], address: str
) -> None:
    assert locate(provider, dialect, model, variables) == address


def test_a_stream_is_asked_for_where_streams_are() -> None:
    assert locate(GOOGLE, "gemini", "g", {}, is_streamed=True).endswith("/models/g:streamGenerateContent?alt=sse")
    assert locate(BEDROCK, "bedrock", "m", {"region": "us-east-1"}, is_streamed=True).endswith("/model/m/converse-stream")
    assert locate(CLAUDE_ON_VERTEX, "anthropic", "c", {"project": "p"}, is_streamed=True).endswith("/models/c:streamRawPredict")
    assert locate(AZURE, "openai", "d", {"resource": "r"}, is_streamed=True).endswith("/openai/v1/chat/completions")


def test_a_client_is_served_in_its_own_format_where_the_provider_speaks_it_and_else_in_the_native_one() -> None:
    assert [select_format(GOOGLE, dialect)[0] for dialect in ("openai", "gemini", "anthropic", "responses")] == [  # type: ignore[index]
        "openai",
        "gemini",
        "gemini",
        "gemini",
    ]
    assert GOOGLE.native_dialect == "gemini"
    assert select_format(Provider(id="x", name="X", dialect="openai", base_url="", vendors=(), paths={}), "openai") is None


def test_at_an_address_of_the_operators_a_format_that_lives_elsewhere_is_not_there() -> None:
    selected = select_format(DEEPSEEK, "anthropic", has_own_address=True)
    assert selected is not None
    assert selected[0] == "openai"


def test_what_the_operator_gives_counts_before_the_credential_and_that_before_the_environment() -> None:
    environ = {"GOOGLE_CLOUD_PROJECT": "from-environment", "GOOGLE_CLOUD_LOCATION": "us"}
    assert read_variables(VERTEX, {}, environ=environ) == {"project": "from-environment", "location": "us"}
    assert read_variables(VERTEX, {}, environ=environ, known={"project": "from-key"})["project"] == "from-key"
    assert read_variables(VERTEX, {"project": "given"}, environ=environ, known={"project": "from-key"})["project"] == "given"
    assert read_variables(BEDROCK, {}, environ={"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-west-1"}) == {"region": "eu-west-1"}


def test_a_missing_variable_is_told_with_where_it_is_usually_found() -> None:
    with pytest.raises(UnusableVariableError, match=r"is missing \(or the variable AWS_REGION\): the region") as caught:
        read_variables(BEDROCK, {}, environ={})
    assert caught.value.name == "region"


def test_a_variable_that_a_provider_does_not_have_is_an_error() -> None:
    with pytest.raises(UnusableVariableError, match="it has region"):
        read_variables(BEDROCK, {"regoin": "us-east-1"}, environ={})
    with pytest.raises(UnusableVariableError, match="it has none"):
        read_variables(PROVIDERS["openai"], {"region": "us-east-1"}, environ={})


def test_at_an_address_of_the_operators_only_what_paths_and_signatures_need_is_asked_for() -> None:
    assert needed_variables(AZURE, has_own_address=True) == frozenset()
    assert read_variables(AZURE, {}, environ={}, has_own_address=True) == {}
    assert needed_variables(BEDROCK, has_own_address=True) == {"region"}
    assert needed_variables(VERTEX, has_own_address=True) == {"project", "location"}


@pytest.mark.parametrize(
    ("provider", "name", "value"),
    [
        (VERTEX, "location", "evil.example/"),
        (VERTEX, "location", "a.evil.example"),
        (VERTEX, "location", "us@evil"),
        (VERTEX, "project", "../x"),
        (VERTEX, "project", "a/b"),
        (VERTEX, "project", ".x"),
        (BEDROCK, "region", "us-east-1.evil.example/#"),
        (BEDROCK, "region", "us-east-1\n"),
        (AZURE, "resource", "r.evil.example/"),
        (AZURE, "resource", "-r"),
        (DEPLOYMENTS, "api_version", "2024-10-21&x=y"),
        (PROVIDERS["cloudflare"], "account", "../../zones"),
        (PROVIDERS["databricks"], "workspace", "h.example/x"),
        (PROVIDERS["databricks"], "workspace", "h.example:1@evil"),
        (PROVIDERS["databricks"], "workspace", "-h.example"),
    ],
)
def test_a_value_that_would_lead_elsewhere_is_refused_without_being_repeated(provider: Provider, name: str, value: str) -> None:
    others = {row.name: "x" for row in provider.variables if row.name != name and row.default is None}
    with pytest.raises(UnusableVariableError) as caught:
        read_variables(provider, others | {name: value}, environ={})
    assert caught.value.name == name
    assert value not in str(caught.value)
    usual = next((row.environment[0] for row in provider.variables if row.name == name and row.environment), None)
    if usual is not None:
        with pytest.raises(UnusableVariableError):
            read_variables(provider, others, environ={usual: value})


@pytest.mark.parametrize("name", ["", ".", "..", "..."])
def test_a_name_of_dots_is_no_model(name: str) -> None:
    with pytest.raises(ClientError):
        render_path("/model/{model}/converse", model=name, variables={})


@given(name=st.text(min_size=1).filter(lambda name: name.strip(".")))
def test_a_model_is_one_segment_of_the_path_whatever_its_name_is(name: str) -> None:
    path = render_path("/model/{model}/converse", model=name, variables={})
    assert path.isascii()
    assert path.isprintable()
    parts = urlsplit(f"https://host{path}")
    assert (parts.netloc, parts.query, parts.fragment) == ("host", "", "")
    assert [unquote(part) for part in parts.path.split("/")] == ["", "model", name, "converse"]


def test_a_models_name_with_a_placeholder_in_it_is_not_filled() -> None:
    path = render_path("/{project}/{model}", model="{project}", variables={"project": "p"})
    assert path == "/p/%7Bproject%7D"


def test_a_short_name_gets_the_providers_prefix_and_a_full_one_does_not() -> None:
    fireworks = PROVIDERS["fireworks"]
    assert name_model(fireworks, "deepseek-v3p2") == "accounts/fireworks/models/deepseek-v3p2"
    assert name_model(fireworks, "accounts/me/models/own") == "accounts/me/models/own"
    assert name_model(PROVIDERS["openai"], "gpt-4o") == "gpt-4o"


def test_a_row_may_have_no_address_at_all() -> None:
    assert expand_base_url(PROVIDERS["openai-compatible"], {}) == ""
    assert Format(path="/x").stream_path is None
