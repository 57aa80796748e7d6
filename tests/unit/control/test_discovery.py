"""The lists of models of four programs as they send them, and what becomes of lists that are none."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrouter.control.discovery import MAX_MODELS, Discovery, ListState, UnreadableList, parse_model_list
from anyrouter.core.catalogue import Model
from anyrouter.core.errors import ConnectFailed

NOW = datetime(2026, 11, 24, tzinfo=UTC)
OLLAMA = {
    "object": "list",
    "data": [
        {"id": "llama3.2:latest", "object": "model", "created": 1729000000, "owned_by": "library"},
        {"id": "nomic-embed-text:latest", "object": "model", "created": 1729000001, "owned_by": "library"},
    ],
}
VLLM = {
    "object": "list",
    "data": [
        {
            "id": "Qwen/Qwen2.5-7B-Instruct",
            "object": "model",
            "created": 1729000000,
            "owned_by": "vllm",
            "root": "Qwen/Qwen2.5-7B-Instruct",
            "parent": None,
            "max_model_len": 32768,
            "permission": [{"id": "modelperm-1", "allow_sampling": True}],
        }
    ],
}
LM_STUDIO = {"data": [{"id": "qwen2.5-7b-instruct", "object": "model", "owned_by": "organization_owner"}], "object": "list"}
LLAMA_CPP = {
    "models": [{"name": "/models/tiny.gguf", "model": "/models/tiny.gguf"}],
    "object": "list",
    "data": [
        {
            "id": "/models/tiny.gguf",
            "object": "model",
            "created": 1729000000,
            "owned_by": "llamacpp",
            "meta": {"vocab_type": 1, "n_vocab": 32000, "n_ctx_train": 2048, "n_embd": 64, "n_params": 100, "size": 200},
        }
    ],
}


def parse(value: Any) -> list[Model]:
    return list(parse_model_list(json.dumps(value).encode(), "box"))


def found(*ids: Any) -> list[str]:
    return [model.id for model in parse({"data": [{"id": one} for one in ids]})]


def test_the_lists_of_local_programs_are_read() -> None:
    assert parse(OLLAMA) == [
        Model(id="box/llama3.2:latest", vendor="box", upstream_name="llama3.2:latest", name="llama3.2:latest", created=1729000000),
        Model(
            id="box/nomic-embed-text:latest",
            vendor="box",
            upstream_name="nomic-embed-text:latest",
            name="nomic-embed-text:latest",
            category="embedding",
            created=1729000001,
        ),
    ]
    (vllm,) = parse(VLLM)
    assert (vllm.id, vllm.upstream_name, vllm.context_length) == ("box/Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen2.5-7B-Instruct", 32768)
    (lm_studio,) = parse(LM_STUDIO)
    assert (lm_studio.id, lm_studio.created, lm_studio.context_length) == ("box/qwen2.5-7b-instruct", None, None)
    (llama_cpp,) = parse(LLAMA_CPP)
    # What it was trained with is not what is served: unknown.
    assert (llama_cpp.id, llama_cpp.upstream_name, llama_cpp.context_length) == ("box/models/tiny.gguf", "/models/tiny.gguf", None)


def test_nothing_is_invented() -> None:
    (model,) = parse({"data": [{"id": "m"}]})
    assert model == Model(id="box/m", vendor="box", upstream_name="m", name="m")
    assert model.tariff is None
    assert model.capabilities is None


def test_entries_without_a_usable_name_are_left_out() -> None:
    odd = ["", "/", "two words", "naïve", "a\tb", "a*", "a:nitro", "a@preset/b", "x" * 300, None, ["a"], {"a": 1}, True]
    assert found("good", *odd, "good", "good:8b") == ["box/good", "box/good:8b"]
    assert parse({"data": [None, "text", 5, [], {"no": "id"}, {"id": "good", "created": "soon"}, {"id": "better", "created": -1}]}) == [
        Model(id="box/better", vendor="box", upstream_name="better", name="better")
    ]


def test_no_more_models_are_taken_than_anybody_has() -> None:
    assert len(found(*range(10))) == 0
    assert len(found(*(f"m{number}" for number in range(MAX_MODELS + 5)))) == MAX_MODELS


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"data":null}', b'{"data":{}}', b"<html>", b"\xff", b"[" * 100_000])
def test_what_is_no_list_is_refused(body: bytes) -> None:
    with pytest.raises(UnreadableList, match="did not answer with a list of models"):
        parse_model_list(body, "box")


@given(
    body=st.binary(max_size=60)
    | st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["data", "id", "created"]), inner),
        max_leaves=8,
    ).map(lambda value: json.dumps({"data": value}).encode())
)
def test_any_body_is_a_list_or_refused(body: bytes) -> None:
    try:
        models = parse_model_list(body, "box")
    except UnreadableList:
        return
    assert all(model.id.startswith("box/") for model in models)


class Lists:
    """Upstreams whose lists are what a test says."""

    def __init__(self, **bodies: Any) -> None:
        self.bodies = bodies

    async def fetch(self, upstream_id: str) -> bytes:
        body = self.bodies[upstream_id]
        if isinstance(body, Exception):
            raise body
        return json.dumps(body).encode()


async def test_a_look_tells_whether_something_is_different() -> None:
    lists = Lists(one=OLLAMA, two=VLLM)
    discovery = Discovery({"one": "box", "two": "gpu"}, lists, lambda: NOW)
    assert await discovery.look() is True
    assert {name: [model.id for model in models] for name, models in discovery.models.items()} == {
        "one": ["box/llama3.2:latest", "box/nomic-embed-text:latest"],
        "two": ["gpu/Qwen/Qwen2.5-7B-Instruct"],
    }
    assert await discovery.look() is False
    lists.bodies["one"] = LM_STUDIO
    assert await discovery.look() is True
    lists.bodies["one"] = {"data": []}
    assert await discovery.look() is True
    assert discovery.models.keys() == {"two"}


async def test_a_failure_keeps_the_last_list_and_is_told() -> None:
    lists = Lists(one=OLLAMA, two=ConnectFailed("no connection"))
    discovery = Discovery({"one": "box", "two": "gpu"}, lists, lambda: NOW)
    await discovery.look()
    for failure, told in (
        (ConnectFailed("refused", internal="10.0.0.1"), "refused"),
        ("no list", "it did not answer with a list of models"),
    ):
        lists.bodies["one"] = failure
        assert await discovery.look() is False
        assert len(discovery.models["one"]) == 2
        assert discovery.states["one"] == ListState(models=2, looked_at=NOW, error=told)
    assert discovery.states["two"] == ListState(models=0, looked_at=NOW, error="no connection")
    lists.bodies["one"] = OLLAMA
    await discovery.look()
    assert discovery.states["one"] == ListState(models=2, looked_at=NOW)
