"""The sandbox as a live provider that keeps what it was asked and what it said: the same answers as with a test key."""

import itertools
import re
from collections.abc import AsyncIterator
from urllib.parse import quote

from anyrouter.sandbox.reply import Stamp
from anyrouter.sandbox.request import Request
from anyrouter.sandbox.service import answer
from support.upstream import Answer, Received

NOW_S = 1_790_000_000
# Vertex AI has the models of Google's other address at paths of its own, and at an address of the operator's asks for no credential.
_VERTEX = re.compile(r"/projects/[^/]+/locations/[^/]+/publishers/google(?=/models/)")


class RecordingSandbox:
    """Answers for a `ScriptedUpstream`. Its waits are left out. `said` are the bodies of its replies.

    `plays` are other names of the sandbox's models, where a path names the model: the gateway must be told whose model it is.
    """

    def __init__(self, plays: dict[str, str]) -> None:
        self.said: list[bytes] = []
        self._plays = plays
        self._serials = itertools.count(1)

    def handle(self, received: Received) -> Answer:
        """What the sandbox says to the request."""
        headers, target = received.headers, _VERTEX.sub("/v1beta", received.path)
        if target != received.path:
            headers = {**headers, "x-goog-api-key": "any"}
        for name, role in self._plays.items():
            target = target.replace(quote(name, safe=""), role)
        request = Request(method=received.method, target=target, headers=headers, body=received.body)
        reply = answer(request, Stamp(serial=next(self._serials), now_s=NOW_S))
        if isinstance(reply.body, bytes):
            self.said.append(reply.body)
            return Answer(status=reply.status, headers=dict(reply.headers), body=reply.body, is_cut=reply.is_cut)
        parts = list(reply.body)
        self.said.append(b"".join(parts))

        async def give() -> AsyncIterator[bytes]:
            for part in parts:
                yield part

        return Answer(status=reply.status, headers=dict(reply.headers), body=give, is_cut=reply.is_cut)
