"""The form of messages to webhooks."""

import base64
from datetime import UTC, datetime

import pytest

from anyrouter.core.webhook import WebhookDelivery, delivery_id, is_wanted, make_secret, sign

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("secret", "message_id", "at_s", "body", "signature"),
    [
        # Made with the package `standardwebhooks` 1.1.0, the specification's own.
        (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            '{"test": 2432232314}',
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
        (
            "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "whk_1:42",
            1_764_000_000,
            '{"type":"key.expiring","data":{"ü":1}}',
            "v1,fAQF862LbUoftBC/7+niACLwVh2dM6MUJ3bYZamC9aE=",
        ),
    ],
)
def test_signatures_are_those_of_standard_webhooks(secret: str, message_id: str, at_s: int, body: str, signature: str) -> None:
    assert sign(secret, message_id, at_s, body.encode()) == signature


def test_a_secret_is_thirty_two_bytes_in_the_form_that_receivers_take() -> None:
    text = make_secret(bytes(range(32)))
    assert text.startswith("whsec_")
    assert base64.b64decode(text.removeprefix("whsec_"), validate=True) == bytes(range(32))


@pytest.mark.parametrize(
    ("events", "action", "expected"),
    [
        (("*",), "key.expiring", True),
        (("key.*",), "key.expiring", True),
        (("key.expiring",), "key.expiring", True),
        (("budget.*", "key.expiring"), "key.expiring", True),
        (("key.expired",), "key.expiring", False),
        (("key.*",), "keyring.change", False),
        (("key",), "key.expiring", False),
        ((), "key.expiring", False),
    ],
)
def test_an_event_is_wanted_by_its_name_by_its_kind_or_with_all(events: tuple[str, ...], action: str, expected: bool) -> None:
    assert is_wanted(events, action) is expected


def test_a_message_waits_is_delivered_or_was_given_up() -> None:
    fields = {"id": delivery_id("whk_1", 7), "webhook_id": "whk_1", "organisation_id": "o", "event": "key.create", "body": b"{}"}
    states = [(NOW, None), (None, None), (None, NOW)]
    rows = [WebhookDelivery(**fields, created_at=NOW, next_at=next_at, delivered_at=at) for next_at, at in states]
    assert [row.state for row in rows] == ["waiting", "given_up", "delivered"]
    assert rows[0].id == "whk_1:7"
