"""Gemini's clients read the models: its shape, its pages, its key header, its errors; the same models as everybody else's."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from support.events import event_of

PATHS = ("/v1beta/models", "/v1alpha/models/", "/v1/models")
CHAT = ["generateContent", "streamGenerateContent"]


def gemini_key(headers: dict[str, str]) -> dict[str, str]:
    return {"x-goog-api-key": headers["Authorization"].removeprefix("Bearer ")}


async def read_pages(world: Any, headers: dict[str, str], **query: Any) -> list[list[dict[str, Any]]]:
    """All pages of the list, the way a client goes from one to the next."""
    pages, token = [], None
    while True:
        reply = await world.client.get("/v1beta/models", headers=headers, params=query | ({"pageToken": token} if token else {}))
        assert reply.status_code == 200, reply.text
        pages.append(reply.json()["models"])
        token = reply.json().get("nextPageToken")
        if token is None:
            return pages


def names(pages: Iterable[list[dict[str, Any]]]) -> list[str]:
    return [row["name"] for page in pages for row in page]


@pytest.mark.parametrize("path", PATHS)
async def test_the_list_is_gemini_s_at_each_of_its_paths(world: Any, path: str) -> None:
    _, headers = await world.make_key()
    reply = await world.client.get(path, headers=gemini_key(headers), params={"pageSize": 3})
    assert reply.status_code == 200
    assert set(reply.json()) == {"models", "nextPageToken"}
    assert [row["name"].startswith("models/") for row in reply.json()["models"]] == [True] * 3


async def test_the_list_below_v1_is_openai_s_without_gemini_s_header_and_below_api_always(world: Any) -> None:
    _, headers = await world.make_key()
    for path in ("/v1/models", "/api/v1/models"):
        assert (await world.client.get(path, headers=headers)).json()["object"] == "list"
        assert (await world.client.get(f"{path}/openai/gpt-4o", headers=headers)).json()["id"] == "openai/gpt-4o"
    assert (await world.client.get("/v1/models/openai/gpt-4o", headers=gemini_key(headers))).json()["name"] == "models/openai/gpt-4o"
    assert (await world.client.get("/api/v1/models", headers=headers | gemini_key(headers))).json()["object"] == "list"
    assert (await world.client.get("/api/v1/models", headers=gemini_key(headers))).status_code == 401
    assert (await world.client.get("/v1/key", headers=gemini_key(headers))).status_code == 401


async def test_every_model_of_the_other_list_is_in_it_once_and_in_that_order(world: Any) -> None:
    _, headers = await world.make_key()
    listed = ["models/" + row["id"] for row in (await world.get("/models", headers)).json()["data"]]
    for size in (7, 50, 1000, 5000):
        pages = await read_pages(world, gemini_key(headers), pageSize=size)
        assert names(pages) == listed
        assert {len(page) for page in pages[:-1]} <= {min(size, 1000)}
        assert 0 < len(pages[-1]) <= min(size, 1000)
    assert [len(page) for page in await read_pages(world, headers)][:2] == [50, 50]
    assert [len(page) for page in await read_pages(world, headers, pageSize=0)][:2] == [50, 50]


async def test_a_key_sees_what_it_can_reach(world: Any) -> None:
    _, headers = await world.make_key(models=["openai/gpt-4o", "anthropic/*"])
    (page,) = await read_pages(world, gemini_key(headers), pageSize=1000)
    assert "models/openai/gpt-4o" in names([page])
    assert {name.split("/")[1] for name in names([page])} == {"openai", "anthropic"}
    assert [name for name in names([page]) if name.startswith("models/openai/")] == ["models/openai/gpt-4o"]
    for model in ("openai/gpt-4o-mini", "mistral/mistral-large", "nobody/nothing", "x:generateContent"):
        reply = await world.client.get(f"/v1beta/models/{model}", headers=headers)
        assert (reply.status_code, reply.json()["error"]["status"]) == (404, "NOT_FOUND"), model


async def test_a_model_says_what_is_known_of_it_and_leaves_out_the_rest(world: Any) -> None:
    _, headers = await world.make_key()
    for spelling in ("openai/gpt-4o", "openai%2Fgpt-4o", "gpt-4o", "openai/gpt-4o/"):
        row = (await world.client.get(f"/v1beta/models/{spelling}", headers=gemini_key(headers))).json()
        assert (row["name"], row["supportedGenerationMethods"]) == ("models/openai/gpt-4o", CHAT)
        assert (row["inputTokenLimit"], row["thinking"]) == (128_000, False)
        assert row["displayName"]
    known = await world.get("/models/openai/gpt-4o", headers)
    assert row["outputTokenLimit"] == known.json()["top_provider"]["max_completion_tokens"]
    unknown = (await world.client.get("/v1beta/models/own/llama", headers=headers)).json()
    assert unknown == {"name": "models/own/llama", "displayName": "llama", "supportedGenerationMethods": CHAT}
    embedding = (await world.client.get("/v1beta/models/openai/text-embedding-3-small", headers=headers)).json()
    assert embedding["supportedGenerationMethods"] == []


async def test_a_variant_is_a_name_of_the_model(world: Any) -> None:
    _, headers = await world.make_key()
    row = (await world.client.get("/v1beta/models/openai/gpt-4o:floor", headers=headers)).json()
    assert row["name"] == "models/openai/gpt-4o:floor"


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"pageSize": "-1"}, "pageSize"),
        ({"pageSize": "many"}, "pageSize"),
        ({"pageSize": "9" * 40}, "pageSize"),
        ({"pageToken": "nobody/nothing"}, "pageToken"),
        ({"pageToken": "x" * 400}, "pageToken"),
        ({"pageToken": "mistral/mistral-large-latest"}, "pageToken"),  # exists, and not in this key's list
    ],
)
async def test_a_page_that_cannot_be_is_400_in_google_s_envelope(world: Any, query: dict[str, str], param: str) -> None:
    _, headers = await world.make_key(models=["openai/gpt-4o"])
    reply = await world.client.get("/v1beta/models", headers=headers, params=query)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert error["details"][1]["fieldViolations"][0]["field"] == param
    assert error["details"][0]["metadata"]["request_id"] == reply.headers["x-request-id"]


async def test_each_header_carries_the_key_and_all_must_agree(world: Any) -> None:
    _, one = await world.make_key()
    _, two = await world.make_key()
    google, other = gemini_key(one), gemini_key(two)
    plain = {"x-api-key": google["x-goog-api-key"]}
    for headers in (one, google, plain, one | google, google | plain, one | google | plain):
        assert (await world.client.get("/v1beta/models?pageSize=1", headers=headers)).status_code == 200
    for headers in (one | other, plain | other, one | {"x-goog-api-key": ""}, [*google.items(), *google.items()]):
        for path in PATHS:
            reply = await world.client.get(path, headers=headers)
            assert reply.status_code == 400
            assert reply.json()["error"]["details"][0]["reason"] == "CONFLICTING_CREDENTIALS"


async def test_a_key_in_the_query_is_no_credential(world: Any) -> None:
    _, headers = await world.make_key()
    text = gemini_key(headers)["x-goog-api-key"]
    for path in ("/v1beta/models", "/v1beta/models/openai/gpt-4o", "/v1alpha/models"):
        reply = await world.client.get(path, params={"key": text})
        assert (reply.status_code, reply.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
        assert text not in reply.text
        other = await world.client.get(path, params={"key": "x"}, headers=headers)
        assert other.status_code == 200


async def test_a_restriction_to_endpoints_names_the_models_once_for_both_shapes(world: Any) -> None:
    key, headers = await world.make_key()
    for endpoints, status in ((("models",), 200), (("chat/completions",), 403)):
        key = replace(key, endpoints=endpoints, version=key.version + 1)
        await world.ports.keys.update_key(key, event_of(key))
        assert (await world.client.get("/v1beta/models", headers=headers)).status_code == status
        assert (await world.get("/models", headers)).status_code == status


async def test_a_public_catalogue_is_public_here_too_and_a_wrong_key_still_refused(world: Any) -> None:
    async with world.make_app(is_catalogue_public=True) as client:
        assert (await client.get("/v1beta/models")).status_code == 200
        assert (await client.get("/v1beta/models/openai/gpt-4o")).status_code == 200
        for path in ("/v1beta/models", "/v1/models"):
            assert (await client.get(path, headers={"x-goog-api-key": "nothing"})).status_code == 401


@pytest.mark.parametrize("method", ["countTokens", "embedContent", "batchEmbedContents", "generateAnswer", "generatecontent", ""])
@pytest.mark.parametrize("version", ["v1beta", "v1", "v1alpha"])
async def test_other_methods_of_a_model_are_404_and_say_which_there_are(world: Any, method: str, version: str) -> None:
    _, headers = await world.make_key()
    for sent in (None, headers, gemini_key(headers)):
        reply = await world.client.post(f"/{version}/models/google/gemini-2.5-flash:{method}", headers=sent, json={})
        error = reply.json()["error"]
        assert (reply.status_code, error["code"], error["status"]) == (404, 404, "NOT_FOUND")
        assert ":generateContent and :streamGenerateContent" in error["message"]


async def test_what_is_not_there_is_404_in_google_s_envelope(world: Any) -> None:
    _, headers = await world.make_key()
    for path in ("/v1beta/files", "/v1beta/tunedModels", "/v1alpha/cachedContents", "/v1beta/models%0a", "/v1beta/key"):
        reply = await world.client.get(path, headers=headers)
        assert (reply.status_code, reply.json()["error"]["status"]) == (404, "NOT_FOUND"), path


async def test_a_name_that_no_model_can_have_is_404(world: Any) -> None:
    _, headers = await world.make_key()
    for model in ("x" * 257, "%E2%80%AE", "%20%C2%85"):
        reply = await world.client.post(f"/v1beta/models/{model}:generateContent", headers=headers, json={})
        assert (reply.status_code, reply.json()["error"]["details"][0]["reason"]) == (404, "MODEL_NOT_FOUND")
