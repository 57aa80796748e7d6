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
_STREAM = "text/event-stream"
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
    async def guard(self) -> AsyncIterator[None]:
        """While it is entered the session is looked at; behind it nothing of the call goes on."""
        watching = asyncio.get_running_loop().create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
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

    async def read_answer(self) -> Answer:
        """The whole answer of a request that asked for no stream."""
        async with self.guard():
            status = await self.downstream.read_head()
            parts = []
            while (part := await self.downstream.read()) is not None:
                parts.append(part)
        if status is None or self.downstream.is_aborted:
            return Answer(error=ENDED if self.is_ended else BROKEN, status=403 if self.is_ended else 502)
        is_good = status == 200  # noqa: PLR2004 -- everything else is an error's document
        try:
            text = _read_text(json.loads(b"".join(parts)), is_good=is_good)
        except (ValueError, LookupError, TypeError, AttributeError):
            return Answer(error="The provider's answer cannot be read.", status=502)
        if not is_good:
            return Answer(error=text, status=status)
        return Answer(text=text, figures=await self.find_figures(), generation_id=self.generation_id)


class PlaygroundStream(Response):
    """A chat as it comes: the relay's event stream, and one event more, `figures`, with what it took."""

    def __init__(self, call: PlaygroundCall) -> None:
        super().__init__()
        self._call = call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- ASGI's form
        """Send it (ASGI 3)."""
        downstream = self._call.downstream
        leaving = asyncio.get_running_loop().create_task(_leave_with(receive, downstream))
        try:
            async with self._call.guard():
                status = await downstream.read_head()
                if status is None:
                    if not self._call.is_ended:
                        return  # the browser has left
                    await _begin(send, 403, {"content-type": "application/json"})
                    await _send(send, json.dumps({"error": {"message": ENDED}}).encode(), is_more=False)
                    return
                await _begin(send, status, {name: value for name, value in downstream.headers.items() if name in _PASSED})
                while (part := await downstream.read()) is not None:
                    await _send(send, part)
            await _send(send, await self._end(), is_more=False)
        finally:
            leaving.cancel()

    async def _end(self) -> bytes:
        """What is said behind the relay's own events."""
        call = self._call
        if not call.downstream.headers.get("content-type", "").startswith(_STREAM):
            return b""
        said = b""
        if call.is_ended or call.downstream.is_aborted:
            said = _event("error", {"message": ENDED if call.is_ended else BROKEN})
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
