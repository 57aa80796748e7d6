"""What a soak finds: its plan is the same for a seed, and each disagreement with the ledger is a defect."""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from bench.soak import Report, compare
from bench.soak_client import ANSWERED, BROKEN, HUNG, INVALID, LEFT, REFUSED, Heard
from bench.soak_plan import FAULT_SHARE, draw

HEARD = {
    0: Heard(number=0, how=ANSWERED, status=200, generation_id="gen-0"),
    1: Heard(number=1, how=REFUSED, status=502, generation_id="gen-1", is_asked=True, note="upstream_error"),
    2: Heard(number=2, how=BROKEN, status=200, generation_id="gen-2"),
    3: Heard(number=3, how=LEFT),
    4: Heard(number=4, how=REFUSED, status=503, generation_id="gen-4", note="no_healthy_upstream"),
}
ROWS = [
    ("soak-0", "gen-0", "settled", 200),
    ("soak-1", "gen-1", "failed", 502),
    ("soak-2", "gen-2", "failed", 200),
    ("soak-3", "gen-3", "cancelled", 499),
]
RECEIVED = Counter({0: 1, 1: 2, 2: 1, 3: 1})


@pytest.fixture
def find(tmp_path: Path) -> Callable[..., list[str]]:
    def find(rows: list[tuple[str, str, str, int]], heard: dict[int, Heard] = HEARD, summed: int | None = None) -> list[str]:
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as database, database:
            database.execute("CREATE TABLE ledger (trace_id, generation_id, state, status, attempts)")
            database.execute("CREATE TABLE usage_daily (requests)")
            database.executemany("INSERT INTO ledger VALUES (?, ?, ?, ?, ?)", [(*row, json.dumps([{}])) for row in rows])
            database.execute("INSERT INTO usage_daily VALUES (?)", (len(rows) if summed is None else summed,))
        report = Report(requests=5)
        compare(report, tmp_path / "ledger.db", heard, RECEIVED)
        return report.defects

    return find


def test_a_ledger_that_agrees_has_no_defect(find: Callable[..., list[str]]) -> None:
    assert find(ROWS) == []


@pytest.mark.parametrize(
    ("rows", "defect"),
    [
        (ROWS[1:], "asked of an upstream, and no entry"),
        (ROWS[:3], "asked of an upstream, and no entry"),
        ([*ROWS, ROWS[0]], "entries more than one for a request"),
        ([*ROWS, ("soak-9", "gen-9", "settled", 200)], "entries of nobody"),
        ([("soak-0", "gen-0", "failed", 502), *ROWS[1:]], "entries that say other than the client heard"),
        ([("soak-0", "gen-x", "settled", 200), *ROWS[1:]], "entries that say other than the client heard"),
        ([ROWS[0], ("soak-1", "gen-1", "failed", 503), *ROWS[2:]], "entries that say other than the client heard"),
        ([*ROWS[:3], ("soak-3", "gen-3", "interrupted", 500)], "entries that say other than the client heard"),
    ],
)
def test_a_ledger_that_lost_doubled_or_changed_an_entry_is_found_out(
    find: Callable[..., list[str]], rows: list[tuple[str, str, str, int]], defect: str
) -> None:
    assert any(defect in found for found in find(rows))


@pytest.mark.parametrize(
    ("one", "defect"),
    [
        (Heard(number=0, how=HUNG), "hung"),
        (Heard(number=0, how=INVALID, note="x"), "not as the contract says"),
        (Heard(number=0, how=REFUSED, status=500, generation_id="gen-0", note="internal_error"), "errors of the gateway's own"),
        (None, "requests unheard of"),
    ],
)
def test_what_a_client_may_not_hear_is_found_out(find: Callable[..., list[str]], one: Heard | None, defect: str) -> None:
    heard = {number: was for number, was in HEARD.items() if number} | ({} if one is None else {0: one})
    assert any(defect in found for found in find(ROWS, heard))


def test_entries_that_the_sums_by_day_do_not_have_are_found_out(find: Callable[..., list[str]]) -> None:
    assert any("sums by day" in found for found in find(ROWS, HEARD, 3))


def test_a_seed_draws_the_same_requests_and_a_fifth_of_them_have_a_fault() -> None:
    plan = list(draw(3, 5000))
    assert plan[:100] == list(draw(3, 100))
    assert plan[:100] != list(draw(4, 100))
    share = sum(planned.kind not in {"good", "slow"} for planned in plan) / len(plan)
    assert share == pytest.approx(FAULT_SHARE, abs=0.02)
