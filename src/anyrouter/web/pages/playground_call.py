"""One chat of the playground on its way: sent through the relay like everybody's, ended when the session ends, and what it took."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from anyrouter.control.generations import GenerationService
from anyrouter.core.errors import StorageUnavailable
from anyrouter.core.ids import generation_id_of
from anyrouter.relay.call import Principal, RequestHead
from anyrouter.web.pages.downstream import PageDownstream, Serve
from anyrouter.web.pages.playground_figures import Figure, list_figures

LOOK_EVERY_S = 1.0  # at whether the session still holds
_PATIENCE_S = 2.0
SILENCE_S = 1.0  # then the browser is written to
_OK = 200
_STREAM = "text/event-stream"
_COMMENT = b": waiting\n\n"
_PASSED = frozenset({"content-type", "x-generation-id", "x-anyrouter-max-tokens", "x-anyrouter-served-by", "retry-after"})
ENDED = "You are not signed in any more, or may not use the playground any more: the answer was ended."
BROKEN = "The connection to the provider broke in the middle of the answer."


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer: a text, or why there is none; and what it took, where anything was asked."""

    text: str = ""
    error: str = ""
    status: int = 200
    figures: Sequence[Figure] = ()
    generation_id: str = ""


class PlaygroundCall:
    """Sent when it is made. `holds` tells whether the person may still use the playground."""

    def __init__(
        self,
        *,
        serve: Serve,
        generations: GenerationService,
        head: RequestHead,
        principal: Principal,
        body: Mapping[str, Any],
        holds: Callable[[], Awaitable[bool]],
    ) -> None:
        self._generations, self._principal, self._holds = generations, principal, holds
        self.generation_id = generation_id_of(head.request_id)
        self.is_ended = False
        self.downstream = downstream = PageDownstream()
        work = serve(head, principal, json.dumps(body, ensure_ascii=False).encode(), downstream)
        if work is not None:
            downstream.follow(work)

    @contextlib.asynccontextmanager
    async def guard(self, receive: Receive) -> AsyncIterator[None]:
        """While it is entered the session and the browser are looked at; behind it nothing of the call goes on."""
        loop = asyncio.get_running_loop()
        watching, leaving = loop.create_task(self._watch()), loop.create_task(_leave_with(receive, self.downstream))
        try:
            yield
        finally:
            watching.cancel()
            leaving.cancel()
            await self.downstream.settle(_PATIENCE_S)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            with contextlib.suppress(StorageUnavailable):  # nobody is cut for what nobody knows
                if not await self._holds():
                    self.is_ended = True
                    self.downstream.leave()
                    return

    async def find_figures(self) -> Sequence[Figure]:
        """What it took, as the ledger has it; nothing where no upstream was asked, or nobody can say now."""
        try:
            entry = await self._generations.find(self._principal.key, self.generation_id)
        except StorageUnavailable:
            return ()
        return () if entry is None else list_figures(entry)

    async def read_answer(self, receive: Receive) -> Answer:
        """The whole answer of a request that asked for no stream. `receive` tells when the browser leaves."""
        async with self.guard(receive):
            status = await self.downstream.read_head()
            parts = []
            while (part := await self.downstream.read()) is not None:
                parts.append(part)
        if status is None or self.downstream.is_aborted:
            return Answer(error=ENDED if self.is_ended else BROKEN, status=403 if self.is_ended else 502)
        is_good = status == _OK  # everything else is an error's document
        try:
            text = _read_text(json.loads(b"".join(parts)), is_good=is_good)
        except (ValueError, LookupError, TypeError, AttributeError):
            return Answer(error="The provider's answer cannot be read.", status=502)
        if not is_good:
            return Answer(error=text, status=status)
        return Answer(text=text, figures=await self.find_figures(), generation_id=self.generation_id)


class PlaygroundStream(Response):
    """A chat as it comes: the relay's event stream, and one event more, `figures`, with what it took.

    A refusal that comes at once is a reply of its own. Otherwise the stream begins before its first event, with comments while there is
    nothing to say: only a browser that is written to shows that it has left, and the provider is to be told soon.
    """

    def __init__(self, call: PlaygroundCall) -> None:
        super().__init__()
        self._call = call
        self._refusal = b""  # the body of one that came behind the beginning

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- ASGI's form
        """Send it (ASGI 3)."""
        call, downstream = self._call, self._call.downstream
        async with call.guard(receive):
            status: int | None = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SILENCE_S):
                    status = await downstream.read_head()
            if status is None:
                await _begin(send, _OK, {"content-type": _STREAM, "x-generation-id": call.generation_id})
            else:
                await _begin(send, status, {name: value for name, value in downstream.headers.items() if name in _PASSED})
            await self._pass_on(send, is_begun=status is None)
        await _send(send, await self._end(is_stream=status in {None, _OK}), is_more=False)

    async def _pass_on(self, send: Send, *, is_begun: bool) -> None:
        downstream, is_between_events = self._call.downstream, True
        while True:
            try:
                async with asyncio.timeout(SILENCE_S):
                    part = await downstream.read()
            except TimeoutError:
                if is_between_events:
                    await _send(send, _COMMENT)
                continue
            if part is None:
                return
            if is_begun and downstream.status != _OK:
                self._refusal += part
            else:
                await _send(send, part)
                is_between_events = part.endswith(b"\n\n")

    async def _end(self, *, is_stream: bool) -> bytes:
        """What is said behind the relay's own events."""
        call = self._call
        if not is_stream:
            return b""
        trouble = ENDED if call.is_ended else BROKEN if call.downstream.is_aborted else ""
        if self._refusal:
            with contextlib.suppress(ValueError, LookupError, TypeError):
                trouble = _read_text(json.loads(self._refusal), is_good=False)
        said = _event("error", {"message": trouble}) if trouble else b""
        return said + _event("figures", {"figures": list(await call.find_figures()), "generation": call.generation_id})


def _read_text(reply: Any, *, is_good: bool) -> str:
    """What a reply says: the model's words, or the message of an error."""
    message = reply["choices"][0]["message"] if is_good else reply["error"]
    text = message.get("content") or message.get("refusal") or "" if is_good else message["message"]
    return str(text).encode("utf-8", "replace").decode()  # half of a surrogate pair cannot be shown


async def _leave_with(receive: Receive, downstream: PageDownstream) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    downstream.leave()


async def _begin(send: Send, status: int, headers: Mapping[str, str]) -> None:
    lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})


async def _send(send: Send, data: bytes, *, is_more: bool = True) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": is_more})


def _event(name: str, value: Mapping[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(value)}\n\n".encode()
