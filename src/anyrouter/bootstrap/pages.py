"""The pages as the gateway has them: a process of their own, started when somebody first looks at one.

Rendering a page over a million generations takes an interpreter for tens of milliseconds, which requests would wait for.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import structlog

from anyrouter.bootstrap.gateway_facts import GatewayFacts
from anyrouter.bootstrap.prices import Sources
from anyrouter.bootstrap.remote_gateway import LOOK, SERVE
from anyrouter.relay.call import Principal, RequestHead
from anyrouter.relay.relay import Relay
from anyrouter.settings import Settings
from anyrouter.storage.epoch_watch import EpochWatch
from anyrouter.web.behind.link import Link
from anyrouter.web.behind.program import Program
from anyrouter.web.behind.stream import Broken, Kind, Stream
from anyrouter.web.pages.downstream import PageDownstream

_PATIENCE_S = 2.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What the pages' process has to be told: the gateway's settings, and what it knows since it has started.

    Of the settings' secrets those that pages need: not what upstreams are asked with.
    """

    settings: Settings = field(repr=False)
    port: int
    sandbox_port: int
    setup_digest: bytes | None = field(repr=False)
    sources: Sources


class PagesProcess:
    """Starts the process with the first stream, and again after it has ended; answers what it asks. `begin` before the first use.

    `command` is the program, which calls `pages_process.run_pages` over the descriptor that is its last argument.
    """

    def __init__(self, command: Sequence[str], facts: GatewayFacts, relay: Relay, watch: EpochWatch) -> None:
        self._command, self._facts, self._relay, self._watch = command, facts, relay, watch
        self._beginning: Beginning | None = None
        self._program: Program | None = None
        self._link: Link | None = None
        self._starting = asyncio.Lock()
        self._telling: asyncio.Task[None] | None = None

    def begin(self, beginning: Beginning) -> None:
        """What the process is told when it is started."""
        upstreams = tuple(replace(upstream, credential=None) for upstream in beginning.settings.upstreams)
        self._beginning = replace(beginning, settings=replace(beginning.settings, upstreams=upstreams))

    async def open(self) -> Stream:
        """A stream for a request; Broken when there is no process."""
        link = self._link
        if link is None or link.ended.is_set():
            link = await self._start()
        return await link.open()

    def tell(self, sources: Sources) -> None:
        """The catalogue's sources are these now."""
        if self._beginning is not None:
            self._beginning = replace(self._beginning, sources=sources)
            self._telling = asyncio.get_running_loop().create_task(self._tell(self._beginning))

    async def _tell(self, beginning: Beginning) -> None:
        link = self._link
        if link is None or link.ended.is_set():
            return
        with suppress(Broken):
            stream = await link.open()
            await stream.send_object(Kind.NEWS, beginning.sources)
            stream.close()

    async def aclose(self) -> None:
        """End it, in order where it can."""
        if self._link is not None:
            await self._link.aclose(_PATIENCE_S)
        if self._program is not None:
            await self._program.aclose(_PATIENCE_S)

    async def _start(self) -> Link:
        async with self._starting:
            if self._link is not None and not self._link.ended.is_set():
                return self._link
            if self._beginning is None:
                raise Broken
            if self._link is not None:
                _log.warning("pages_started_again")
                await self.aclose()
            try:
                self._program = await Program.start(self._command)
            except OSError as error:
                _log.error("pages_not_started", reason=str(error))
                raise Broken from None
            link = Link(self._program.between, self._answer)
            try:
                stream = await link.open()
                await stream.send_with_secrets(Kind.BEGIN, self._beginning)
                stream.close()
            except BaseException:
                await link.aclose()
                raise
            self._link = link
            return link

    async def _answer(self, stream: Stream) -> None:
        name, arguments = await stream.receive_object(Kind.QUESTION)
        if name == SERVE:
            await self._serve(stream, *arguments)
        elif name == LOOK:
            await self._watch.look()
            await stream.send_object(Kind.ANSWER, None)
        else:
            await stream.send_object(Kind.ANSWER, await getattr(self._facts, name)(*arguments))

    async def _serve(self, stream: Stream, head: RequestHead, principal: Principal, body: bytes) -> None:
        """A chat of the playground: the same relay, and its reply as it comes. Whoever asked is gone when the stream is."""
        downstream = PageDownstream()
        work = self._relay.serve(head, principal, body, downstream)
        if work is not None:
            downstream.follow(work)
        leaving = asyncio.get_running_loop().create_task(_leave_with(stream, downstream))
        try:
            if await downstream.read_head() is None:
                return
            await stream.send_object(Kind.REPLY, (downstream.status, dict(downstream.headers)))
            while (part := await downstream.read()) is not None:
                await stream.send(Kind.BODY, part)
            if not downstream.is_aborted and not downstream.is_closed:
                await stream.send(Kind.END)
        finally:
            leaving.cancel()
            await asyncio.wait((leaving,))
            await downstream.settle(_PATIENCE_S)


async def _leave_with(stream: Stream, downstream: PageDownstream) -> None:
    try:
        while True:
            await stream.receive()
    except Broken:
        downstream.leave()
