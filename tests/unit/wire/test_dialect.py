"""The table of dialects: every client's dialect has its functions, and what is written for one is not offered by another."""

import json

import pytest

from anyrouter.wire.dialect import DIALECTS
from anyrouter.wire.translation.registry import CODECS
from support.passthrough import encode

BODIES = {
    "openai": ("chat/completions", {"model": "m", "messages": []}),
    "anthropic": ("messages", {"model": "m", "messages": []}),
    "responses": ("responses", {"model": "m", "input": "hi", "store": False}),
    "gemini": ("generateContent", {"model": "m", "contents": []}),
}


def test_every_dialect_that_a_client_may_speak_is_here_under_its_name() -> None:
    assert {name: dialect.name for name, dialect in DIALECTS.items()} == {name: name for name in BODIES}
    assert {name for name, codec in CODECS.items() if codec.decode_request is not None} == DIALECTS.keys()
    assert {dialect.stream_type for dialect in DIALECTS.values()} == {b"text/event-stream"}


def test_only_gemini_names_its_model_in_the_path() -> None:
    assert [name for name, dialect in DIALECTS.items() if dialect.read_named_request is not None] == ["gemini"]


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("member", ["provider", "models", "route", "session_id", "transforms", "usage", "preset", "plugins"])
def test_the_gateways_own_members_go_to_no_upstream(name: str, member: str) -> None:
    endpoint, body = BODIES[name]
    request = DIALECTS[name].read_request(endpoint, encode({**body, member: {"x": 1} if member != "models" else ["m"]}))
    assert member not in json.loads(b"".join(request.encode(b'"m"')))
