"""What a question costs with a million entries is decided by the index that it walks."""

from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from anyrouter.control.ports import ActivityFilter
from anyrouter.control.usage_reader import Span, Split, UsageFilter
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.storage.database import Database
from anyrouter.storage.sql_keys import SqlKeyStore
from anyrouter.storage.sql_ledger import SqlLedgerReader
from anyrouter.storage.sql_usage import SqlUsageReader

ORG = DEFAULT_ORGANISATION_ID
Ask = Callable[[Database], Awaitable[object]]


@pytest.fixture
def asked(database: Database) -> Iterator[list[tuple[str, object]]]:
    """Statements and parameters as the driver gets them."""
    statements: list[tuple[str, object]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_rest: object) -> None:
        statements.append((statement, parameters))

    sa.event.listen(database._read_engine, "before_cursor_execute", note)
    yield statements
    sa.event.remove(database._read_engine, "before_cursor_execute", note)


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (
            lambda database: SqlLedgerReader(database).find_entry(ORG, "env", "msg_1"),
            [
                "SEARCH ledger USING INDEX sqlite_autoindex_ledger_1 (generation_id=?)",
                "SEARCH ledger USING INDEX ix_ledger_upstream_id (upstream_id=?)",
            ],
        ),
        (
            lambda database: SqlLedgerReader(database).list_entries(ORG),
            [
                "SEARCH ledger USING INDEX ix_ledger_organisation_id_created (organisation_id=?)",
            ],
        ),
        (
            lambda database: SqlLedgerReader(database).read_activity(ActivityFilter(organisation_id=ORG)),
            ["SEARCH usage_daily USING INDEX sqlite_autoindex_usage_daily_1 (organisation_id=?)"],
        ),
        (
            lambda database: SqlLedgerReader(database).read_totals(ORG, ["a", "b"], datetime(2026, 1, 1, tzinfo=UTC)),
            [
                "SEARCH usage_daily USING COVERING INDEX ix_usage_daily_rotation_group (organisation_id=? AND rotation_group=? AND day>?)",
                "SEARCH usage_daily USING COVERING INDEX ix_usage_daily_rotation_group (organisation_id=? AND rotation_group=?)",
            ],
        ),
        (
            lambda database: SqlLedgerReader(database).read_organisation_cost(ORG),
            ["SEARCH usage_daily USING COVERING INDEX ix_usage_daily_rotation_group (organisation_id=?)"],
        ),
        (
            lambda database: SqlKeyStore(database, pepper_version=1, on_change=print).find_by_digest([b"1", b"2"]),
            ["SEARCH api_keys USING INDEX ix_api_keys_digest (digest=?)"],
        ),
        (
            lambda database: SqlKeyStore(database, pepper_version=1, on_change=print).list_keys(ORG, environment="live"),
            [
                "SEARCH api_keys USING INDEX ix_api_keys_organisation_id_environment_created (organisation_id=? AND environment=?)",
            ],
        ),
        (
            lambda database: SqlKeyStore(database, pepper_version=1, on_change=print).list_waiting(),
            ["SEARCH api_keys USING INDEX ix_api_keys_grace_s (grace_s>?)"],
        ),
    ],
    ids=["generation", "entries", "activity", "totals", "organisation cost", "digest", "keys", "waiting keys"],
)
async def test_each_question_has_its_index(database: Database, asked: list[tuple[str, object]], ask: Ask, expected: list[str]):
    await ask(database)
    plans = await explain(database, asked)
    assert [plan for plan in plans if plan.startswith(("SEARCH", "SCAN")) or "GROUP BY" in plan] == expected


async def test_keys_are_ranked_by_an_index_alone_however_long_they_are_used(database: Database, asked: list[tuple[str, object]]):
    span = Span(first=0, end=720)
    await SqlUsageReader(database).read_usage(UsageFilter(organisation_id=ORG, span=span, by_time=False, split=Split.KEY))
    index = "SEARCH usage_daily USING COVERING INDEX ix_usage_daily_rotation_group"
    plans = await explain(database, asked)
    assert f"{index} (organisation_id=? AND rotation_group=? AND day>? AND day<?)" in plans
    assert all(plan.startswith(index) for plan in plans if "usage_daily" in plan)


async def test_latencies_of_keys_are_found_one_by_one(database: Database, asked: list[tuple[str, object]]):
    span = Span(first=0, end=720)
    query = UsageFilter(organisation_id=ORG, span=span, by_time=False, split=Split.KEY, only=("a", "b"))
    await SqlUsageReader(database).read_latencies(query)
    wanted = "SEARCH client_latencies USING PRIMARY KEY (unit=? AND number=? AND organisation_id=? AND split=? AND value=?)"
    assert [plan for plan in await explain(database, asked) if "client_latencies" in plan] == [wanted]


async def explain(database: Database, asked: list[tuple[str, object]]) -> list[str]:
    """The plans of what was read."""
    questions = [(statement, parameters) for statement, parameters in asked if statement.startswith(("SELECT", "WITH"))]

    def read(connection: sa.Connection) -> list[str]:
        return [
            row[-1].replace(" TABLE ", " ")  # as older versions of SQLite put it
            for statement, parameters in questions
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]

    return await database.read(read)
