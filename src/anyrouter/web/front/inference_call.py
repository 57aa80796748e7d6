"""One inference request of a connection: judged on its head, its body received, served by the relay."""

import asyncio
import math
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from anyrouter.core.errors import Denied
from anyrouter.relay.call import Principal, RequestHead
from anyrouter.web.front import refusals
from anyrouter.web.front.body import ChunkedBody, LengthBody, Pace
from anyrouter.web.front.downstream import FRESH, ConnectionDownstream
from anyrouter.web.front.head import CHUNKED, Head, judge_body
from anyrouter.web.front.state import report

if TYPE_CHECKING:
    from anyrouter.web.front.connection import Connection

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_STOPPING_POLL_S = 0.02
_PRESENCE_PATIENCE = 15  # a client that has shown itself is asked again after this many times `presence_s`

_LOOKUP: Final = 0
_BODY: Final = 1
_SERVING: Final = 2


class InferenceCall(ConnectionDownstream):
    """The message, and the relay's `Downstream` for its reply."""

    __slots__ = ("_body", "_head", "_pace", "_phase", "_presence_asked", "_principal", "_request", "_task")

    def __init__(self, connection: "Connection", head: Head) -> None:
        # As the parent's, whose call would double the cost.
        self.connection, self._form, self._is_http10 = connection, FRESH, head.is_http10
        self.is_closed, self._watcher = False, None
        self._head = head
        self._request: RequestHead
        self._principal: Principal
        self._phase = _SERVING
        self._body: LengthBody | ChunkedBody | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self, endpoint: str, rest: memoryview) -> None:
        """Judge the head; `rest` is what has come behind it."""
        connection = self.connection
        if connection is None:
            return
        state, head, now_ms = connection.state, self._head, time.time_ns() // 1_000_000
        self._request = request = RequestHead(
            endpoint=endpoint,
            headers=head.headers,
            client_host=connection.peer_host if b"x-forwarded-for" not in head.headers else connection.client_host(head),
            started_s=time.monotonic(),
            now_ms=now_ms,
            request_id=state.new_request_id(now_ms),
            repeated=head.repeated,
            facts=head.facts,
        )
        if head.model is not None:
            request.model, request.is_array = head.model, head.is_array
        verdict: Principal | Denied | None
        try:
            verdict = state.inference.authorize(request)
        except Exception as error:  # noqa: BLE001 -- a mistake in there must not cost the caller its reply
            report("authorization failed", error, request.request_id)
            verdict = refusals.FAILED
        length = head.length
        if length == len(rest) and isinstance(verdict, Principal) and head.body_fault is None and length <= state.limits.body_bytes:
            self._principal = verdict  # the usual case: all of it is here
            self._run(connection, rest.tobytes())
        elif verdict is None:
            self._phase = _LOOKUP
            connection.keep(rest)
            if self._head.length == CHUNKED or self._head.length > len(rest):
                connection.pause_reading()
            self._task = task = state.loop.create_task(self._find())
            state.tasks.add(task)
            task.add_done_callback(state.tasks.discard)
        else:
            self._obey(connection, verdict, rest)

    # What the connection tells.

    def receive(self, view: memoryview) -> None:
        """Bytes have come."""
        connection, body = self.connection, self._body
        if connection is None:
            return
        if self._phase != _BODY:
            connection.keep_pipelined(view)
        elif isinstance(body, LengthBody):
            body.received += len(view)
            if body.is_complete:
                self._run(connection, body.take())
            else:
                connection.buffer = body.room
        elif body is not None:
            self._feed_chunks(connection, body, view)

    def end_input(self) -> bool:
        """The client will send nothing more."""
        connection = self.connection
        if connection is None:
            return False
        if self._phase == _BODY:
            self._refuse(connection, refusals.EARLY_END, -1)
        else:
            connection.is_last = connection.is_last or connection.held is None
            self._arm_presence(connection)
        return True

    def expire(self, now_s: float) -> None:
        """The body is late, or a client that has shut down its sending side may have left."""
        connection, body = self.connection, self._body
        if connection is None:
            return
        if self._phase == _BODY and body is not None:
            if self._pace.is_kept(now_s, body.received):
                connection.deadline_s = self._pace.due_s
            else:
                self._refuse(connection, refusals.BODY_TOO_SLOW, -1)
        else:
            self._ask_presence(connection, now_s)

    def resume(self) -> None:
        """The client takes bytes again."""
        connection = self.connection
        if connection is not None:
            connection.deadline_s = math.inf
            self._arm_presence(connection)
        super().resume()

    def stop(self) -> None:
        """The server stops: the reply will say that it is the last."""
        if self._phase == _SERVING and self._task is None:
            self.follow(self._await_reply())

    # The verdict on the head, and the body.

    async def _find(self) -> None:
        request, connection = self._request, self.connection
        if connection is None:
            return
        verdict: Principal | Denied
        try:
            verdict = await connection.state.inference.find(request)
        except asyncio.CancelledError:
            if self.connection is not None:
                self._refuse(connection, refusals.STOPPING, -1)
                connection.close_transport()  # there is no time to linger
            raise
        except Exception as error:  # noqa: BLE001 -- the last line of defence of a request
            report("key lookup failed", error, request.request_id)
            verdict = refusals.FAILED
        finally:
            self._task = None
        if self.connection is not None:
            self._phase = _SERVING
            self._obey(connection, verdict, connection.take_held())

    def _obey(self, connection: "Connection", verdict: Principal | Denied, rest: memoryview) -> None:
        length = self._head.length
        denied = verdict if isinstance(verdict, Denied) else judge_body(self._head, connection.state.limits.body_bytes)
        if denied is not None:
            unread = -1 if length == CHUNKED else max(0, length - len(rest))
            if not unread:
                connection.keep(rest[length:])
            self._refuse(connection, denied, unread)
        elif not isinstance(verdict, Denied):
            self._principal = verdict
            if length == len(rest):
                self._run(connection, rest.tobytes())
            elif 0 <= length < len(rest):
                connection.keep_pipelined(rest[length:])
                self._run(connection, rest[:length].tobytes())
            else:
                self._await_body(connection, rest)

    def _await_body(self, connection: "Connection", rest: memoryview) -> None:
        limits = connection.state.limits
        self._phase, self._pace = _BODY, Pace(limits, time.monotonic())
        connection.deadline_s = self._pace.due_s
        if self._head.expects_continue and not rest:
            connection.transport.write(_CONTINUE)
        if self._head.length == CHUNKED:
            self._body = chunks = ChunkedBody(limits.body_bytes)
            self._feed_chunks(connection, chunks, rest)
        else:
            self._body = body = LengthBody(self._head.length, rest)
            connection.buffer = body.room
        if self._phase == _BODY:
            if connection.is_eof:
                self._refuse(connection, refusals.EARLY_END, -1)
            else:
                connection.resume_reading()

    def _feed_chunks(self, connection: "Connection", body: ChunkedBody, view: memoryview) -> None:
        size = body.feed(view)
        if body.fault is not None:
            self._refuse(connection, body.fault, -1)
        elif body.is_complete:
            connection.keep_pipelined(view[size:])
            self._run(connection, body.take())

    def _refuse(self, connection: "Connection", denied: Denied, unread: int) -> None:
        """Reply with a refusal; `unread` bytes of the body have not come (negative: nobody knows how many)."""
        self._phase, self._body = _SERVING, None
        connection.deadline_s, connection.buffer = math.inf, connection.state.view
        connection.leave_unread(unread, self._head)
        self._reply_denied(connection, denied)

    def _reply_denied(self, connection: "Connection", denied: Denied) -> None:
        """In the dialect of the endpoint; should that fail, in a plain one."""
        try:
            connection.state.inference.refuse(self._request, denied, self)
        except Exception as error:  # noqa: BLE001 -- as above
            report("refusal failed", error, self._request.request_id)
        if not self.is_started:
            self.reply(*refusals.render(refusals.FAILED, self._request.request_id))

    # The relay's work.

    def _run(self, connection: "Connection", body: bytes) -> None:
        state = connection.state
        if self._phase == _BODY:
            self._phase, self._body = _SERVING, None
            connection.buffer, connection.deadline_s = state.view, math.inf
        try:
            work = state.inference.serve(self._request, self._principal, body, self)
        except Exception as error:  # noqa: BLE001 -- the last line of defence of a request
            report("inference failed", error, self._request.request_id)
            self._complete(refusals.FAILED)
            return
        if work is not None:
            self.follow(work)
        if self.connection is None:
            return  # replied
        if connection.is_read_paused and connection.held is None:
            connection.resume_reading()
        if connection.is_eof:
            self._arm_presence(connection)

    def follow(self, work: Coroutine[Any, Any, None]) -> None:
        """See the port."""
        connection = self.connection
        if connection is None:
            work.close()
            return
        state = connection.state
        self._task = task = state.loop.create_task(self._serve(work))
        state.tasks.add(task)
        task.add_done_callback(state.tasks.discard)

    async def _serve(self, work: Coroutine[Any, Any, None]) -> None:
        """Whatever happens, the client gets a whole reply or sees that it is not whole."""
        try:
            await work
        except asyncio.CancelledError:
            self._complete(refusals.STOPPING)
            raise
        except Exception as error:  # noqa: BLE001 -- the last line of defence of a request
            report("inference failed", error, self._request.request_id)
        finally:
            self._task = None
        if not self.is_over:
            self._complete(refusals.FAILED)

    async def _await_reply(self) -> None:
        """Be what the server waits for, and cancels in the end, where the relay does without a task."""
        try:
            while not self.is_over:  # noqa: ASYNC110 -- only while the server stops: an event would cost every request
                await asyncio.sleep(_STOPPING_POLL_S)
        except asyncio.CancelledError:
            if self._watcher is not None:
                self._watcher.leave()
            raise

    def _complete(self, denied: Denied) -> None:
        connection = self.connection
        if connection is None:
            return
        if self.is_started:
            self.abort()
        else:
            self._reply_denied(connection, denied)

    def _arm_presence(self, connection: "Connection") -> None:
        presence_s = connection.state.limits.presence_s
        self._presence_asked = 0
        if connection.is_eof and self._phase == _SERVING and presence_s is not None and connection.unsent is None:
            connection.deadline_s = time.monotonic() + presence_s

    def _ask_presence(self, connection: "Connection", now_s: float) -> None:
        """Make a client that has left show it: the second write into a closed socket fails."""
        connection.deadline_s = math.inf
        presence_s = connection.state.limits.presence_s
        if presence_s is None or self.is_started or self._head.is_http10:
            return
        self._presence_asked += 1
        connection.deadline_s = now_s + presence_s * (1 if self._presence_asked == 1 else _PRESENCE_PATIENCE)
        connection.transport.write(_CONTINUE)
