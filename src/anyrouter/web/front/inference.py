"""What the front needs of the relay."""

from collections.abc import Coroutine
from typing import Any, Protocol

from anyrouter.core.errors import Denied
from anyrouter.relay.call import Principal, RequestHead
from anyrouter.relay.ports import Downstream


class Inference(Protocol):
    """Judges and serves inference requests."""

    def authorize(self, head: RequestHead) -> Principal | Denied | None:
        """Judge a head without I/O. None: the key has to be looked up, by `find`."""

    async def find(self, head: RequestHead) -> Principal | Denied:
        """Judge a head whose key is not in memory."""

    def serve(self, head: RequestHead, principal: Principal, body: bytes, downstream: Downstream) -> Coroutine[Any, Any, None] | None:
        """Serve the whole request and reply exactly once through `downstream`. What is returned is to be run as a task."""

    def refuse(self, head: RequestHead, denied: Denied, downstream: Downstream) -> None:
        """Reply with the refusal, before returning, in the dialect of the head's endpoint."""
