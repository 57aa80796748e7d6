"""A front in a process of its own, so that its memory can be told from its clients'. Prints its port."""

import socket
import sys
from typing import Any

import uvicorn
import uvloop

from anyrouter.core.errors import Denied
from anyrouter.web.front.front import make_front
from anyrouter.web.front.limits import FrontLimits


class Refusing:
    """An `Inference` that allows nobody."""

    def authorize(self, _head: Any) -> Denied:
        return Denied(code="missing_api_key", message="No key.")

    def refuse(self, _head: Any, denied: Denied, downstream: Any) -> None:
        downstream.reply(denied.http_status, b"", b"")


async def application(scope: Any, receive: Any, send: Any) -> None:
    raise NotImplementedError  # nothing is handed over here


listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
front = make_front(Refusing(), FrontLimits(keep_alive_s=float(sys.argv[1])))  # type: ignore[arg-type]
config = uvicorn.Config(application, http=front, log_config=None, lifespan="off", proxy_headers=False, server_header=False, ws="none")
print(listener.getsockname()[1], flush=True)  # noqa: T201 -- how the test learns the port
uvloop.run(uvicorn.Server(config).serve([listener]))
