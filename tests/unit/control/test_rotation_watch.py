"""How far a rotation's traffic has moved, by what is on record of its keys."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from anyrouter.control.rotation_watch import MoveStage, find_stage, find_successor, is_in_use
from anyrouter.core.apikey import ApiKey
from anyrouter.core.scopes import DEFAULT_SCOPES

NOW = datetime(2030, 1, 2, 12, tzinfo=UTC)
KEY = ApiKey(
    id="key_1",
    organisation_id="org",
    environment_id="env",
    environment="live",
    name="backend",
    label="ar-live-Ab3dE6",
    digest=b"",
    pepper_version=1,
    rotation_group="key_1",
    scopes=frozenset(DEFAULT_SCOPES),
    created_at=NOW - timedelta(days=30),
    updated_at=NOW - timedelta(days=1),
)


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


@pytest.mark.parametrize(
    ("old", "new", "stage"),
    [
        ({}, {}, MoveStage.WAITING),
        ({"last_used_at": ago(seconds=1)}, {}, MoveStage.WAITING),
        ({"last_used_at": ago(minutes=14)}, {"last_used_at": ago(seconds=1)}, MoveStage.MOVING),
        ({"last_used_at": ago(minutes=15)}, {"last_used_at": ago(seconds=1)}, MoveStage.QUIET),
        ({"last_used_at": ago(hours=23, minutes=59)}, {"last_used_at": ago(days=9)}, MoveStage.QUIET),
        ({"last_used_at": ago(hours=24)}, {"last_used_at": ago(seconds=1)}, MoveStage.SILENT),
        ({}, {"last_used_at": ago(seconds=1)}, MoveStage.SILENT),
        ({"expires_at": NOW, "last_used_at": ago(seconds=1)}, {}, MoveStage.ENDED),
        ({"is_disabled": True}, {"last_used_at": ago(seconds=1)}, MoveStage.ENDED),
        ({"deleted_at": ago(seconds=1)}, {}, MoveStage.ENDED),
        ({"expires_at": NOW + timedelta(seconds=1), "last_used_at": ago(seconds=1)}, {"last_used_at": NOW}, MoveStage.MOVING),
    ],
)
def test_the_stage_follows_from_the_last_uses(old: dict[str, object], new: dict[str, object], stage: MoveStage) -> None:
    assert find_stage(replace(KEY, **old), replace(KEY, id="key_2", **new), NOW) is stage  # type: ignore[arg-type]


def test_the_successor_is_found_over_several_rotations() -> None:
    first, second, third = replace(KEY, superseded_by="key_2"), replace(KEY, id="key_2", superseded_by="key_3"), replace(KEY, id="key_3")
    assert find_successor(first, [first, second, third]) is third
    assert find_successor(third, [first, second, third]) is third
    assert find_successor(first, [first, second]) is second


def test_a_circle_of_successors_ends() -> None:
    one, other = replace(KEY, superseded_by="key_2"), replace(KEY, id="key_2", superseded_by="key_1")
    assert find_successor(one, [one, other]) is other


@pytest.mark.parametrize(
    ("key", "is_used"),
    [
        ({}, False),
        ({"last_used_at": ago(hours=23)}, True),
        ({"last_used_at": ago(hours=24)}, False),
        ({"last_used_at": ago(hours=1), "is_disabled": True}, False),
        ({"last_used_at": ago(hours=1), "expires_at": NOW}, False),
    ],
)
def test_a_key_is_in_use_while_somebody_would_miss_it(key: dict[str, object], is_used: bool) -> None:
    assert is_in_use(replace(KEY, **key), NOW) is is_used  # type: ignore[arg-type]
