"""Google's SDK looks at the models and is refused: its own classes, its pager, its errors."""

from collections.abc import Iterator

import pytest
from google import genai
from google.genai import errors, types

from anyrouter.core.keys import generate
from support.served import ANTHROPIC_MODEL, OPENAI_MODEL, Served

VERSIONS = [None, "v1beta", "v1", "v1alpha"]


def make_client(served: Served, key: str, version: str | None = None) -> genai.Client:
    options = types.HttpOptions(
        base_url=served.base_url, api_version=version, timeout=20_000, retry_options=types.HttpRetryOptions(attempts=1)
    )  # fmt: skip
    return genai.Client(api_key=key, http_options=options)


@pytest.fixture(params=VERSIONS, ids=str)
def google(served: Served, request: pytest.FixtureRequest) -> Iterator[genai.Client]:
    """The SDK with the live key, asking for each version of the API."""
    client = make_client(served, served.live_key, request.param)
    yield client
    client.close()


def test_the_sdk_s_pager_goes_through_all_models(google: genai.Client, served: Served) -> None:
    listed = ["models/" + row["id"] for row in served.get("models").json()["data"]]
    found = list(google.models.list(config={"page_size": 100}))
    assert [model.name for model in found] == listed
    assert len(listed) > 100
    chatting = [model.name for model in found if "generateContent" in (model.supported_actions or [])]
    assert {f"models/{OPENAI_MODEL}", f"models/{ANTHROPIC_MODEL}"} <= set(chatting)
    assert "models/openai/text-embedding-3-small" not in chatting


async def test_the_pager_works_asynchronously(served: Served) -> None:
    client = make_client(served, served.live_key)
    pages = await client.aio.models.list(config={"page_size": 3})
    assert len(pages.page) == 3
    assert len(await pages.next_page()) == 3
    await client.aio.aclose()
    client.close()


@pytest.mark.parametrize("name", [OPENAI_MODEL, f"models/{OPENAI_MODEL}", OPENAI_MODEL.partition("/")[2]])
def test_a_model_is_shown_by_any_of_its_names(google: genai.Client, name: str) -> None:
    model = google.models.get(model=name)
    assert model.name == f"models/{OPENAI_MODEL}"
    assert model.display_name
    assert (model.input_token_limit, model.supported_actions) == (128_000, ["generateContent", "streamGenerateContent"])


def test_a_reply_and_a_stream(google: genai.Client) -> None:
    assert google.models.generate_content(model=OPENAI_MODEL, contents="Hello").text == "Hello from upstream"
    stream = google.models.generate_content_stream(model=OPENAI_MODEL, contents="Hello")
    assert "".join(chunk.text or "" for chunk in stream).strip() == "Hello from upstream"


def test_refusals_are_the_sdk_s_own_errors(google: genai.Client, served: Served) -> None:
    for ask in (
        lambda: google.models.get(model="nobody/nothing"),
        lambda: google.models.generate_content(model="nobody/nothing", contents="Hello"),
        lambda: list(google.models.generate_content_stream(model="nobody/nothing", contents="Hello")),
        lambda: google.models.count_tokens(model=OPENAI_MODEL, contents="Hello"),
        lambda: google.models.embed_content(model="openai/text-embedding-3-small", contents="Hello"),
    ):
        with pytest.raises(errors.ClientError) as caught:
            ask()
        assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")
    assert served.upstream.received == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_key_that_nobody_issued_is_unauthenticated(served: Served, version: str | None) -> None:
    with make_client(served, generate("live"), version) as client:
        for ask in (
            lambda: client.models.get(model=OPENAI_MODEL),
            lambda: list(client.models.list()),
            lambda: client.models.generate_content(model=OPENAI_MODEL, contents="Hello"),
        ):
            with pytest.raises(errors.ClientError) as caught:
                ask()
            assert (caught.value.code, caught.value.status) == (401, "UNAUTHENTICATED")


def test_a_key_for_models_alone_sees_them_and_generates_nothing(served: Served) -> None:
    with make_client(served, served.key("--scope", "models:read")) as client:
        assert client.models.get(model=OPENAI_MODEL).name == f"models/{OPENAI_MODEL}"
        with pytest.raises(errors.ClientError) as caught:
            client.models.generate_content(model=OPENAI_MODEL, contents="Hello")
    assert (caught.value.code, caught.value.status) == (403, "PERMISSION_DENIED")
    assert served.upstream.received == []
