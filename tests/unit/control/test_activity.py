from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from anyrouter.control.activity import parse_activity
from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import ClientError

TODAY = date(2026, 11, 24)


def make_key(*scopes: str) -> ApiKey:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    return ApiKey(
        id="key_1",
        organisation_id="org_a",
        environment_id="env_live",
        environment="live",
        name="n",
        label="ar-live-MARKER",
        digest=b"",
        pepper_version=1,
        rotation_group="group_1",
        scopes=frozenset(scopes),
        created_at=now,
        updated_at=now,
    )


def test_a_key_reads_its_rotation_group_and_thirty_days_by_default() -> None:
    query = parse_activity(make_key("usage:read"), TODAY)
    assert (query.organisation_id, query.environment_id, query.rotation_group) == ("org_a", "env_live", "group_1")
    assert (query.date_from, query.date_to) == (date(2026, 10, 26), TODAY)
    assert query.group_by == ("date", "model", "provider")


def test_an_admin_key_reads_its_whole_organisation() -> None:
    query = parse_activity(make_key("usage:read", "admin:billing"), TODAY)
    assert (query.organisation_id, query.environment_id, query.rotation_group) == ("org_a", None, None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["key"], ("key",)),
        (["model,date"], ("date", "model")),
        (["model", "date", "model"], ("date", "model")),
        (["date, environment"], ("date", "environment")),
        ([], ("date", "model", "provider")),
    ],
)
def test_groups_are_names_or_lists_of_names(given: list[str], expected: tuple[str, ...]) -> None:
    assert parse_activity(make_key("usage:read"), TODAY, group_by=given).group_by == expected


@pytest.mark.parametrize(
    ("param", "arguments"),
    [
        ("group_by", {"group_by": ["minute"]}),
        ("group_by", {"group_by": ["trace"]}),  # without the one that is meant
        ("from", {"group_by": ["hour"], "date_from": "2026-10-01"}),
        ("from", {"filters": {"app": "a"}, "date_from": "2026-10-01"}),
        ("key", {"filters": {"key": "key_1"}}),
        ("key", {"filters": {"key": "*"}}),
        ("model", {"filters": {"model": ""}}),
        ("tag", {"filters": {"tag": "x" * 201}}),
        ("trace", {"filters": {"trace": "a\0b"}}),
        ("group_by", {"group_by": ["*"]}),
        ("group_by", {"group_by": [""]}),
        ("group_by", {"group_by": ["date,"]}),
        ("group_by", {"group_by": ["date;drop table ledger"]}),
        ("group_by", {"group_by": ["Date"]}),
        ("group_by", {"group_by": ["date," * 100_000]}),
        ("from", {"date_from": "2026-02-30"}),
        ("from", {"date_from": "26-01-01"}),
        ("from", {"date_from": "20260101"}),
        ("from", {"date_from": "2026-W01-1"}),
        ("from", {"date_from": "yesterday"}),
        ("from", {"date_from": "2026-01-01' OR 1=1--"}),
        ("from", {"date_from": "1999-12-31"}),
        ("from", {"date_from": "2026-11-25"}),
        ("from", {"date_from": "2025-01-01"}),
        ("to", {"date_to": "0000-01-01"}),
        ("to", {"date_to": "٢٠٢٦-01-01"}),
        ("to", {"date_to": "1700000000"}),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_parameter(param: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as refusal:
        parse_activity(make_key("usage:read"), TODAY, **arguments)
    assert (refusal.value.denied.code, refusal.value.denied.param) == ("invalid_parameter", param)


def test_a_year_and_a_bit_can_be_asked_for_at_once() -> None:
    earliest = TODAY - timedelta(days=399)
    assert parse_activity(make_key("usage:read"), TODAY, date_from=earliest.isoformat()).date_from == earliest
