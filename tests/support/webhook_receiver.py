"""A receiver of webhooks: it checks every message as the specification "Standard Webhooks" says, by code of its own."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from typing import Any, Self

from support.upstream import Answer, Received, ScriptedUpstream


def verify(secret: str, received: Received, *, now_s: float, tolerance_s: float = 300.0) -> Any:
    """The message, if it is signed with the secret and of now; AssertionError."""
    headers = received.headers
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    assert abs(int(headers["webhook-timestamp"]) - now_s) <= tolerance_s
    signed = b".".join((headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), received.body))
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    versions = [part.partition(",") for part in headers["webhook-signature"].split(" ")]
    assert any(version == "v1" and hmac.compare_digest(value, expected) for version, _, value in versions)
    return json.loads(received.body)


class WebhookReceiver:
    """Answers with `answer`; a function of the request may stand in its place."""

    def __init__(self) -> None:
        self.answer: Answer | Callable[[Received], Answer] = Answer(status=204)
        self.arrived = threading.Condition()
        self.server = ScriptedUpstream(self._handle)

    @property
    def authority(self) -> str:
        return self.server.url.removeprefix("http://")

    @property
    def url(self) -> str:
        return f"{self.server.url}/in"

    @property
    def received(self) -> list[Received]:
        return self.server.received

    def types(self) -> list[str]:
        return [json.loads(received.body)["type"] for received in self.received]

    def wait_for(self, is_there: Callable[[list[Received]], bool], timeout_s: float = 20.0) -> list[Received]:
        """What has come, once it is enough; AssertionError when that takes too long."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: is_there(self.received), timeout_s), self.types()
        return list(self.received)

    def close(self) -> None:
        self.server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _handle(self, received: Received) -> Answer:
        with self.arrived:
            self.arrived.notify_all()
        return self.answer(received) if callable(self.answer) else self.answer
