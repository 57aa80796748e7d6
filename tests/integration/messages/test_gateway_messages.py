"""Messages of the real gateway: of what commands and keys do, of what happens by itself, and across its deaths."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.gateway import GatewayProcess, run_command
from support.github import GitHub
from support.served import wait_for
from support.upstream import Answer, Received, ScriptedUpstream, json_answer
from support.webhook_receiver import WebhookReceiver, verify


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as server:
        yield server


def configure(directory: Path, receiver: WebhookReceiver, more: str = "") -> Path:
    directory.mkdir()
    (directory / "anyrouter.toml").write_text(f'[byok]\nallowed_hosts = ["{receiver.authority}"]\n{more}')
    return directory


@contextmanager
def running(directory: Path) -> Iterator[GatewayProcess]:
    gateway = GatewayProcess(directory)
    try:
        yield gateway
    finally:
        gateway.stop()


def types(received: list[Received]) -> list[str]:
    return [json.loads(row.body)["type"] for row in received]


def test_a_webhook_hears_of_what_commands_and_keys_do(tmp_path: Path, receiver: WebhookReceiver) -> None:
    data_dir = configure(tmp_path / "data", receiver)
    added = run_command(data_dir, "webhooks", "add", receiver.url, "--event", "key.*", "--name", "on-call")
    with running(data_dir) as gateway:
        receiver.wait_for(lambda received: "key.create" in types(received))  # the first key
        admin = gateway.create_key("--scope", "admin:*")
        with httpx.Client(base_url=gateway.base_url, headers={"Authorization": f"Bearer {admin}"}, trust_env=False) as http:
            made = http.post("/api/v1/keys", json={"name": "by a key"}).json()
            http.delete(f"/api/v1/keys/{made['data']['id']}").raise_for_status()
            assert http.post("/api/v1/keys", json={"name": "by a key", "scopes": ["no"]}).status_code == 400
        received = receiver.wait_for(lambda received: "key.delete" in types(received))
        messages = [verify(added["secret"], row, now_s=int(row.headers["webhook-timestamp"])) for row in received]
        assert [message["type"] for message in messages] == ["key.create"] * 3 + ["key.delete"]
        assert messages[3]["data"]["target"]["id"] == made["data"]["id"]
        assert messages[3]["data"]["actor"]["kind"] == "key"
        texts = b"".join(row.body for row in received).decode()
        assert not [secret for secret in (made["key"], admin, gateway.first_key, added["secret"]) if secret in texts]

        def delivered() -> bool:
            rows = run_command(data_dir, "webhooks", "deliveries", "on-call")["data"]
            return [row["state"] for row in rows] == ["delivered"] * 4

        wait_for(delivered)


def test_a_kill_between_an_event_and_its_delivery_loses_nothing(tmp_path: Path, receiver: WebhookReceiver) -> None:
    data_dir = configure(tmp_path / "data", receiver)
    run_command(data_dir, "webhooks", "add", receiver.url, "--event", "key.*")

    async def never(reader: Any, _writer: Any) -> None:
        await reader.read()  # until whoever asks is gone

    receiver.answer = Answer(script=never)
    gateway = GatewayProcess(data_dir)
    receiver.wait_for(bool)  # of the first key: on its way, and never answered
    names = [f"key {number}" for number in range(5)]
    for name in names[:3]:
        gateway.create_key(name=name)
    gateway.kill()
    for name in names[3:]:  # events of which no gateway knows
        run_command(data_dir, "keys", "create", "--name", name)
    before = len(receiver.received)
    receiver.answer = Answer(status=204)
    with running(data_dir):
        received = receiver.wait_for(lambda received: len(received) >= before + 6)[before:]
        ids = [row.headers["webhook-id"] for row in received]
        assert len(set(ids)) == len(ids) == 6
        assert receiver.received[0].headers["webhook-id"] in ids  # the one that was cut comes again, under its id
        told = {json.loads(row.body)["data"]["after"]["name"] for row in received}
        assert told >= set(names)


def test_what_happens_by_itself_is_told_once(tmp_path: Path, receiver: WebhookReceiver) -> None:
    data_dir = configure(tmp_path / "data", receiver)
    run_command(data_dir, "webhooks", "add", receiver.url, "--event", "key.expired", "--event", "key.create")
    end = datetime.now(UTC) + timedelta(seconds=2)
    created = run_command(data_dir, "keys", "create", "--name", "short", "--expires", end.isoformat())
    wait_for(lambda: datetime.now(UTC) > end)
    with running(data_dir):
        receiver.wait_for(lambda received: "key.expired" in types(received))
    with running(data_dir) as gateway:
        gateway.create_key(name="later")
        received = receiver.wait_for(lambda received: any(b'"later"' in row.body for row in received))
    told = [json.loads(row.body) for row in received if types([row]) == ["key.expired"]]
    assert len({message["data"]["id"] for message in told}) == 1
    assert (told[0]["data"]["actor"]["kind"], told[0]["data"]["target"]["id"]) == ("system", created["data"]["id"])


def test_a_leak_that_github_reports_ends_a_key_and_reaches_its_owner(tmp_path: Path, receiver: WebhookReceiver) -> None:
    with GitHub() as github:
        config = f'[leaks]\ngithub = true\ngithub_keys_url = "{github.keys_url}"\n'
        data_dir = configure(tmp_path / "data", receiver, config)
        run_command(data_dir, "webhooks", "add", receiver.url, "--event", "key.leaked")
        with running(data_dir) as gateway, httpx.Client(base_url=gateway.base_url, trust_env=False) as http:
            text = gateway.create_key()
            body = github.report(text, *["x" * 800] * 999)
            assert len(body) > 900_000
            reply = http.post("/api/v1/leaks/github", content=body, headers=github.sign(body))
            assert (reply.status_code, reply.json()[0]["label"]) == (200, "true_positive")
            refused = http.get("/api/v1/key", headers={"Authorization": f"Bearer {text}"})
            assert (refused.status_code, refused.json()["error"]["code"]) == (401, "disabled_api_key")
            [received] = receiver.wait_for(bool)
            data = json.loads(received.body)["data"]
            assert data["after"]["url"] == "https://github.com/octo/cat/blob/main/.env"
            assert text not in received.body.decode()
            assert http.post("/api/v1/leaks/github", content=body).status_code == 400
            assert http.post("/api/v1/leaks/github", content=body + b" " * 200_000).status_code == 413


def test_a_credential_that_its_provider_refuses_is_told_of(tmp_path: Path, receiver: WebhookReceiver) -> None:
    with ScriptedUpstream(lambda _: json_answer({"error": {"message": "no such key"}}, status=401)) as provider:
        data_dir = tmp_path / "data"
        data_dir.mkdir()
        hosts = json.dumps([receiver.authority, provider.url.removeprefix("http://")])
        (data_dir / "anyrouter.toml").write_text(f"[byok]\nallowed_hosts = {hosts}\n")
        run_command(data_dir, "webhooks", "add", receiver.url, "--event", "credential.*")
        secret = tmp_path / "secret"
        secret.write_text("sk-MARKER-credential-of-a-tenant-AbCd")
        place = ("--base-url", f"{provider.url}/v1", "--key-file", str(secret))
        credential = run_command(data_dir, "byok", "add", "openai", *place)["data"]
        chat = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}
        with running(data_dir) as gateway, httpx.Client(base_url=gateway.base_url, trust_env=False) as http:
            headers = {"Authorization": f"Bearer {gateway.create_key()}"}
            assert http.post("/api/v1/chat/completions", json=chat, headers=headers).status_code == 502
            [received] = receiver.wait_for(bool)
        data = json.loads(received.body)["data"]
        assert (data["target"]["id"], data["after"]["reason"]) == (credential["id"], "rejected_or_failing")
        assert "MARKER" not in received.body.decode()
