"""Any client to any provider, through the official SDKs: what a provider cannot be told is warned of, or refused if the client wants."""

from typing import Any

import pytest
from google.genai import types

from support.clients.talk import Said
from support.pairs import HOW, WHOLE, Pair

STRICT = {"provider": {"require_parameters": True}}
_SAFETY = types.SafetySetting(category=types.HarmCategory.HARM_CATEGORY_HARASSMENT, threshold=types.HarmBlockThreshold.BLOCK_NONE)
# For each client: how the SDK is told, the name of it, and the upstreams that have something like it.
TOLD: dict[str, tuple[dict[str, Any], str, set[str]]] = {
    "openai": ({"seed": 7}, "seed", {"openai", "gemini"}),
    "responses": ({"truncation": "auto"}, "truncation", set()),
    "anthropic": ({"inference_geo": "eu"}, "inference_geo", {"anthropic"}),
    "gemini": ({"safety_settings": [_SAFETY]}, "safetySettings", {"gemini"}),
}


def params_of(said: Said) -> list[str]:
    return [warning["param"] for warning in said.warnings]


@pytest.mark.parametrize("how", HOW)
def test_what_the_provider_has_nothing_for_is_warned_of(translated: Pair, how: str) -> None:
    own, param, takers = TOLD[translated.client.dialect]
    said = translated.say(how, "echo", text="Hello", own=own)
    assert said.text == "Hello"
    if how == WHOLE or translated.client.shows_stream_warnings:
        assert params_of(said) == ([] if translated.upstream in takers else [param])


@pytest.mark.parametrize("how", HOW)
def test_a_member_that_nobody_knows_is_left_out_and_warned_of(translated: Pair, how: str) -> None:
    said = translated.say(how, "echo", text="Hello", members={"wondrous": {"deep": 1}})
    assert said.text == "Hello"
    if how == WHOLE or translated.client.shows_stream_warnings:
        assert said.warnings[0]["code"] == "unknown_parameter"
        assert params_of(said) == ["wondrous"]


@pytest.mark.parametrize("how", HOW)
def test_who_requires_parameters_is_refused_instead(translated: Pair, how: str) -> None:
    own, param, takers = TOLD[translated.client.dialect]
    if translated.upstream in takers:
        return
    with pytest.raises(translated.client.errors["not found"]) as caught:
        translated.say(how, "echo", text="Hello", own=own, members=STRICT)
    failed = translated.client.failure(caught.value)
    assert (failed.status, failed.code) == (404, "no_route")
    assert param in str(caught.value)


def test_who_requires_parameters_and_tells_nothing_strange_is_served(translated: Pair) -> None:
    for how in HOW:
        said = translated.say(how, "echo", text="Hello", system="Be kind.", members=STRICT)
        assert (said.text, said.warnings) == ("Hello", [])


def test_the_gateways_own_members_never_reach_the_upstream(live_pair: Pair) -> None:
    members = {"provider": {"allow_fallbacks": True}, "session_id": "s-1", "transforms": []}
    said = live_pair.say(WHOLE, "echo", text="Hello", members=members)
    assert (said.text, said.warnings) == ("Hello", [])
    assert members.keys().isdisjoint(live_pair.sent)
