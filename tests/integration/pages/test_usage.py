"""The usage page over a real gateway: its numbers are the API's, every role sees them, and no name that a client gives breaks it."""

import csv
import html
import io
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from anyrouter.core.ledger import EntryState
from anyrouter.core.tenancy import Role
from support.gateway import GatewayProcess
from support.usage_entries import make_usage_entry, record

from .conftest import PROBE

PATH = "/dashboard/usage"
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
FORMULA = "=HYPERLINK(1)"
MODELS = ("openai/gpt-4o", "anthropic/claude", "mistral/small")


@pytest.fixture(scope="module")
def keys(gateway: GatewayProcess) -> list[str]:
    """The ids of three keys, the first of a name that must not be markup."""
    names = (PROBE, "reports", "spare")
    created = [gateway.command("keys", "create", "--name", name, "--env", "live") for name in names]
    return [str(row["data"]["id"]) for row in created]


@pytest.fixture(scope="module")
def used(gateway: GatewayProcess, keys: list[str]) -> int:
    """Some hundred entries of the last 40 days; the time (ms) when they end."""
    now_ms = time.time_ns() // 1_000_000
    apps = (None, PROBE, FORMULA, "editor")
    entries = [
        make_usage_entry(
            now_ms - number * 7 * HOUR_MS - 60_000,
            api_key_id=keys[number % 2],
            model=MODELS[number % 3],
            provider=("openai", "anthropic", "mistral")[number % 3],
            app_title=apps[number % 4],
            state=EntryState.FAILED if number % 10 == 0 else EntryState.SETTLED,
            cost_nanousd=1_000_000_000 + number * 1_234_567,
        )
        for number in range(137)
    ]
    record(gateway.data_dir, entries)
    return now_ms


@pytest.fixture(scope="module")
def admin_key(gateway: GatewayProcess) -> str:
    """Sees the whole organisation over the API."""
    return gateway.create_key("--scope", "admin:org", "--scope", "usage:read")


@pytest.fixture
def ask_api(gateway: GatewayProcess, admin_key: str) -> Callable[..., list[dict[str, Any]]]:
    def ask(group_by: str, **parameters: str) -> list[dict[str, Any]]:
        reply = httpx.get(
            f"{gateway.base_url}/api/v1/activity",
            params={"group_by": group_by, **parameters},
            headers={"authorization": f"Bearer {admin_key}"},
        )
        assert reply.status_code == 200, reply.text
        return list(reply.json()["data"])

    return ask


def read_csv(client: httpx.Client, query: str) -> list[dict[str, str]]:
    reply = client.get(f"{PATH}.csv?{query}")
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(reply.text)))


def said(reply: httpx.Response) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", reply.text)).split())


def text_of(usd: float) -> str:
    return f"${Decimal(repr(usd)).quantize(Decimal('0.01')):,}"


@pytest.mark.usefixtures("used")
@pytest.mark.parametrize(
    ("split", "group", "column"),
    [
        ("model", "model", "model"),
        ("provider", "provider", "provider_name"),
        ("app", "app", "app"),
        ("environment", "environment", "environment"),
    ],
)
def test_the_numbers_of_a_split_are_those_of_the_api(
    owner: httpx.Client, ask_api: Callable[..., list[dict[str, Any]]], split: str, group: str, column: str
) -> None:
    rows = ask_api(group)
    page = said(owner.get(f"{PATH}?by={split}"))
    assert len(rows) > 0
    for row in rows:
        name = row[column] or "No app named"
        share = f"{100 * row['usage'] / sum(one['usage'] for one in rows):.0f} %" if len(rows) > 1 else "100 %"
        assert f"{name} {text_of(row['usage'])} {share}" in page
    assert f" {len(rows)} {split if len(rows) == 1 else f'{split}s'} in this time" in page
    total = sum(row["requests"] for row in rows)
    assert f"Requests {total}" in page
    assert f"Spend {text_of(sum(row['usage'] for row in rows))}" in page


@pytest.mark.usefixtures("used")
def test_the_csv_has_the_numbers_of_the_api_day_by_day(owner: httpx.Client, ask_api: Callable[..., list[dict[str, Any]]]) -> None:
    wanted = {
        (row["date"], row["model"]): (
            row["requests"],
            row["errors"],
            row["prompt_tokens"],
            row["cached_tokens"],
            Decimal(repr(row["usage"])),
        )
        for row in ask_api("date,model")
    }
    found = {
        (row["day"], row["model"]): (
            int(row["requests"]),
            int(row["errors"]),
            int(row["input_tokens"]),
            int(row["cache_read_tokens"]),
            Decimal(row["cost_usd"]),
        )
        for row in read_csv(owner, "range=30d")
    }
    assert found == wanted
    assert len(found) > 60


@pytest.mark.usefixtures("used")
def test_a_spreadsheet_runs_nothing_that_a_client_has_named(owner: httpx.Client) -> None:
    apps = {row["app"] for row in read_csv(owner, "by=app")}
    assert apps == {"", PROBE, f"'{FORMULA}", "editor"}


@pytest.mark.usefixtures("used")
def test_keys_are_told_by_name_and_by_the_hour(owner: httpx.Client, keys: list[str]) -> None:
    rows = read_csv(owner, "range=24h&by=key")
    assert {row["key_name"] for row in rows} == {PROBE, "reports"}
    assert {row["key_id"] for row in rows} == set(keys[:2])
    assert all(row["hour"].endswith(":00+00:00") for row in rows)
    local = read_csv(owner, "range=24h&by=key&zone=Asia/Kolkata")
    assert [row["hour"][-6:] for row in local] == ["+05:30"] * len(rows)
    assert [datetime.fromisoformat(row["hour"]) for row in local] == [datetime.fromisoformat(row["hour"]) for row in rows]


def test_days_of_another_zone_hold_the_hours_that_begin_in_them(owner: httpx.Client, used: int) -> None:
    zone = timedelta(hours=9)  # Asia/Tokyo
    days: dict[str, int] = {}
    for number in range(137):
        local = datetime.fromtimestamp((used - number * 7 * HOUR_MS - 60_000) / 1000, UTC) + zone
        days[local.date().isoformat()] = days.get(local.date().isoformat(), 0) + 1
    rows = read_csv(owner, "range=30d&by=none&zone=Asia/Tokyo")
    assert len(rows) >= 29
    assert {row["day"]: int(row["requests"]) for row in rows} == {row["day"]: days[row["day"]] for row in rows}


@pytest.mark.usefixtures("used")
def test_a_filter_is_a_chip_and_narrows_everything(
    owner: httpx.Client, ask_api: Callable[..., list[dict[str, Any]]], keys: list[str]
) -> None:
    reply = owner.get(PATH, params={"key": keys[0], "model": MODELS[0], "by": "app"})
    (row,) = ask_api("model", key=keys[0], model=MODELS[0])
    page = said(reply)
    assert f"Key: {PROBE}" in page
    assert f"Model: {MODELS[0]}" in page
    assert f"Spend {text_of(row['usage'])}" in page
    assert f'href="{PATH}?by=app&amp;model=openai%2Fgpt-4o"' in reply.text
    assert PROBE not in reply.text
    assert "Nothing was used in this time" in said(owner.get(f"{PATH}?model=no/such"))


@pytest.mark.usefixtures("used")
def test_drilling_down_leads_from_a_model_to_its_keys(owner: httpx.Client) -> None:
    reply = owner.get(f"{PATH}?range=7d")
    link = re.search(r'<th scope="row"><a href="([^"]+)">anthropic/claude</a>', reply.text)
    assert link is not None
    address = html.unescape(link[1])
    assert address == f"{PATH}?range=7d&by=key&model=anthropic%2Fclaude"
    assert "reports ar-live-" in said(owner.get(address))


@pytest.mark.usefixtures("used")
def test_latencies_are_told_of_models_of_keys_and_of_apps(owner: httpx.Client, keys: list[str]) -> None:
    page = said(owner.get(f"{PATH}?measure=latency"))
    times = re.search(r"Latency (\d+) ms for half, (\d+) ms for 95 %", page)
    assert times is not None
    assert all(700 <= int(text) <= 900 for text in times.groups())  # all took 800 ms
    rows = re.findall(r"anthropic/claude \S+ \d+ [^a-z]*?(\d+) ms (\d+) ms (\d+) ms (\d+) ms", page)
    assert len(rows) == 1
    assert all(160 <= int(text) <= 240 for text in rows[0][2:])
    for by, name in (("key", r"reports ar-live-\w+, live"), ("app", "editor")):
        page = said(owner.get(f"{PATH}?measure=ttft&by={by}"))
        (row,) = re.findall(name + r" \S+ \d+ [^a-z]*?(\d+) ms (\d+) ms (\d+) ms (\d+) ms", page)
        assert all(700 <= int(text) <= 900 for text in row[:2])
        assert all(160 <= int(text) <= 240 for text in row[2:])
    of_key = said(owner.get(f"{PATH}?measure=latency&key={keys[1]}"))
    assert re.search(r"\d ms for half", of_key)
    assert "With this filter it is not known by model: this is all together." in of_key
    hidden = said(owner.get(f"{PATH}?measure=latency&key={keys[1]}&app=editor"))
    assert "Take one of the filters away to see it." in hidden
    assert not re.search(r"\d ms for half", hidden)


@pytest.mark.usefixtures("used")
@pytest.mark.parametrize("by", ["none", "model", "key", "app"])
def test_the_csv_has_percentiles_where_requests_were_answered(owner: httpx.Client, by: str) -> None:
    rows = read_csv(owner, f"range=30d&by={by}")
    answered = [row for row in rows if int(row["requests"]) > int(row["errors"])]
    assert len(answered) > 20
    assert all(640 <= int(row["latency_p50_ms"]) <= 820 and 160 <= int(row["ttft_p95_ms"]) <= 240 for row in answered)
    assert {row["latency_p95_ms"] for row in rows if row not in answered} <= {""}


def test_the_csv_leaves_percentiles_empty_that_are_not_known(owner: httpx.Client, keys: list[str], used: int) -> None:
    rows = read_csv(owner, f"range=30d&by=model&key={keys[0]}")
    assert used
    assert {(row["latency_p50_ms"], row["ttft_p95_ms"]) for row in rows} == {("", "")}


@pytest.mark.usefixtures("used")
def test_what_apps_and_keys_are_called_is_only_text(owner: httpx.Client) -> None:
    for query in ("by=app", "by=key", "by=app&measure=requests", f"by=key&app={httpx.QueryParams({'a': PROBE})!s}"[2:]):
        reply = owner.get(f"{PATH}?{query}")
        assert reply.status_code == 200
        assert PROBE not in reply.text
    assert PROBE in said(owner.get(f"{PATH}?by=app"))


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.usefixtures("used")
def test_every_role_reads_usage(browse: Callable[..., httpx.Client], role: Role) -> None:
    client = browse(role)
    assert client.get(PATH).status_code == 200
    assert client.get(f"{PATH}.csv").status_code == 200


@pytest.mark.usefixtures("used")
def test_another_organisation_sees_nothing_of_it(stranger: httpx.Client, keys: list[str]) -> None:
    for query in ("", f"?key={keys[0]}", "?by=key", "?by=app"):
        page = stranger.get(f"{PATH}{query}")
        assert page.status_code == 200
        assert "Nothing was used in this time" in page.text
        assert "reports" not in page.text
    assert read_csv(stranger, f"by=key&key={keys[0]}") == []


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("from=2026-13-01", "A day is needed, as YYYY-MM-DD."),
        ("from=2026-11-20&to=2026-11-01", "It is later than the last day."),
        ("from=2020-01-01&to=2026-11-01", "At most 400 days can be shown at once."),
        ("range=year", "One of 24h, 7d, 30d, 90d, month, custom is needed."),
        ("zone=Mars/Olympus", "There is no such time zone"),
        ("zone=../../etc/passwd", "There is no such time zone"),
    ],
)
def test_days_that_make_no_sense_are_said_above_the_last_30(owner: httpx.Client, query: str, words: str) -> None:
    reply = owner.get(f"{PATH}?{query}")
    assert reply.status_code == 400
    assert words in said(reply)
    assert "Spend" in said(reply)
    assert owner.get(f"{PATH}.csv?{query}").status_code == 400


@pytest.mark.parametrize(
    "query", ["by=colour", "measure=joy", "sort=up", "page=0", "page=x", "compare=maybe", "model=" + "m" * 201, "app=%00", "by=key&by=%ff"]
)
def test_what_the_page_does_not_know_is_refused_and_named(owner: httpx.Client, query: str) -> None:
    reply = owner.get(f"{PATH}?{query}")
    assert reply.status_code == 400
    assert "Status 400" in said(reply)


@pytest.mark.usefixtures("used")
@pytest.mark.parametrize("sort", ["cost", "-cost", "requests", "-errors", "input", "output", "-cache", "change", "name", "-name"])
@pytest.mark.parametrize("split", ["key", "model"])
def test_every_column_sorts(owner: httpx.Client, split: str, sort: str) -> None:
    reply = owner.get(f"{PATH}?by={split}&sort={sort}")
    assert reply.status_code == 200
    assert len(re.findall(r'<th scope="row"><a href="/dashboard/usage', reply.text)) == (2 if split == "key" else 3)


@pytest.mark.usefixtures("used")
def test_a_page_beyond_the_last_is_empty_and_leads_back(owner: httpx.Client) -> None:
    reply = owner.get(f"{PATH}?page=9")
    assert reply.status_code == 200
    assert "First page" in reply.text


def test_a_request_shows_up_with_how_long_it_took(gateway: GatewayProcess, owner: httpx.Client) -> None:
    reply = httpx.post(
        f"{gateway.base_url}/api/v1/chat/completions",
        json={"model": "sandbox/echo", "messages": [{"role": "user", "content": "Hi"}], "stream": True},
        headers={"authorization": f"Bearer {gateway.first_key}", "x-title": "a client"},
    )
    assert reply.status_code == 200, reply.text
    deadline = time.monotonic() + 10
    while "a client" not in (page := said(owner.get(f"{PATH}?range=24h&by=app&environment=test"))):
        assert time.monotonic() < deadline, page
        time.sleep(0.1)
    assert "a client $0.00" in page
    page = said(owner.get(f"{PATH}?range=24h&environment=test&measure=ttft"))
    assert re.search(r"sandbox/echo \S+ 1 0 \d+ ms \d+ ms \d+ ms \d+ ms", page), page
    assert "Requests 1" in page


def test_who_is_not_signed_in_sees_nothing(gateway: GatewayProcess) -> None:
    reply = httpx.get(f"{gateway.base_url}{PATH}.csv?by=key")
    assert reply.status_code == 303
    assert reply.headers["location"] == "/login?next=%2Fdashboard%2Fusage.csv%3Fby%3Dkey"
