"""Probes, the public health, and metrics."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from anyrouter.core.errors import StorageUnavailable
from anyrouter.core.secret import Secret


async def test_health_is_public_and_says_little(world: Any) -> None:
    reply = await world.client.get("/health")
    assert (reply.status_code, reply.json()) == (200, {"status": "ok", "version": "1.2.3"})


async def test_health_shows_upstreams_to_a_key_that_may_read_usage_in_its_environment(world: Any) -> None:
    _, live = await world.make_key()
    _, test = await world.make_key(environment="test")
    _, lacking = await world.make_key(scopes=["models:read"])
    ill, well = (world.stats.tally_of("chat/completions", "live", "openai", upstream) for upstream in ("openai", "backup"))
    for _ in range(3):
        ill.fail("upstream_timeout")
    well.fail("upstream_error")
    well.succeed()
    shown = {row["id"]: row for row in (await world.get("/health", live)).json()["upstreams"]}
    assert set(shown) == {"openai", "backup", "anthropic"}
    told = {"id": "openai", "provider": "OpenAI", "status": "failing", "failures": 3, "last_error": "upstream_timeout"}
    assert shown["openai"] == {**told, "state": "well", "targets": []}
    assert (shown["backup"]["status"], shown["backup"]["last_error"], shown["anthropic"]["status"]) == ("ok", None, "ok")
    assert [row["id"] for row in (await world.get("/health", test)).json()["upstreams"]] == ["sandbox"]
    assert "upstreams" not in (await world.get("/health", lacking)).json()


async def test_a_probe_does_not_fail_because_of_its_key(world: Any) -> None:
    for credential in ("", "Bearer", "Bearer nonsense", "Basic x", "Bearer ar-live-MARKER"):
        reply = await world.get("/health", {"Authorization": credential})
        assert (reply.status_code, reply.json()["status"]) == (200, "ok"), credential


async def test_readiness_falls_with_the_journal_and_the_database_and_liveness_does_not(world: Any) -> None:
    assert (await world.client.get("/readyz")).status_code == 200
    world.journal.is_broken = True
    reply = await world.client.get("/readyz")
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "storage_unavailable")
    assert int(reply.headers["retry-after"]) >= 1
    assert "MARKER" not in reply.text
    assert (await world.client.get("/livez")).status_code == 200

    class Down:
        async def check(self) -> None:
            raise StorageUnavailable("down")

    world.journal.is_broken = False
    async with world.make_app(store=Down()) as client:
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/health")).status_code == 200


async def test_health_stays_up_while_keys_cannot_be_looked_up(world: Any) -> None:
    class Down:
        async def find_by_digest(self, *_: Any) -> Any:
            raise StorageUnavailable("down")

    _, headers = await world.make_key()
    world.authenticator.lookup = Down()
    reply = await world.get("/health", headers)
    assert (reply.status_code, "upstreams" in reply.json()) == (200, False)


async def test_metrics_are_for_the_machine_itself(world: Any) -> None:
    world.stats.count_refusal("messages", "rate_limited")
    async with world.make_app(client_address=lambda *_: "127.0.0.1") as client:
        for path in ("/metrics", "/api/v1/metrics", "/v1/metrics/"):
            reply = await client.get(path)
            assert reply.status_code == 200
            assert reply.headers["content-type"].startswith("text/plain")
        names = {family.name for family in text_string_to_metric_families(reply.text)}
        assert {"anyrouter_requests", "anyrouter_refusals", "anyrouter_overhead_seconds", "process_resident_memory_bytes"} <= names
        for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):
            assert (await client.get("/metrics", headers={header: "203.0.113.7"})).status_code == 403
    reply = await world.client.get("/metrics")
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "endpoint_not_allowed")


async def test_no_key_opens_the_metrics(world: Any) -> None:
    _, headers = await world.make_key(scopes=["admin:*", "usage:read"])
    assert (await world.get("/metrics", headers)).status_code == 403


async def test_the_metrics_token_opens_them_to_others(world: Any) -> None:
    token = "MARKER-metrics-token"
    async with world.make_app(metrics_token=Secret(token)) as client:
        assert (await client.get("/metrics", headers={"Authorization": f"bearer {token}"})).status_code == 200
        absent = await client.get("/metrics")
        assert (absent.status_code, absent.headers["www-authenticate"]) == (401, 'Bearer realm="anyrouter"')
        for wrong in (f"Bearer {token}x", "Bearer", f"Basic {token}", token, f"Bearer {token[:-1]}"):
            reply = await client.get("/metrics", headers={"Authorization": wrong})
            assert (reply.status_code, reply.headers["www-authenticate"]) == (401, 'Bearer realm="anyrouter", error="invalid_token"')
            assert token not in reply.text
        assert (await client.get("/metrics", params={"token": token})).status_code == 401
