"""The webhooks' pages over a real gateway and a real receiver: added, tried, told, switched off, deleted; the secret is shown once."""

import re
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from anyrouter.core.tenancy import Role
from support.gateway import GatewayProcess
from support.upstream import Answer
from support.webhook_receiver import WebhookReceiver, verify

from .conftest import CONFIG, PROBE, follow, said

PATH = "/dashboard/settings/webhooks"


@pytest.fixture(scope="module")
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as made:
        yield made


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, receiver: WebhookReceiver) -> Iterator[GatewayProcess]:
    config = CONFIG.replace('"127.0.0.1"', f'"127.0.0.1", "{receiver.authority}"')
    process = GatewayProcess(tmp_path_factory.mktemp("pages"), config=config)
    yield process
    process.stop()
    assert "page failed" not in process.output, process.output


def add(client: httpx.Client, url: str, *events: str, **fields: str) -> httpx.Response:
    return client.post(f"{PATH}/new", data={"url": url, "events": list(events), **fields})


def find_path(reply: httpx.Response) -> str:
    found = re.search(rf'href="({PATH}/whk_\w+)"', reply.text)
    assert found is not None, said(reply)
    return found[1]


def test_a_webhook_is_added_its_secret_shown_once_and_it_is_tried(owner: httpx.Client, receiver: WebhookReceiver) -> None:
    reply = add(owner, receiver.url, "key.*", name=PROBE, single_events="budget.threshold, key.*")
    secret = re.search(r"whsec_[\w+/=]+", reply.text)
    assert secret is not None, said(reply)
    path = find_path(reply)
    assert PROBE not in reply.text
    for page in (owner.get(path), owner.get(PATH)):
        assert "whsec_" not in page.text
        assert PROBE not in page.text
        assert PROBE in said(page)
    assert "key.*, budget.threshold" in said(owner.get(PATH))
    before = len(receiver.received)
    sent = owner.post(f"{path}/test")
    tried = follow(owner, sent)
    assert "The receiver took the test message" in said(tried)
    assert "The receiver took" not in said(owner.get(sent.headers["location"]))
    assert re.search(r"Status 204 after \d+ ms", said(tried))
    assert verify(secret[0], receiver.received[before], now_s=time.time())["type"] == "webhook.test"


def test_what_happens_is_in_the_list_of_messages(gateway: GatewayProcess, owner: httpx.Client, receiver: WebhookReceiver) -> None:
    path = find_path(add(owner, receiver.url, "key.*", name="keys"))
    assert "No messages yet" in said(owner.get(path))
    gateway.create_key(name="told-of")
    end = time.monotonic() + 20
    while "delivered" not in said(owner.get(path)) and time.monotonic() < end:
        time.sleep(0.1)
    assert re.search(r"key\.create delivered 1 204 ", said(owner.get(path)))


def test_a_receiver_that_refuses_is_told_of(owner: httpx.Client, receiver: WebhookReceiver) -> None:
    path = find_path(add(owner, receiver.url, "budget.*"))
    receiver.answer = Answer(status=500)
    try:
        tried = said(follow(owner, owner.post(f"{path}/test")))
    finally:
        receiver.answer = Answer(status=204)
    assert "The receiver did not take the test message" in tried
    assert tried.count("500") == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"url": "http://10.0.0.1/x"}, "url"),
        ({"url": ""}, "url"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"events": ""}, "events"),
        ({"single_events": "nonsense"}, "events"),
        ({"name": "x" * 101}, "name"),
    ],
)
def test_a_mistake_is_told_at_its_field_and_nothing_is_lost(owner: httpx.Client, fields: dict[str, str], field: str) -> None:
    form = {"url": "https://hooks.example.org/in", "name": "Kept <b>", "events": "key.*", **fields}
    reply = owner.post(f"{PATH}/new", data=form)
    assert 400 <= reply.status_code < 500
    assert re.search(rf'id="{field}-error">[^<]+', reply.text), said(reply)
    assert field == "name" or 'value="Kept &lt;b&gt;"' in reply.text
    assert field == "events" or re.search(r'value="key\.\*" checked', reply.text)


def test_a_webhook_is_changed_switched_off_and_deleted(owner: httpx.Client, receiver: WebhookReceiver) -> None:
    path = find_path(add(owner, receiver.url, "*"))
    changed = owner.post(path, data={"url": receiver.url, "events": "member.*", "name": "people", "version": "1"})
    assert "Its signing secret is the same" in said(owner.get(changed.headers["location"]))
    stale = owner.post(path, data={"url": receiver.url, "events": "key.*", "name": "late", "version": "1"})
    assert stale.status_code == 412
    assert 'value="late"' in stale.text
    assert "switched off" in said(owner.get(owner.post(f"{path}/state", data={"state": "off"}).headers["location"]))
    assert "told again" in said(owner.get(owner.post(f"{path}/state", data={"state": "on"}).headers["location"]))
    assert "deleted" in said(owner.get(owner.post(f"{path}/delete").headers["location"]))
    assert owner.get(path).status_code == 404


def test_other_roles_and_other_organisations_see_none(
    owner: httpx.Client, stranger: httpx.Client, browse: Callable[..., httpx.Client], receiver: WebhookReceiver
) -> None:
    path = find_path(add(owner, receiver.url, "*"))
    for role in (Role.DEVELOPER, Role.BILLING, Role.VIEWER):
        client = browse(role)
        assert {client.get(place).status_code for place in (PATH, path)} == {403}
        assert add(client, receiver.url, "*").status_code == 403
        assert PATH not in client.get("/dashboard").text
    replies = [stranger.get(path), *(stranger.post(path + action) for action in ("", "/test", "/state", "/delete"))]
    assert {reply.status_code for reply in replies} == {404}
    assert "No webhooks" in said(stranger.get(PATH))
