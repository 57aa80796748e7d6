"""Section D of the attack cases, models and providers: what is decided is decided on the model that is really called."""

import json
from collections.abc import Callable

import pytest
from tests.security.conftest import ASKED, BODIES, Exposed

from support.raw_client import Reply, raw_request
from support.upstream import Answer, Received, json_answer

ALLOWED, DENIED = "openai/gpt-4o-mini", "openai/gpt-4o"
MESSAGES = '"messages":[{"role":"user","content":"MARKER-prompt"}]'
Bound = Callable[..., Reply]


@pytest.fixture
def bound(exposed: Exposed) -> Bound:
    """Ask with a key that may use one model: by a name, or by members of the body as they are to be written."""
    key = exposed.key("--model", ALLOWED)

    def ask(members: str, *lines: bytes, path: bytes = b"/api/v1/chat/completions", is_streamed: bool = False) -> Reply:
        stream = '"stream":true,' if is_streamed else ""
        return exposed.ask(raw_request(b"POST", path, *lines, key=key, body=f"{{{stream}{members},{MESSAGES}}}".encode()))

    return ask


def called(exposed: Exposed) -> list[str]:
    """The models that the provider was asked for."""
    return [received.json()["model"] for received in exposed.upstream.received]


OTHER_NAMES = [
    DENIED,
    "gpt-4o",
    "GPT-4o-mini",
    "openai/GPT-4O-MINI",
    "OpenAI/gpt-4o-mini",
    "openai/gpt-4o ",
    "openai/gpt-4o-mini ",
    " openai/gpt-4o-mini",
    "openai/gpt-4o-mini\\u0000",
    "openai/gpt-4o-mini\\u200b",
    "openai/gpt-4o-mini\\n",
    "openai/gpt-4o-mini/../gpt-4o",
    "openai//gpt-4o-mini",
    "openai/./gpt-4o-mini",
    "/openai/gpt-4o-mini",
    "openai/gpt-4o-mini/",
    "openai/gpt-4o-mini:free",
    "openai/gpt-4o-mini?model=gpt-4o",
    "openai/gpt-4o-mini#",
    "openai/gpt-4o-mini,openai/gpt-4o",
    "openai/gpt-4o-2024-08-06",
    "openai/gpt-4o-mini-2024-07-18",
    "openai/ft:gpt-4o:org::id",
    "ft:gpt-4o-mini:org::id",
    "openai/*",
    "openai/gpt-4o*",
    "*",
    "auto",
    "openrouter/auto",
    "anthropic/claude-sonnet-4-5",
    "sandbox/echo",
    "azure/gpt-4o-mini",
    "openai\\\\gpt-4o-mini",
    "openai%2Fgpt-4o-mini",
    "OPENAI/../openai/gpt-4o-mini",
    "\\u043epenai/gpt-4o-mini",
]


@pytest.mark.parametrize("name", OTHER_NAMES)
@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "stream"])
def test_any_other_name_is_refused_and_nobody_is_asked(exposed: Exposed, bound: Bound, name: str, is_streamed: bool) -> None:
    reply = bound(f'"model":"{name}"', is_streamed=is_streamed)
    assert reply.status in {400, 403, 404}
    assert exposed.upstream.received == []


@pytest.mark.parametrize("name", [ALLOWED, "gpt-4o-mini", "openai/gpt-4o\\u002dmini", "openai\\/gpt-4o-mini"])
def test_the_allowed_model_may_be_named_as_models_are_named(exposed: Exposed, bound: Bound, name: str) -> None:
    assert bound(f'"model":"{name}"').status == 200
    assert called(exposed) == ["gpt-4o-mini"]


REPEATED = {
    "the last is denied": (f'"model":"{ALLOWED}","model":"{DENIED}"', 403),
    "the last is allowed": (f'"model":"{DENIED}","model":"{ALLOWED}"', 200),
    "spelt by escapes": (f'"model":"{ALLOWED}","mod\\u0065l":"{DENIED}"', 403),
    "spelt by escapes, then plainly": (f'"mod\\u0065l":"{DENIED}","model":"{ALLOWED}"', 200),
    "spaced": (f'"model" : "{ALLOWED}" , "model"\t:\n"{DENIED}"', 403),
    "many times": (",".join([f'"model":"{DENIED}"'] * 300 + [f'"model":"{ALLOWED}"']), 200),
    "null at last": (f'"model":"{DENIED}","model":null', 400),
    "another case": (f'"model":"{ALLOWED}","Model":"{DENIED}","MODEL":"{DENIED}"', 200),
    "inside of others": (f'"metadata":{{"model":"{DENIED}"}},"model":"{ALLOWED}","x":[{{"model":"{DENIED}"}}]', 200),
}


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("members", "status"), REPEATED.values(), ids=REPEATED.keys())
def test_what_was_judged_is_what_any_decoder_of_the_provider_s_reads(
    exposed: Exposed, bound: Bound, members: str, status: int, is_streamed: bool
) -> None:
    assert bound(members, is_streamed=is_streamed).status in {status, 502 if status == 200 and is_streamed else status}
    for received in exposed.upstream.received:
        pairs = json.loads(received.body, object_pairs_hook=list)
        assert [value for name, value in pairs if name == "model"] == ["gpt-4o-mini"], "first and last are the same one"
    assert len(exposed.upstream.received) == (status == 200)


@pytest.mark.parametrize(
    "members",
    [
        f'"models":["{DENIED}"]',
        f'"models":["{DENIED}","{ALLOWED}"]',
        f'"model":null,"models":["{DENIED}"]',
        '"models":[]',
        '"models":[[]]',
        '"models":{}',
        f'"models":"{ALLOWED}"',
        f'"model":["{ALLOWED}"]',
        f'"model":{{"id":"{ALLOWED}"}}',
        '"model":0',
        '"model":true',
        '"model":""',
        f'"model":"{"x" * 100_000}"',
        f'"models":["{DENIED}"],"models":["{DENIED}"]',
        f'"engine":"{ALLOWED}"',
        f'"deployment_id":"{ALLOWED}"',
        '"x":1',
    ],
)
def test_a_list_of_models_is_judged_like_a_model(exposed: Exposed, bound: Bound, members: str) -> None:
    assert bound(members).status in {400, 403}
    assert exposed.upstream.received == []


def test_a_fallback_that_the_key_may_not_use_is_not_used(exposed: Exposed, bound: Bound) -> None:
    exposed.upstream.handle = lambda _: json_answer({"error": {"message": "down"}}, status=503)
    for members in (
        f'"model":"{ALLOWED}","models":["{DENIED}"],"route":"fallback"',
        f'"models":["{ALLOWED}","{DENIED}"]',
        f'"model":"{ALLOWED}","fallbacks":["{DENIED}"]',
        f'"model":"{ALLOWED}","provider":{{"order":["anthropic"],"allow_fallbacks":true}}',
    ):
        assert bound(members).status in {502, 503}
    assert set(called(exposed)) == {"gpt-4o-mini"}


def test_the_gateway_s_own_members_never_reach_a_provider(exposed: Exposed, bound: Bound) -> None:
    own = '"models":["x"],"route":"fallback","provider":{"order":["x"]},"transforms":["x"],"session_id":"x","usage":{"include":true}'
    assert bound(f'"model":"{ALLOWED}",{own},"plugins":[]').status == 200
    (received,) = exposed.upstream.received
    assert set(received.json()) == {"model", "messages"}


def test_the_path_s_query_chooses_no_model(exposed: Exposed, bound: Bound) -> None:
    assert bound(f'"model":"{ALLOWED}"', path=b"/api/v1/chat/completions?model=" + DENIED.encode()).status == 200
    assert called(exposed) == ["gpt-4o-mini"]
    assert exposed.upstream.received[0].path == "/v1/chat/completions"


@pytest.mark.parametrize("endpoint", [path for path in ASKED if path != "chat/completions"])
def test_every_endpoint_judges_the_model(exposed: Exposed, endpoint: str) -> None:
    key = exposed.key("--model", ALLOWED)
    for stream in (b"", b'"stream":true,'):
        body = b"{" + stream + BODIES[endpoint][1:]
        reply = exposed.ask(raw_request(b"POST", b"/v1/" + endpoint.encode(), key=key, body=body))
        assert (reply.status, reply.code) == (403, "model_not_allowed")
    assert exposed.upstream.received == []


def test_the_catalogue_shows_what_the_key_may_use_and_nothing_else(exposed: Exposed) -> None:
    key = exposed.key("--model", ALLOWED)

    def get(path: str) -> Reply:
        return exposed.ask(raw_request(b"GET", f"/api/v1/{path}".encode(), key=key))

    assert [row["id"] for row in get("models").json["data"]] == [ALLOWED]
    assert get("models/count").json["count"] == 1
    assert get(f"models/{ALLOWED}").status == get(f"models/{ALLOWED}/endpoints").status == 200
    hidden, never = get(f"models/{DENIED}"), get("models/openai/never-was")
    assert hidden.status == never.status == 404
    assert hidden.body == never.body
    assert [row["id"] for row in get("providers").json["data"]] == ["openai"]
    for query in ("?provider=anthropic", "?category=embedding", "?capability=vision&provider=openai&min_context=0"):
        assert DENIED not in [row["id"] for row in get("models" + query).json["data"]]


# Environments: a key of the sandbox reaches nothing but the sandbox, whatever it names.


@pytest.mark.parametrize(
    "pin", [b"openai", b"OpenAI", b"anthropic", b"live", b"../openai", b"openai, sandbox", b"\xff", b"x" * 5000, b"%6fpenai"]
)
def test_a_test_key_reaches_no_real_provider_whatever_it_pins(exposed: Exposed, pin: bytes) -> None:
    for endpoint, body in ASKED.items():
        request = raw_request(b"POST", b"/v1/" + endpoint.encode(), b"X-AnyRouter-Provider: " + pin, key=exposed.test_key, body=body)
        assert exposed.ask(request).status in {400, 404}
        assert exposed.ask(request.replace(b"X-AnyRouter-Provider", b"X-AnyRouter-Environment")).status == 200
    assert exposed.upstream.received == []


@pytest.mark.parametrize("pin", [b"sandbox", b"Sandbox", b"SANDBOX"])
def test_a_live_key_does_not_reach_the_sandbox(exposed: Exposed, pin: bytes) -> None:
    assert exposed.chat(b"X-AnyRouter-Provider: " + pin).status == 404
    for model in (b"sandbox/echo", b"echo", b"sandbox/gpt-4o"):
        assert exposed.chat(body=BODIES["chat/completions"].replace(b"openai/gpt-4o", model)).status == 404
    assert exposed.upstream.received == []


def test_another_key_s_generation_is_as_absent_as_one_that_never_was(exposed: Exposed) -> None:
    def answer(received: Received) -> Answer:
        return json_answer(
            {"id": "chatcmpl-MARKER", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
        )

    exposed.upstream.handle = answer
    mine, colleague, elsewhere = exposed.live_key, exposed.key("--scope", "usage:read"), exposed.test_key
    generation = exposed.chat(key=mine).headers["x-generation-id"]

    def get(key: str, name: str) -> list[Reply]:
        paths = (f"/v1/generation/{name}", f"/v1/generation?id={name}")
        return [exposed.ask(raw_request(b"GET", path.encode(), key=key)) for path in paths]

    assert {reply.status for reply in get(mine, generation)} == {200}
    for key in (colleague, elsewhere):
        for name in (generation, "chatcmpl-MARKER"):
            for hidden, never in zip(get(key, name), get(key, "gen-01a20c59d6fec97d1120dedeeb3eb629"), strict=True):
                assert hidden.status == 404
                assert hidden.body == never.body
        activity = exposed.ask(raw_request(b"GET", b"/v1/activity?group_by=key", key=key)).json["data"]
        assert exposed.id_of(mine) not in [row["api_key_id"] for row in activity]
