"""`anyrouter webhooks` on a data directory of its own. A signing secret is printed once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.upstream import Answer
from support.webhook_receiver import WebhookReceiver, verify


@pytest.fixture
def receiver(data_dir: Path) -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as server:
        data_dir.mkdir()
        (data_dir / "anyrouter.toml").write_text(f'[byok]\nallowed_hosts = ["{server.authority}"]\n')
        yield server


def test_a_webhook_lives_its_life(command: Any, receiver: WebhookReceiver) -> None:
    added = command("webhooks", "add", receiver.url, "--event", "key.*", "--event", "spend.anomaly", "--name", "on-call", "--json").json
    row, secret = added["data"], added["secret"]
    assert (row["url"], row["events"], row["disabled"]) == (receiver.url, ["key.*", "spend.anomaly"], False)
    assert command("webhooks", "list", "--json").json["data"] == [row]
    assert secret not in command("webhooks", "list").out
    tried = command("webhooks", "test", "on-call", "--json")
    assert (tried.code, tried.json["data"]["ok"], tried.json["data"]["status"]) == (0, True, 204)
    [received] = receiver.received
    message = verify(secret, received, now_s=int(received.headers["webhook-timestamp"]))
    assert message["type"] == "webhook.test"
    assert command("webhooks", "disable", "on-call").out == f"disabled {row['id']}\n"
    assert command("webhooks", "list", "--json").json["data"][0]["disabled"] is True
    assert command("webhooks", "enable", row["id"]).out == f"enabled {row['id']}\n"
    assert command("webhooks", "deliveries", row["id"]).out == ""
    assert command("webhooks", "deliveries", row["id"], "--json").json == {"data": [], "next_cursor": None}
    assert command("webhooks", "delete", "on-call").out == f"deleted {row['id']}\n"
    assert command("webhooks", "list", "--json").json["data"] == []
    assert command("webhooks", "test", "on-call").code == 3


def test_the_secret_alone_goes_to_standard_output(command: Any, receiver: WebhookReceiver) -> None:
    added = command("webhooks", "add", receiver.url)
    assert added.out.startswith("whsec_")
    assert added.out.count("\n") == 1
    assert "not shown again" in added.err
    assert command("webhooks", "list", "--json").json["data"][0]["events"] == ["*"]


def test_a_receiver_that_refuses_ends_the_test_with_1(command: Any, receiver: WebhookReceiver) -> None:
    command("webhooks", "add", receiver.url, "--name", "main")
    receiver.answer = Answer(status=401)
    tried = command("webhooks", "test", "main")
    assert (tried.code, tried.out) == (1, "")
    assert "answered 401" in tried.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("http://127.0.0.1:1/in",),
        ("https://10.0.0.1/in",),
        ("https://hooks.example.com/in", "--event", "nothing.*"),
    ],
)
def test_what_makes_no_sense_is_refused(command: Any, receiver: WebhookReceiver, arguments: tuple[str, ...]) -> None:
    refused = command("webhooks", "add", *arguments, "--json")
    assert (refused.code != 0, refused.error["code"]) == (True, "unprocessable")
    assert receiver.received == []


def test_a_name_that_two_have_is_none(command: Any, receiver: WebhookReceiver) -> None:
    for _ in range(2):
        command("webhooks", "add", receiver.url, "--name", "twin")
    refused = command("webhooks", "delete", "twin", "--json")
    assert refused.error["code"] == "ambiguous"
