"""One form of each path, the methods that it takes, and errors that say nothing of the inside."""

import io
import re
from typing import Any

import structlog

from anyrouter.policy.endpoints import ENDPOINTS
from anyrouter.web.api.ports import ApiPorts


async def test_aliases_and_trailing_slashes_are_the_same_path_without_a_redirect(world: Any) -> None:
    key, headers = await world.make_key()
    for path in ("/api/v1/key", "/api/v1/key/", "/v1/key", "/v1/key/", "/api/v1/auth/key", "/v1/auth/key/"):
        reply = await world.client.get(path, headers=headers)
        assert (reply.status_code, reply.json()["data"]["id"]) == (200, key.id), path


async def test_probes_are_at_the_root_too(world: Any) -> None:
    for path in ("/health", "/livez", "/readyz", "/health/", "/api/v1/health", "/v1/livez"):
        reply = await world.client.get(path)
        assert (reply.status_code, reply.json()["status"]) == (200, "ok"), path


def path_of(row: Any) -> str:
    path: str = row.public_path.replace("{model}", "openai/gpt-4o").replace("{id}", "gen-1")
    return path


def methods_at(path: str) -> set[str]:
    """What a path takes by any row: a model's name may be anything, also what another row has at its end."""
    patterns = {row: re.escape(row.public_path).replace(r"\{model\}", ".+").replace(r"\{id\}", "[^/]+") for row in ENDPOINTS.values()}
    return {row.method for row, pattern in patterns.items() if re.fullmatch(pattern, path)}


NOWHERE = (
    "/nope",
    "/api/v1",
    "/api/v1/tokens",
    "/v1/models//",
    "/api/v2/models",
    "/api/v1/../key",
    "/%2e%2e/etc/passwd",
    "/key",
    "/V1/key",
    "/v1/key%0a",
    "/v1/key%00",
    "/v1/models/count%0d%0a",
)


async def test_other_paths_are_404_in_the_envelope(world: Any) -> None:
    _, headers = await world.make_key()
    for path in NOWHERE:
        reply = await world.client.get(path, headers=headers)
        assert reply.status_code == 404, path
        assert reply.json()["error"]["type"] == "not_found_error"
        assert set(reply.json()["error"]) == {"message", "type", "code", "param", "metadata"}


async def test_the_root_tells_the_way(world: Any) -> None:
    assert (await world.client.get("/")).json()["openapi"] == "/api/v1/openapi.json"


async def test_every_path_refuses_other_methods_with_405_and_says_which_it_takes(world: Any) -> None:
    for row in ENDPOINTS.values():
        path = path_of(row)
        served = methods_at(path)
        assert row.method in served
        taken = served | {"OPTIONS"} | ({"HEAD"} if "GET" in served else set())
        allowed = ", ".join(method for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") if method in taken)
        for method in {"PUT", "PATCH", "DELETE", "TRACE", "GET", "POST"} - served:
            reply = await world.client.request(method, path)
            assert (reply.status_code, reply.headers["allow"]) == (405, allowed), (method, path)
            error = reply.json()
            if row.dialect == "gemini":
                assert (error["error"]["code"], error["error"]["details"][0]["reason"]) == (405, "METHOD_NOT_ALLOWED")
            elif row.dialect == "anthropic":
                assert (error["type"], error["error"]["type"]) == ("error", "invalid_request_error")
                assert error["request_id"] == reply.headers["x-request-id"]
            else:
                assert error["error"]["code"] == "method_not_allowed"


async def test_a_preflight_needs_no_key_and_gets_no_data_and_no_leave_to_read(world: Any) -> None:
    asking = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    for row in ENDPOINTS.values():
        reply = await world.client.options(path_of(row), headers=asking)
        assert (reply.status_code, reply.content) == (204, b""), row.path
        assert "allow" in reply.headers
        assert not [name for name in reply.headers if name.startswith("access-control")]


async def test_no_reply_opens_itself_to_other_origins(world: Any) -> None:
    _, headers = await world.make_key()
    for path in ("/key", "/nope", "/generation?id=x"):
        reply = await world.get(path, headers | {"Origin": "https://evil.example"})
        assert not [name for name in reply.headers if name.startswith("access-control")]


async def test_head_is_get_without_a_body(world: Any) -> None:
    _, headers = await world.make_key()
    same = ("content-type", "content-length", "cache-control")
    for path in ("/key", "/models", "/models/openai/gpt-4o", "/activity", "/health", "/openapi.json", "/generation?id=x", "/nope"):
        got, asked = await world.get(path, headers), await world.client.head(f"/api/v1{path}", headers=headers)
        assert (asked.status_code, asked.content) == (got.status_code, b""), path
        assert {name: asked.headers[name] for name in same} == {name: got.headers[name] for name in same}


async def test_a_trace_id_is_echoed_when_it_is_one(world: Any) -> None:
    for sent in ("t", "a" * 128, "trace 1"):
        assert (await world.get("/livez", {"X-AnyRouter-Trace-Id": sent})).headers["x-anyrouter-trace-id"] == sent
    for sent in ("", "a" * 129, b"\xc3\xa9"):
        assert (
            "x-anyrouter-trace-id"
            not in (await world.get("/livez", [(b"X-AnyRouter-Trace-Id", sent if isinstance(sent, bytes) else sent.encode())])).headers
        )


async def test_every_reply_has_a_request_id_of_its_own(world: Any) -> None:
    ids = [(await world.get(path)).headers["x-request-id"] for path in ("/livez", "/livez", "/key", "/nope", "/messages")]
    assert len(set(ids)) == 5
    assert all(text.startswith("req-") for text in ids)


class Broken:
    """A ledger's reader with a mistake in it that knows a secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    async def read_totals(self, *_: object) -> None:
        raise RuntimeError(f"MARKER-detail with {self._secret} in table api_keys")


async def test_a_mistake_of_ours_is_500_without_detail_and_a_log_line_without_the_key(world: Any) -> None:
    _, headers = await world.make_key()
    out = io.StringIO()
    structlog.configure(processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.PrintLoggerFactory(out))
    try:
        async with world.make_app(ledger=Broken(headers["Authorization"])) as client:
            reply = await client.get("/v1/key", headers=headers)
    finally:
        structlog.reset_defaults()
    assert reply.status_code == 500
    error = reply.json()["error"]
    assert (error["type"], error["code"]) == ("internal_server_error", "internal_error")
    assert "MARKER" not in reply.text
    assert "RuntimeError" not in reply.text
    logged = out.getvalue()
    assert reply.headers["x-request-id"] in logged
    assert "RuntimeError" in logged
    assert headers["Authorization"] not in logged
    assert headers["Authorization"].removeprefix("Bearer ") not in logged


async def test_errors_name_no_version_program_table_or_file(world: Any) -> None:
    _, headers = await world.make_key()
    ports: ApiPorts = world.ports
    replies = [await world.get(path, headers) for path in ("/nope", "/activity?to=x", "/generation?id=x", "/generation")]
    replies.append(await world.client.post("/api/v1/key", headers=headers, content=b"{"))
    world.journal.is_broken = True
    replies.append(await world.get("/readyz"))
    for reply in replies:
        assert reply.status_code >= 400
        shown = (reply.text + str(reply.headers)).lower()
        for word in (
            ports.version,
            "uvicorn",
            "starlette",
            "fastapi",
            "pydantic",
            "python",
            "sqlite",
            "traceback",
            "api_keys",
            "/var/",
            "marker",
        ):
            assert word not in shown, (reply.url, word)


async def test_a_post_that_spells_an_inference_path_otherwise_is_404(world: Any) -> None:
    _, headers = await world.make_key()
    reply = await world.client.post("/api/v1/chat%2Fcompletions", headers=headers, json={"model": "openai/gpt-4o"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "not_found")
