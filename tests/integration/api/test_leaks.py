"""Section N of the attack cases: reports of leaked keys, from GitHub and from others."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from anyrouter.bootstrap.leak_keys import MOST_A_MINUTE, HttpPublicKeys
from anyrouter.control.leaks import LeakService
from anyrouter.control.stores import AuditFilter
from anyrouter.core.keys import generate
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID as ORG
from support.github import KEY_ID, OTHER_ID, GitHub
from support.operator_keys import WHO
from support.upstream import Answer, ScriptedUpstream, json_answer


class Clock:
    """Monotonic seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Desk:
    """The application with the endpoint switched on."""

    world: Any
    github: GitHub
    client: httpx.AsyncClient
    clock: Clock

    async def post(self, body: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
        said = self.github.sign(body) if headers is None else headers
        return await self.client.post("/api/v1/leaks/github", content=body, headers={"content-type": "application/json", **said})

    async def is_disabled(self, key_id: str) -> bool:
        key = await self.world.storage.keys.find_key(ORG, key_id)
        return bool(key.is_disabled)

    async def events(self) -> list[Any]:
        found = await self.world.storage.audit.list_events(AuditFilter(organisation_id=ORG, action="key.leaked"))
        return [link.event for link in found]


@pytest.fixture
def github() -> Iterator[GitHub]:
    with GitHub() as server:
        yield server


@pytest.fixture
async def desk(world: Any, github: GitHub) -> AsyncIterator[Desk]:
    clock, services = Clock(), world.services
    leaks = LeakService(
        public_keys=HttpPublicKeys(services.operator_client, github.keys_url, monotonic=clock),
        keys=services.keys,
        store=world.storage.keys,
        notices=world.storage.notices,
        clock=world.clock,
    )
    async with world.make_app(leaks=leaks) as client:
        yield Desk(world, github, client, clock)
    await services.aclose()


async def make_key(desk: Desk) -> tuple[str, str]:
    """A key's id and its text."""
    key, headers = await desk.world.make_key()
    return key.id, headers["Authorization"].removeprefix("Bearer ")


async def test_without_the_operators_wish_there_is_no_such_path(world: Any, github: GitHub) -> None:
    body = github.report("x")
    for headers in (github.sign(body), {}):
        reply = await world.client.post("/api/v1/leaks/github", content=body, headers=headers)
        assert reply.status_code == 404
        other = await world.client.post("/api/v1/leaks/gitlab", content=body, headers=headers)
        assert reply.json()["error"]["message"] == other.json()["error"]["message"]


async def test_a_real_key_is_disabled_its_owner_told_and_the_report_answered(desk: Desk) -> None:
    key_id, text = await make_key(desk)
    unknown = generate("live")
    reply = await desk.post(desk.github.report(text, unknown, "not a key"))
    assert reply.status_code == 200
    assert reply.json() == [
        {"token_raw": text, "token_type": "anyrouter_api_key", "label": "true_positive"},
        {"token_raw": unknown, "token_type": "anyrouter_api_key", "label": "false_positive"},
        {"token_raw": "not a key", "token_type": "anyrouter_api_key", "label": "false_positive"},
    ]
    assert await desk.is_disabled(key_id)
    refused = await desk.world.get("/key", {"Authorization": f"Bearer {text}"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "disabled_api_key")
    [event] = await desk.events()
    assert (event.actor.kind, event.actor.label, event.actor.address) == ("anonymous", "GitHub secret scanning", "203.0.113.7")
    assert (event.target_id, event.after["disabled"], event.before["disabled"]) == (key_id, True, False)
    assert event.after["url"] == "https://github.com/octo/cat/blob/main/.env"
    assert text not in f"{event!r}"


async def test_a_replay_is_harmless(desk: Desk) -> None:
    key_id, text = await make_key(desk)
    other_id, _ = await make_key(desk)
    body = desk.github.report(text)
    headers = desk.github.sign(body)
    first, second = await desk.post(body, headers), await desk.post(body, headers)
    assert (first.status_code, first.content) == (second.status_code, second.content) == (200, first.content)
    assert len(await desk.events()) == 1
    assert await desk.is_disabled(key_id)
    assert not await desk.is_disabled(other_id)


async def test_the_owner_of_a_key_that_was_disabled_before_is_told_once(desk: Desk) -> None:
    key_id, text = await make_key(desk)
    await desk.world.keys.disable(key_id, **WHO)
    for _ in range(2):
        assert (await desk.post(desk.github.report(text))).json()[0]["label"] == "true_positive"
    assert [event.target_id for event in await desk.events()] == [key_id]


async def test_a_key_that_is_twice_in_a_report_is_told_once(desk: Desk) -> None:
    _, text = await make_key(desk)
    reply = await desk.post(desk.github.report(text, text))
    assert [row["label"] for row in reply.json()] == ["true_positive"] * 2
    assert len(await desk.events()) == 1


async def test_the_place_of_a_leak_holds_no_key(desk: Desk) -> None:
    _, text = await make_key(desk)
    await desk.post(desk.github.report(text, url=f"https://github.com/{text}?a={text}", type=text, source=text))
    _, other = await make_key(desk)
    await desk.post(desk.github.report(other, url="javascript:alert(1)"))
    events = await desk.events()
    assert [event.after["url"] is None for event in events] == [True, False]
    assert text not in f"{events!r}"


def changed(headers: dict[str, str], **values: str | None) -> dict[str, str]:
    names = {"key_id": "Github-Public-Key-Identifier", "signature": "Github-Public-Key-Signature"}
    merged = {**headers, **{names[name]: value for name, value in values.items()}}
    return {name: value for name, value in merged.items() if value is not None}


async def test_whoever_is_not_github_disables_nothing(desk: Desk) -> None:
    key_id, text = await make_key(desk)
    body = desk.github.report(text)
    good = desk.github.sign(body)
    desk.github.keys[OTHER_ID] = ec.generate_private_key(ec.SECP256R1())
    stranger = base64.b64encode(ec.generate_private_key(ec.SECP256R1()).sign(body, ec.ECDSA(hashes.SHA256()))).decode()
    sha512 = base64.b64encode(desk.github.keys[KEY_ID].sign(body, ec.ECDSA(hashes.SHA512()))).decode()
    forged = {
        "unsigned": {},
        "without the signature": changed(good, signature=None),
        "without the id": changed(good, key_id=None),
        "with an empty signature": changed(good, signature=""),
        "with an unknown id": changed(good, key_id="0" * 64),
        "with another key's id": changed(good, key_id=OTHER_ID),
        "with an id that is none": changed(good, key_id="../../etc/passwd\x01"),
        "with an endless id": changed(good, key_id="a" * 10_000),
        "signed by somebody else": changed(good, signature=stranger),
        "signed over another digest": changed(good, signature=sha512),
        "with a signature that is no base64": changed(good, signature="%%%"),
        "with a signature that is no DER": changed(good, signature=base64.b64encode(b"x" * 64).decode()),
        "with an endless signature": changed(good, signature="A" * 100_000),
        "signed for another report": desk.github.sign(desk.github.report("other")),
    }
    for name, headers in forged.items():
        reply = await desk.post(body, headers)
        assert 400 <= reply.status_code < 500, name
        assert text not in reply.text
    reserialized = json.dumps(json.loads(body), indent=1).encode()
    assert (await desk.post(reserialized, good)).status_code == 400
    assert (await desk.post(body + b"\n", good)).status_code == 400
    assert not await desk.is_disabled(key_id)
    assert await desk.events() == []


async def test_whoever_is_not_github_learns_of_no_key_whether_it_is_one(desk: Desk) -> None:
    _, text = await make_key(desk)
    said = []
    for token in (text, generate("live"), "x"):
        body = desk.github.report(token)
        forged = changed(desk.github.sign(body), signature=desk.github.sign(b"other")["Github-Public-Key-Signature"])
        replies = [await desk.post(body, headers) for headers in ({}, forged, {**forged, "Github-Public-Key-Identifier": "0"})]
        said.append([(reply.status_code, {**reply.json(), "request_id": None, "instance": None}) for reply in replies])
    assert said[0] == said[1] == said[2]


async def test_many_reports_at_once_read_the_keys_once(desk: Desk) -> None:
    bodies = [desk.github.report(f"token {number}") for number in range(10)]
    replies = await asyncio.gather(*(desk.post(body) for body in bodies))
    assert [reply.status_code for reply in replies] == [200] * 10
    assert desk.github.readings == 1


async def test_a_signed_report_that_is_none_is_a_mistake(desk: Desk) -> None:
    _, text = await make_key(desk)
    bodies = {
        "no JSON": b"{",
        "not UTF-8": b'[{"token":"\xff","type":"a"}]',
        "no list": b'{"token":"x","type":"y","url":"z","source":"content"}',
        "null": b"null",
        "a list of texts": b'["x"]',
        "a missing token": b'[{"type":"y","url":"z"}]',
        "a missing type": b'[{"token":"y","url":"z"}]',
        "a number for a token": b'[{"token":1,"type":"y"}]',
        "nested too deeply": b"[" * 100_000,
        "1,001 records": desk.github.report(*["x"] * 1001),
        "10,000 records": desk.github.report(*["x"] * 10_000),
        "one good and one bad": json.dumps([{"token": text, "type": "y"}, {"token": None, "type": "y"}]).encode(),
    }
    for name, body in bodies.items():
        reply = await desk.post(body)
        assert 400 <= reply.status_code < 500, name
    assert (await desk.post(b" " * 1_000_001)).status_code == 413
    assert await desk.events() == []
    assert (await desk.post(b"[]")).json() == []
    assert (await desk.post(desk.github.report(*["x"] * 1000))).status_code == 200


async def test_without_github_s_keys_nothing_is_disabled_and_the_report_may_come_again(desk: Desk) -> None:
    key_id, text = await make_key(desk)
    body = desk.github.report(text)
    with ScriptedUpstream(lambda _: json_answer({"public_keys": desk.github.publish()})) as other:
        failures = {
            "an error": Answer(status=500),
            "an empty reply": Answer(body=b""),
            "rubbish": Answer(body=b"<html>"),
            "other JSON": json_answer({"keys": []}),
            "no keys": json_answer({"public_keys": []}),
            "keys without their text": json_answer({"public_keys": [{"key_identifier": KEY_ID}]}),
            "a cut reply": Answer(body=b"{", is_cut=True),
            "too much": Answer(body=b" " * 1_000_000),
            "another host": Answer(status=302, headers={"location": f"{other.url}/meta/public_keys/secret_scanning"}),
            "another path": Answer(status=307, headers={"location": "/elsewhere"}),
        }
        for name, answer in failures.items():
            desk.github.instead = answer
            desk.clock.now_s += 60
            reply = await desk.post(body)
            assert (reply.status_code, reply.json()["error"]["code"]) == (503, "storage_unavailable"), name
            assert "retry-after" in reply.headers
        assert other.received == []
    assert not await desk.is_disabled(key_id)
    desk.github.instead, desk.clock.now_s = None, desk.clock.now_s + 60
    assert (await desk.post(body)).status_code == 200
    assert await desk.is_disabled(key_id)


async def test_a_key_that_github_publishes_and_that_is_of_another_kind_proves_nothing(desk: Desk) -> None:
    key_id, text = await make_key(desk)
    body = desk.github.report(text)
    headers = desk.github.sign(body)
    others = {
        "no PEM": "MARKER",
        "RSA": _pem(rsa.generate_private_key(65537, 2048).public_key()),
        "another curve": _pem(ec.generate_private_key(ec.SECP384R1()).public_key()),
        "not ASCII": "-----BEGIN PUBLIC KEY-----\nü\n-----END PUBLIC KEY-----",
    }
    for name, pem in others.items():
        desk.github.instead = json_answer({"public_keys": [{"key_identifier": KEY_ID, "key": pem}]})
        desk.clock.now_s += 3600
        assert (await desk.post(body, headers)).status_code == 400, name
    assert not await desk.is_disabled(key_id)


async def test_keys_are_kept_for_an_hour_and_an_unknown_id_is_asked_for_a_few_times_a_minute(desk: Desk) -> None:
    body = desk.github.report("x")
    for _ in range(3):
        assert (await desk.post(body)).status_code == 200
    assert desk.github.readings == 1
    desk.github.keys[OTHER_ID] = ec.generate_private_key(ec.SECP256R1())
    assert (await desk.post(body, desk.github.sign(body, OTHER_ID))).status_code == 200
    assert desk.github.readings == 2
    for number in range(20):
        assert (await desk.post(body, changed(desk.github.sign(body), key_id=f"{number:064}"))).status_code == 400
    assert desk.github.readings == MOST_A_MINUTE
    assert (await desk.post(body)).status_code == 200
    del desk.github.keys[OTHER_ID]
    desk.clock.now_s += 3600
    desk.github.instead = Answer(status=500)
    assert (await desk.post(body)).status_code == 503


def _pem(key: Any) -> str:
    return str(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())
