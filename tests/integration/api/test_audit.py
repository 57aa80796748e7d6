"""GET /audit: read, filtered, paged and exported by the keys that may; and nobody else's."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from anyrouter.control.audit import make_event
from anyrouter.core.audit import OPERATOR, Actor, ActorKind, AuditEvent
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID

NOW = datetime(2026, 3, 4, 5, 6, 7, 89_000, tzinfo=UTC)
MALLORY = Actor(
    kind=ActorKind.KEY, id="key_m", label="ar-live-abc123", address="192.0.2.9", user_agent='=HYPERLINK("x")\x1b', trace_id="+1"
)


def event(action: str, number: int, actor: Actor = OPERATOR, **fields: Any) -> AuditEvent:
    organisation_id = fields.pop("organisation_id", DEFAULT_ORGANISATION_ID)
    denied = {name: fields.pop(name) for name in ("is_denied", "code") if name in fields}
    return replace(make_event(actor, organisation_id, action, NOW + timedelta(days=number), **fields), **denied)


@pytest.fixture
async def auditor(world: Any) -> dict[str, str]:
    """A key that may read the log, over a log of four events and another organisation's."""
    _, headers = await world.make_key(scopes=["admin:org"])
    kept = await world.services.audit.verify()
    for one in (
        event("budget.create", 1, target_id="bud_1", environment="live", after={"limit": 5}),
        event("budget.update", 2, MALLORY, target_id="bud_1", target_label="-2+3\r\n@x", environment="live", before={"name": 'a"b'}),
        event("member.create", 3, target_id="mem_1"),
        event("budget.delete", 4, MALLORY, is_denied=True, code="insufficient_scope"),
        event("budget.create", 5, organisation_id="org_other", target_id="bud_MARKER"),
    ):
        await world.storage.audit.add_event(one)
    world.first_number = kept.head.number + 1
    return headers


async def numbers(world: Any, auditor: dict[str, str], query: str) -> list[int]:
    reply = await world.get(f"/audit?{query}", auditor)
    assert reply.status_code == 200, reply.text
    return [row["number"] - world.first_number + 1 for row in reply.json()["data"] if row["number"] >= world.first_number]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [4, 3, 2, 1]),
        ("action=budget.*", [4, 2, 1]),
        ("action=budget.create", [1]),
        ("actor=key_m", [4, 2]),
        ("target=bud_1", [2, 1]),
        ("environment=live&action=budget.*", [2, 1]),
        ("denied=true", [4]),
        ("denied=false&action=budget.*", [2, 1]),
        ("since=2026-03-06T05:06:07.089Z&until=2026-03-07T07:06:07.089%2B02:00", [2]),
        ("until=2026-03-05T05:06:07.089Z", []),
        ("target=bud_MARKER", []),
    ],
)
async def test_filters_choose_what_they_say(world: Any, auditor: dict[str, str], query: str, expected: list[int]) -> None:
    assert await numbers(world, auditor, query) == expected


async def test_an_event_is_shown_with_all_that_its_hash_is_made_of(world: Any, auditor: dict[str, str]) -> None:
    (row,) = (await world.get("/audit?action=budget.update", auditor)).json()["data"]
    assert (row["at"], row["target_id"], row["before"], row["after"]) == ("2026-03-06T05:06:07.089Z", "bud_1", {"name": 'a"b'}, {})
    assert row["actor"]["address"] == "192.0.2.9"
    (before,) = [one for one in (await world.get("/audit", auditor)).json()["data"] if one["number"] == row["number"] - 1]
    assert row["previous"] == before["hash"]


async def test_pages_have_every_event_once(world: Any, auditor: dict[str, str]) -> None:
    found, cursor = [], ""
    while True:
        reply = (await world.get(f"/audit?limit=2{cursor}", auditor)).json()
        found += [row["number"] for row in reply["data"]]
        if reply["next_cursor"] is None:
            break
        cursor = f"&cursor={reply['next_cursor']}"
    assert found == list(range(world.first_number + 3, 0, -1))


async def test_a_csv_export_holds_no_formula_and_every_event(world: Any, auditor: dict[str, str]) -> None:
    reply = await world.get("/audit?format=csv&action=budget.*&limit=1", auditor)
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert reply.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    rows = list(csv.DictReader(io.StringIO(reply.text, newline="")))
    assert [row["action"] for row in rows] == ["budget.delete", "budget.update", "budget.create"]
    assert (rows[1]["user_agent"], rows[1]["trace_id"]) == ('\'=HYPERLINK("x")\x1b', "'+1")
    assert rows[1]["target_label"] == "'-2+3\r\n'@x"
    assert (rows[1]["before"], rows[0]["denied"], rows[0]["code"]) == ('{"name":"a\\"b"}', "true", "insufficient_scope")
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())


async def test_a_jsonl_export_has_what_the_api_shows(world: Any, auditor: dict[str, str]) -> None:
    reply = await world.get("/audit?format=jsonl", auditor)
    assert reply.headers["content-type"].startswith("application/jsonl")
    assert [json.loads(line) for line in reply.text.splitlines()] == (await world.get("/audit", auditor)).json()["data"]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
async def test_an_export_of_nothing_is_a_file(world: Any, auditor: dict[str, str], kind: str) -> None:
    reply = await world.get(f"/audit?format={kind}&action=no.thing", auditor)
    assert (reply.status_code, len(reply.text.splitlines())) == (200, 1 if kind == "csv" else 0)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("action=*", "action"),
        ("action=' OR 1=1", "action"),
        ("action[]=key.create", "action[]"),
        ("org_id=org_other", "org_id"),
        ("actor=%00", "actor"),
        ("target=a%20b", "target"),
        ("environment=x'y", "environment"),
        ("denied=perhaps", "denied"),
        ("since=yesterday", "since"),
        ("since=1772600767", "since"),
        ("until=2026-03-04T00:00:00", "until"),
        ("until=9999999d", "until"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("cursor=abc", "cursor"),
        ("cursor=0", "cursor"),
        ("cursor=99999999999999999999", "cursor"),
        ("format=xml", "format"),
        ("format=csv&action=*", "action"),
    ],
)
async def test_a_filter_that_is_not_understood_is_400_naming_it(world: Any, auditor: dict[str, str], query: str, param: str) -> None:
    reply = await world.get(f"/audit?{query}", auditor)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param), reply.text


async def test_only_who_may_manage_the_organisation_reads_the_log(world: Any, auditor: dict[str, str]) -> None:
    for scopes in (["admin:keys"], ["admin:billing", "admin:byok"], ["usage:read"]):
        _, headers = await world.make_key(scopes=scopes)
        assert (await world.get("/audit", headers)).status_code == 403
    _, headers = await world.make_key(scopes=["admin:*"])
    assert (await world.get("/audit", headers)).status_code == 200
    assert await numbers(world, auditor, "denied=true&action=audit.read") != []


async def test_nothing_can_be_written_or_deleted(world: Any, auditor: dict[str, str]) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert (await world.client.request(method, "/api/v1/audit", headers=auditor)).status_code == 405
