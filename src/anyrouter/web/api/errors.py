"""What becomes of the exceptions that a route may raise: refusals, in the form that `problems` gives them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from anyrouter.core.errors import ClientError, Denied, StorageUnavailable
from anyrouter.core.vault import KekUnavailable, SealBroken
from anyrouter.policy.endpoints import GEMINI_METHODS
from anyrouter.web.api.problems import reply_to
from anyrouter.web.api.visit import visit_of

STORAGE_RETRY_S = 1.0
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_NO_CONTENT, _METHOD_NOT_ALLOWED = 204, 405


def no_path() -> Denied:
    """The refusal of a path that nothing is at."""
    return Denied(code="not_found", message="There is no such path.")


def no_gemini_method() -> Denied:
    """The refusal of what Gemini's API can do with a model and this one cannot."""
    served = " and ".join(f":{method}" for method in GEMINI_METHODS)
    return Denied(code="not_found", message=f"There is no such method of a model here: {served} are served, by POST.")


def storage_unavailable() -> Denied:
    """The refusal of whatever needs a store that does not answer."""
    return Denied(
        code="storage_unavailable",
        message="The gateway's storage does not answer now. Your key is not the cause; try again.",
        retry_after_s=STORAGE_RETRY_S,
    )


def add_handlers(app: FastAPI) -> None:
    """Give every exception that a route may raise its reply."""
    app.add_exception_handler(ClientError, _on_client_error)
    app.add_exception_handler(StorageUnavailable, _on_storage_unavailable)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation_error)


def _reply(request: Request, denied: Denied) -> Response:
    return reply_to(request.scope, denied)


async def _on_client_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ClientError)  # noqa: S101 -- what the handler is registered for
    return _reply(request, error.denied)


async def _on_storage_unavailable(request: Request, error: Exception) -> Response:
    denied = storage_unavailable()
    if isinstance(error, SealBroken | KekUnavailable):
        denied = replace(denied, message=error.public)
    return _reply(request, denied)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """The router's own refusals: no such path, no such method. OPTIONS is answered here: what a path takes, and no data.

    No CORS header is ever sent: browsers of other origins get nothing, and a key does not belong into a page.
    """
    assert isinstance(error, HTTPException)  # noqa: S101 -- what the handler is registered for
    if error.status_code != _METHOD_NOT_ALLOWED:
        return _reply(request, no_path())
    path = str(request.scope["path"])
    if request.method == "POST" and visit_of(request.scope).dialect == "gemini" and ":" in path.rpartition("/")[2]:
        return _reply(request, no_gemini_method())
    allow = {"allow": ", ".join(_list_methods(request))}
    if request.method == "OPTIONS":
        return Response(status_code=_NO_CONTENT, headers=allow)
    reply = _reply(request, Denied(code="method_not_allowed", message=f"This path takes {allow['allow']}."))
    reply.headers["allow"] = allow["allow"]
    return reply


def _list_methods(request: Request) -> list[str]:
    """What the path takes, by any of its routes."""
    routes = [route for route in request.app.routes if isinstance(route, APIRoute) and route.path_regex.match(request.scope["path"])]
    served = {method for route in routes for method in route.methods or ()}
    return [method for method in _METHODS if method in served or (method == "HEAD" and "GET" in served) or method == "OPTIONS"]


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 -- what the handler is registered for
    first: Mapping[str, Any] = error.errors()[0]
    param = str(first["loc"][1]) if len(first["loc"]) > 1 else None
    if first["type"] == "missing":
        return _reply(request, Denied(code="missing_parameter", message=f"{param} is missing.", param=param))
    return _reply(request, Denied(code="invalid_parameter", message=f"{param}: {first['msg']}.", param=param))
