"""The gateway as its pages' process knows it: questions over the link between them."""

import asyncio
from collections.abc import Collection, Coroutine, Mapping, Sequence
from typing import Any

from anyrouter.control.catalogue_state import CatalogueState
from anyrouter.core.errors import StorageUnavailable
from anyrouter.core.ledger import LedgerEntry
from anyrouter.core.tenancy import Environment
from anyrouter.policy.health import HealthReport, TargetKey
from anyrouter.relay.call import Principal, RequestHead
from anyrouter.relay.ports import Downstream, Watcher
from anyrouter.relay.stats import UpstreamRecord
from anyrouter.web.behind.link import Link
from anyrouter.web.behind.stream import Broken, Kind, Stream, read_object
from anyrouter.web.pages.gateway import EnvironmentLoad, Gateway, Standing

SERVE = "serve"
LOOK = "look"


class RemoteGateway(Gateway):
    """`Gateway` over a link, and the relay's `serve`."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def list_standings(self, upstream_ids: Collection[str]) -> Sequence[Standing]:
        """See the port."""
        found: Sequence[Standing] = await self._ask("list_standings", tuple(upstream_ids))
        return found

    async def report(self, keys: Sequence[TargetKey]) -> Mapping[TargetKey, HealthReport]:
        """See the port."""
        found: Mapping[TargetKey, HealthReport] = await self._ask("report", tuple(keys))
        return found

    async def read_records(self) -> Mapping[str, UpstreamRecord]:
        """See the port."""
        found: Mapping[str, UpstreamRecord] = await self._ask("read_records")
        return found

    async def read_loads(self, environments: Sequence[Environment]) -> Sequence[EnvironmentLoad]:
        """See the port."""
        found: Sequence[EnvironmentLoad] = await self._ask("read_loads", tuple(environments))
        return found

    async def read_catalogue_state(self) -> CatalogueState:
        """See the port."""
        found: CatalogueState = await self._ask("read_catalogue_state")
        return found

    async def find_pending(self, generation_id: str) -> LedgerEntry | None:
        """See the port."""
        found: LedgerEntry | None = await self._ask("find_pending", generation_id)
        return found

    async def look(self) -> None:
        """Have it look now at what has changed in the store, which it would do by itself a moment later."""
        await self._ask(LOOK)

    def serve(self, head: RequestHead, principal: Principal, body: bytes, downstream: Downstream) -> Coroutine[Any, Any, None]:
        """The relay's `serve`, as far away as it is: the reply comes while what this returns is run."""
        return self._serve(head, principal, body, downstream)

    async def _ask(self, name: str, *arguments: Any) -> Any:
        try:
            stream = await self._link.open()
            try:
                await stream.send_object(Kind.QUESTION, (name, arguments))
                return await stream.receive_object(Kind.ANSWER)
            finally:
                stream.close()
        except Broken:
            raise StorageUnavailable("The gateway does not say how things stand.") from None

    async def _serve(self, head: RequestHead, principal: Principal, body: bytes, downstream: Downstream) -> None:
        try:
            stream = await self._link.open()
        except Broken:
            downstream.abort()
            return
        reader = _Reader(stream)
        downstream.watch(reader)
        try:
            await stream.send_object(Kind.QUESTION, (SERVE, (head, principal, body)))
            await reader.pass_on(downstream)
        except Broken:
            downstream.abort()
        finally:
            stream.close()


class _Reader(Watcher):
    """Told how the reader of a reply does, and tells the gateway."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._is_wanted = asyncio.Event()
        self._is_wanted.set()

    def leave(self) -> None:
        self._stream.end()
        self._is_wanted.set()

    def pause(self) -> None:
        self._is_wanted.clear()

    def resume(self) -> None:
        self._is_wanted.set()

    async def pass_on(self, downstream: Downstream) -> None:
        """Until the reply is whole; Broken when it will not be."""
        while True:
            await self._is_wanted.wait()
            kind, data = await self._stream.receive()
            if kind is Kind.REPLY:
                status, headers = read_object(data)
                downstream.start(status, "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("latin-1"))
            elif kind is Kind.BODY:
                downstream.write(data)
            else:
                downstream.finish()
                return
