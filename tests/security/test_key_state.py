"""Section C of the attack cases, and of H what one process has: keys that are not good any more, or not yet."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from tests.security.conftest import CHAT, Exposed
from tests.security.test_authorization_header import BAD_TOKEN

from anyrouter.cli import app
from anyrouter.core.keys import generate
from support.raw_client import Reply, raw_request
from support.served import run_command

STEADY_S = 0.5
PROMPT_S = 1.0  # what keys.md promises of a change that another process has made
GET_KEY, POST_CHAT = "reading", "inference"


def ask(exposed: Exposed, plane: str, key: str) -> Reply:
    if plane == GET_KEY:
        return exposed.ask(raw_request(b"GET", b"/api/v1/key", key=key))
    return exposed.chat(key=key)


def answers(exposed: Exposed, key: str) -> set[tuple[int, str | None]]:
    """Status and code from both planes."""
    replies = (ask(exposed, plane, key) for plane in (GET_KEY, POST_CHAT))
    return {(reply.status, None if reply.status == 200 else reply.code) for reply in replies}


def last_answer_unlike(exposed: Exposed, key: str, status: int) -> float:
    """Ask both planes without pause until they have answered with `status` for a while.

    When (monotonic) the last question was put that was answered otherwise.
    """
    started_s = last_s = time.monotonic()
    requests = {
        b"GET": raw_request(b"GET", b"/v1/key", key=key),
        b"POST": raw_request(b"POST", b"/v1/chat/completions", key=key, body=CHAT),
    }
    with exposed.connect() as client:
        while time.monotonic() < min(last_s + STEADY_S, started_s + 5):
            for method, request in requests.items():
                asked_s = time.monotonic()
                if client.send(request).read(method).status != status:
                    last_s = asked_s
            time.sleep(0.005)
    return last_s


def is_soon(exposed: Exposed, key: str, *expected: tuple[int, str | None]) -> bool:
    """Whether both planes answer so within a second."""
    end_s = time.monotonic() + PROMPT_S
    while (now := answers(exposed, key)) != set(expected):
        assert time.monotonic() < end_s, now
        time.sleep(0.02)
    return True


@pytest.mark.parametrize(("command", "code"), [("disable", "disabled_api_key"), ("delete", "invalid_api_key")])
def test_a_key_that_a_command_ends_is_refused_within_a_second(exposed: Exposed, command: str, code: str) -> None:
    key = exposed.new_key()
    assert answers(exposed, key) == {(200, None)}
    exposed.gateway.command("keys", command, exposed.id_of(key))
    ended_s = time.monotonic()
    assert last_answer_unlike(exposed, key, 401) - ended_s < PROMPT_S
    assert answers(exposed, key) == {(401, code)}


def test_a_key_that_is_enabled_again_works_within_a_second(exposed: Exposed) -> None:
    key = exposed.new_key()
    key_id = exposed.id_of(key)
    run_command(exposed.gateway.data_dir, "keys", "disable", key_id)
    assert is_soon(exposed, key, (401, "disabled_api_key"))
    assert "disabled" in ask(exposed, POST_CHAT, key).error["message"]
    run_command(exposed.gateway.data_dir, "keys", "enable", key_id)
    enabled_s = time.monotonic()
    assert last_answer_unlike(exposed, key, 200) - enabled_s < PROMPT_S
    assert answers(exposed, key) == {(200, None)}


def test_a_new_key_works_at_once(exposed: Exposed) -> None:
    for _ in range(3):
        assert answers(exposed, exposed.new_key()) == {(200, None)}


def test_a_text_that_was_refused_as_unknown_works_within_a_second_once_it_is_a_key(exposed: Exposed) -> None:
    text = generate("live")
    assert answers(exposed, text) == {(401, "invalid_api_key")}
    exposed.add_key(text, like=exposed.id_of(exposed.live_key))
    made_s = time.monotonic()
    assert last_answer_unlike(exposed, text, 200) - made_s < PROMPT_S


def test_a_deleted_key_is_as_unknown_as_one_that_never_was(exposed: Exposed) -> None:
    key = exposed.new_key()
    run_command(exposed.gateway.data_dir, "keys", "delete", exposed.id_of(key))
    time.sleep(PROMPT_S)
    for plane in (GET_KEY, POST_CHAT):
        deleted, never = ask(exposed, plane, key), ask(exposed, plane, generate("live"))
        assert (deleted.status, deleted.headers["www-authenticate"]) == (401, BAD_TOKEN)
        assert without_request_id(deleted) == without_request_id(never)


def without_request_id(reply: Reply) -> dict[str, object]:
    error = reply.error
    error["metadata"] = {name: value for name, value in error["metadata"].items() if name != "request_id"}
    return error


def test_a_deleted_key_s_name_gives_its_successor_none_of_its_rights(exposed: Exposed) -> None:
    old = exposed.new_key(name="reused name")
    run_command(exposed.gateway.data_dir, "keys", "delete", exposed.id_of(old))
    new = exposed.new_key("--scope", "models:read", name="reused name")
    assert is_soon(exposed, old, (401, "invalid_api_key"))
    assert answers(exposed, new) == {(200, None), (403, "insufficient_scope")}


def test_a_key_ends_at_its_very_moment(exposed: Exposed) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=1)
    key = exposed.new_key("--expires", moment.isoformat())
    outcomes: list[tuple[float, float, int]] = []
    with exposed.connect() as client:
        while time.time() < moment.timestamp() + 0.1:
            asked = time.time()
            status = client.send(raw_request(b"POST", b"/v1/chat/completions", key=key, body=CHAT)).read().status
            outcomes.append((asked, time.time(), status))
    assert {status for _, _, status in outcomes} == {200, 401}
    clock_s = 0.001  # the gateway's clock is read in whole milliseconds
    for asked, answered, status in outcomes:
        if status == 200:
            assert asked < moment.timestamp() + clock_s
        else:
            assert answered >= moment.timestamp() - clock_s
    assert answers(exposed, key) == {(401, "expired_api_key")}


def test_a_key_whose_end_has_passed_is_expired_however_long_ago(exposed: Exposed) -> None:
    keys = {exposed.new_key(): timedelta(seconds=ago) for ago in (0, 0.001, 1, 3e8)}
    for key, ago in keys.items():
        exposed.edit_key(exposed.id_of(key), expires_at=datetime.now(UTC) - ago)
    time.sleep(PROMPT_S)
    for key in keys:
        assert answers(exposed, key) == {(401, "expired_api_key")}
        assert ask(exposed, GET_KEY, key).headers["www-authenticate"] == BAD_TOKEN


def test_a_key_works_from_its_first_moment_on(exposed: Exposed) -> None:
    key = exposed.new_key()
    moment = datetime.now(UTC) + timedelta(seconds=1.5)
    exposed.edit_key(exposed.id_of(key), not_before=moment)
    assert is_soon(exposed, key, (401, "invalid_api_key"))
    time.sleep(max(0.0, moment.timestamp() - time.time()) + 0.01)
    assert answers(exposed, key) == {(200, None)}


def test_an_environment_that_is_switched_off_takes_its_keys_with_it(exposed: Exposed) -> None:
    key = exposed.new_key("--env", "test")
    assert ask(exposed, GET_KEY, key).status == 200
    exposed.edit_environment("test", is_active=False)
    try:
        changed_s = time.monotonic()
        assert last_answer_unlike(exposed, key, 401) - changed_s < PROMPT_S
        assert answers(exposed, key) == {(401, "disabled_api_key")}
        assert exposed.chat().status == 200, "the other environment goes on"
    finally:
        exposed.edit_environment("test", is_active=True)
    time.sleep(PROMPT_S)
    assert ask(exposed, GET_KEY, key).status == 200


NARROWED: dict[str, dict[str, object]] = {
    "insufficient_scope": {"scopes": frozenset({"models:read"})},
    "model_not_allowed": {"models": ("openai/gpt-4o-mini",)},
    "endpoint_not_allowed": {"endpoints": ("embeddings",)},
    "provider_not_allowed": {"providers": ("anthropic",)},
    "ip_not_allowed": {"allowed_ips": ("192.0.2.0/24",)},
    "rate_limited": {"rate_limit_rpm": 0},
}


@pytest.fixture(scope="module")
def narrowed(_exposed: Exposed) -> dict[str, str]:
    """A key for each code, used with all its rights, and narrowed a second ago."""
    keys = {code: _exposed.new_key() for code in NARROWED}
    for code, key in keys.items():
        assert _exposed.chat(key=key).status == 200
        _exposed.edit_key(_exposed.id_of(key), **NARROWED[code])
    time.sleep(PROMPT_S)
    return keys


@pytest.mark.parametrize("code", NARROWED)
def test_a_key_that_was_narrowed_a_second_ago_is_narrow(exposed: Exposed, narrowed: dict[str, str], code: str) -> None:
    for stream in (b"", b'"stream":true,'):
        reply = exposed.chat(key=narrowed[code], body=b"{" + stream + CHAT[1:])
        assert (reply.status, reply.code) == (429 if code == "rate_limited" else 403, code)
    assert exposed.upstream.received == []


def test_a_database_that_is_silent_for_five_seconds_ends_all_trust(exposed: Exposed) -> None:
    """Nobody can say then whether a key was revoked: 503, never 401, and no longer 200."""
    assert answers(exposed, exposed.live_key) == {(200, None)}
    silent_s, last_s = time.monotonic(), 0.0
    with exposed.without_keys("latest_epoch"):
        while time.monotonic() - silent_s < 5.6:
            for plane in (GET_KEY, POST_CHAT):
                asked_s = time.monotonic()
                reply = ask(exposed, plane, exposed.live_key)
                assert reply.status in {200, 503}
                if reply.status == 200:
                    last_s = asked_s
                else:
                    assert reply.code == "storage_unavailable"
                    assert int(reply.headers["retry-after"]) >= 1
            time.sleep(0.02)
    assert 3 < last_s - silent_s < 5.5
    assert is_soon(exposed, exposed.live_key, (200, None))


def test_a_key_stays_disabled_when_the_gateway_is_killed_and_started_again(impatient: Exposed) -> None:
    key, kept = impatient.new_key(), impatient.new_key()
    run_command(impatient.gateway.data_dir, "keys", "disable", impatient.id_of(key))
    impatient.gateway.kill()
    impatient.gateway.start()
    assert answers(impatient, key) == {(401, "disabled_api_key")}
    assert answers(impatient, kept) == {(200, None)}


EXPIRIES = [
    "0",
    "0d",
    "-1d",
    "-30d",
    "1.5d",
    "1e3d",
    "30",
    "1893456000",
    "1893456000000",
    "1893456000.5",
    "2020-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "10000-01-01T00:00:00Z",
    "2030-02-30T00:00:00Z",
    "2030-13-01T00:00:00Z",
    "2030-01-01T24:00:01Z",
    "2030-01-01T00:00:00",
    "2030-03-31T02:30:00 Europe/Berlin",
    "2030-01-01T00:00:00+99:00",
    "2030-01-01",
    "99999999999999d",
    "9999999d",
    "\u0663\u0660d",
    "tomorrow",
    "now",
    "",
    " ",
    "nan",
    "inf",
    "$(id)",
    "1d" * 1000,
]


@pytest.mark.parametrize("text", EXPIRIES)
def test_an_end_that_is_none_makes_no_key(exposed: Exposed, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = app.run(["keys", "create", "--name", f"end {text[:20]!r}", f"--expires={text}", "--data-dir", str(exposed.gateway.data_dir)])
    output = capsys.readouterr()
    assert code != 0
    assert "Traceback" not in output.out + output.err
    assert "ar-live-" not in output.out


def test_no_key_was_made_of_what_was_refused(exposed: Exposed) -> None:
    names = [row["name"] for row in run_command(exposed.gateway.data_dir, "keys", "list")["data"]]
    assert not [name for name in names if name.startswith("end ")]
