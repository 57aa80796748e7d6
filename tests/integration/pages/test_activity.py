"""The activity pages over a real gateway: what is listed, what every filter finds, what a broken link says, and who sees whose."""

import html
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from anyrouter.core.ledger import AttemptRecord, EntryState, LedgerEntry
from anyrouter.core.playground import playground_key_id
from anyrouter.core.tenancy import Member, Role
from anyrouter.core.usage import Usage, UsageSource
from support.dashboard import sign_in
from support.gateway import GatewayProcess
from support.generations import make_entry, settle

from .conftest import CONFIG, PROBE

PATH = "/dashboard/activity"
NOW_MS = time.time_ns() // 1_000_000
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
_ROW = re.compile(r'data-id="([^"]+)"')


def key_fields(key: dict[str, Any]) -> dict[str, Any]:
    return {"api_key_id": key["id"], "rotation_group": key["id"]}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path_factory.mktemp("pages"), config=CONFIG)
    yield process
    process.stop()
    assert "page failed" not in process.output, process.output


@pytest.fixture(scope="module")
def player(gateway: GatewayProcess) -> Member:
    """Somebody who uses the playground."""
    return sign_in(gateway.data_dir).member


@pytest.fixture(scope="module")
def entries(gateway: GatewayProcess, player: Member) -> dict[str, LedgerEntry]:
    """Generations by what is special about them; `old` is the oldest, and 60 plain ones are between it and the others."""
    environments = {row["slug"]: row["id"] for row in gateway.command("envs", "list")["data"]}
    made = gateway.command("keys", "create", "--name", f"Probe {PROBE}", "--env", "live")["data"]
    live = {"environment_id": environments["live"]}
    special: dict[str, dict[str, Any]] = {
        "plain": {},
        "sandbox": {"environment": "test", "environment_id": environments["test"], "cost_nanousd": 0, "shadow_cost_nanousd": 5_000_000},
        "keyed": key_fields(made),
        "model": {"model": "anthropic/claude", "provider": "anthropic", "upstream": "anthropic-eu"},
        "app": {"app_title": f"App {PROBE}"},
        "failed": {
            "state": EntryState.FAILED,
            "status": 429,
            "error_code": "upstream_rate_limited",
            "attempts": (
                AttemptRecord(upstream="azure", provider="azure", model="gpt", status=503, latency_ms=120, error="upstream_error"),
                AttemptRecord(
                    upstream="openai", provider="openai", model="gpt-4o", status=429, latency_ms=80, error="upstream_rate_limited"
                ),
            ),
        },
        "cancelled": {"state": EntryState.CANCELLED, "status": 499, "error_code": "client_closed_request"},
        "interrupted": {"state": EntryState.INTERRUPTED, "usage": Usage(input_tokens=9, source=UsageSource.ESTIMATED)},
        "streamed": {"is_streamed": True, "ttft_ms": 120},
        "dear": {"cost_nanousd": 1_500_000_000},
        "slow": {"latency_ms": 61_000},
        "played": {"api_key_id": playground_key_id(player.id), "rotation_group": playground_key_id(player.id)},
        "traced": {"trace_id": "trace-1", "upstream_id": "chatcmpl-77"},
    }
    found = {name: make_entry(NOW_MS - number * MINUTE_MS, **{**live, **more}) for number, (name, more) in enumerate(special.items())}
    filler = [make_entry(NOW_MS - HOUR_MS - number, **live) for number in range(60)]
    found["old"] = make_entry(NOW_MS - 5 * 24 * HOUR_MS, **live)
    elsewhere = make_entry(NOW_MS, organisation_id="org_elsewhere", model="secret/model")
    settle(gateway, [*found.values(), *filler, elsewhere])
    return {**found, "elsewhere": elsewhere}


@pytest.fixture(scope="module")
def reader(entries: dict[str, LedgerEntry], owner: httpx.Client, gateway: GatewayProcess) -> httpx.Client:
    """An owner who looks after all of it has happened; the gateway was started again, and listens elsewhere."""
    owner.base_url = httpx.URL(gateway.base_url)
    return owner


def list_ids(reply: httpx.Response) -> list[str]:
    assert reply.status_code == 200, reply.text
    return _ROW.findall(reply.text)


def test_all_generations_are_listed_newest_first_in_pages_of_fifty(reader: httpx.Client, entries: dict[str, LedgerEntry]):
    first = reader.get(PATH)
    assert list_ids(first)[:2] == [entries["plain"].generation_id, entries["sandbox"].generation_id]
    assert len(list_ids(first)) == 50
    link = re.search(r'href="([^"]+)" rel="next"', first.text)
    assert link is not None
    second = reader.get(html.unescape(link[1]))
    assert list_ids(second)[-1] == entries["old"].generation_id
    assert len({*list_ids(first), *list_ids(second)}) == 74
    assert 'rel="next"' not in second.text
    assert "First page" in second.text


FILTERS = {
    "environment=test": ["sandbox"],
    "model=anthropic/claude": ["model"],
    "provider=anthropic": ["model"],
    "upstream=anthropic-eu": ["model"],
    "status=errors": ["failed", "interrupted"],
    "status=cancelled": ["cancelled"],
    "status=interrupted": ["interrupted"],
    "error=upstream_rate_limited": ["failed"],
    "error=429": ["failed"],
    "streamed=yes": ["streamed"],
    "min_cost=1.5": ["dear"],
    "min_cost=$1.50": ["dear"],
    "min_latency=61000": ["slow"],
    "trace=trace-1": ["traced"],
    "id=chatcmpl-77": ["traced"],
    "status=ok&range=24h&min_latency=60000": ["slow"],
    "model=anthropic/claude&status=errors": [],
    "model=gpt-nothing": [],
}


@pytest.mark.parametrize("query", FILTERS)
def test_a_filter_finds_what_is_like_that(query: str, reader: httpx.Client, entries: dict[str, LedgerEntry]):
    reply = reader.get(f"{PATH}?{query}")
    assert list_ids(reply) == [entries[name].generation_id for name in FILTERS[query]]
    assert ("No generation is like that" in reply.text) == (not FILTERS[query])


def test_an_id_a_request_id_and_the_beginning_of_one_find_a_generation(reader: httpx.Client, entries: dict[str, LedgerEntry]):
    wanted = entries["slow"].generation_id
    for text in (wanted, wanted[:17], f"req-{wanted[4:]}", f" {wanted} "):
        assert list_ids(reader.get(PATH, params={"id": text})) == [wanted]


def test_a_key_is_found_by_its_name_its_label_and_its_id(reader: httpx.Client, entries: dict[str, LedgerEntry], gateway: GatewayProcess):
    key = next(row for row in gateway.command("keys", "list")["data"] if row["id"] == entries["keyed"].api_key_id)
    for text in (key["id"], key["name"], key["label"], "Probe"):
        assert list_ids(reader.get(PATH, params={"key": text})) == [entries["keyed"].generation_id], text


def test_a_key_that_is_gone_still_leads_to_what_it_did(reader: httpx.Client, entries: dict[str, LedgerEntry]):
    assert entries["plain"].generation_id in list_ids(reader.get(f"{PATH}?key=key_gone"))
    assert list_ids(reader.get(f"{PATH}?key=key_{'0' * 32}")) == []


def test_what_was_asked_in_the_playground_has_the_members_name(reader: httpx.Client, entries: dict[str, LedgerEntry], player: Member):
    played = entries["played"]
    reply = reader.get(PATH, params={"key": played.api_key_id})
    assert list_ids(reply) == [played.generation_id]
    text = reader.get(f"{PATH}/{played.generation_id}").text
    assert f"Playground: {player.name}" in html.unescape(text)
    assert f"/dashboard/keys/{played.api_key_id}" not in text


def test_times_bound_the_list_and_a_day_is_whole(reader: httpx.Client, entries: dict[str, LedgerEntry]):
    day = time.strftime("%Y-%m-%d", time.gmtime(entries["old"].created_at_ms / 1000))
    minute = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(entries["old"].created_at_ms / 1000))
    for query in (f"from={day}&to={day}", f"to={day}", f"from={minute}&to={minute}"):
        assert list_ids(reader.get(f"{PATH}?{query}")) == [entries["old"].generation_id], query
    assert entries["old"].generation_id not in list_ids(reader.get(f"{PATH}?range=90d&status=ok&min_latency=501"))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("before=nonsense", "the place where the page begins cannot be read"),
        ("before=12.nonsense", "the place where the page begins cannot be read"),
        ("before=99999999999999999999", "the place where the page begins cannot be read"),
        ("range=2y", "one of 15m, 1h"),
        ("status=odd", "one of ok, errors"),
        ("streamed=maybe", "one of yes, no"),
        ("min_cost=much", "an amount in USD is needed"),
        ("min_cost=1e-99999999", "nano-dollar"),
        ("min_latency=1.5", "a whole number of milliseconds"),
        ("min_latency=99999999999999999999", "a whole number of milliseconds"),
        ("from=yesterday", "a day or a minute of UTC"),
        ("from=2026-02-30", "a day or a minute of UTC"),
        ("from=2026-03-02&to=2026-03-01", "later than the end"),
        ("id=gen-1", "at least the first 16 characters"),
        ("id=%00%0a", "printable"),
        ("error=99999", "a status of HTTP"),
        ("environment=nowhere", "no such environment"),
        ("key=nobody", "no key of that name"),
        ("model=" + "x" * 250, "1 to 200 printable characters"),
        ("app=%00", "printable"),
    ],
)
def test_what_cannot_be_understood_is_explained_and_kept(query: str, said: str, reader: httpx.Client):
    reply = reader.get(f"{PATH}?{query}")
    assert reply.status_code == 400
    assert said.lower() in html.unescape(reply.text).lower()
    assert _ROW.findall(reply.text) == []


def test_empty_fields_of_the_form_are_not_left_in_the_address(reader: httpx.Client):
    reply = reader.get(f"{PATH}?id=&range=24h&model=&status=errors")
    assert (reply.status_code, reply.headers["location"]) == (303, f"{PATH}?range=24h&status=errors")


def test_what_clients_and_members_name_is_text(reader: httpx.Client, entries: dict[str, LedgerEntry]):
    for reply in (reader.get(PATH), reader.get(PATH, params={"app": f"App {PROBE}"}), reader.get(PATH, params={"model": PROBE})):
        assert reply.status_code == 200
        assert "<script>alert" not in reply.text
    text = html.unescape(reader.get(PATH, params={"app": f"App {PROBE}"}).text)
    assert f"App {PROBE}" in text
    assert list_ids(reader.get(PATH, params={"app": f"App {PROBE}"})) == [entries["app"].generation_id]


@pytest.mark.parametrize("role", list(Role))
def test_every_role_sees_the_organisations_generations(role: Role, browse: Callable[..., httpx.Client], reader: httpx.Client):
    assert len(list_ids(browse(role).get(PATH))) == 50


def test_another_organisation_sees_nothing_of_it(reader: httpx.Client, stranger: httpx.Client, entries: dict[str, LedgerEntry]):
    stranger.base_url = reader.base_url
    reply = stranger.get(PATH)
    assert "Nothing was asked yet" in reply.text
    for query in (f"id={entries['slow'].generation_id}", "id=chatcmpl-77", "trace=trace-1"):
        assert list_ids(stranger.get(f"{PATH}?{query}")) == []
    assert list_ids(stranger.get(PATH, params={"key": entries["keyed"].api_key_id})) == []


def test_new_lines_come_as_a_part_of_a_page_by_the_same_filters(reader: httpx.Client, entries: dict[str, LedgerEntry]):
    reply = reader.get(f"{PATH}/new?status=errors")
    assert list_ids(reply) == [entries["failed"].generation_id, entries["interrupted"].generation_id]
    assert "<html" not in reply.text
    assert reader.get(f"{PATH}/new?status=odd").status_code == 400
    newest = entries["plain"].created_at_ms
    assert len(list_ids(reader.get(f"{PATH}/new?after={newest}"))) == 11, "what began more than ten minutes before the newest is left out"
    assert list_ids(reader.get(f"{PATH}/new?after={newest + 20 * MINUTE_MS}")) == []
    assert reader.get(f"{PATH}/new?after=x").status_code == 400


def test_a_generation_has_its_attempts_its_cost_and_what_to_do(reader: httpx.Client, entries: dict[str, LedgerEntry]):
    entry = entries["failed"]
    reply = reader.get(f"{PATH}/{entry.generation_id}")
    assert reply.status_code == 200
    text = html.unescape(re.sub(r"<[^>]+>", " ", reply.text))
    for said in (entry.generation_id, "upstream_rate_limited", "Your account's at the provider", "What to do:", "Price now", "Total"):
        assert said in text, said
    assert "1. azure: 120 ms, upstream_error" in html.unescape(reply.text)
    assert "no prompts, no replies" in text
    assert entry.request_id in text


def test_a_generation_leads_to_its_key_its_trace_and_back(
    reader: httpx.Client, entries: dict[str, LedgerEntry], browse: Callable[..., httpx.Client]
):
    keyed = entries["keyed"]
    text = reader.get(f"{PATH}/{keyed.generation_id}").text
    assert f'href="/dashboard/keys/{keyed.api_key_id}"' in text
    assert f"Probe {PROBE}" in html.unescape(text)
    assert PROBE not in text
    for link in re.findall(r'href="(/dashboard/activity[^"]*)"', text):
        assert reader.get(html.unescape(link)).status_code == 200
    assert 'href="/dashboard/activity?trace=trace-1"' in reader.get(f"{PATH}/{entries['traced'].generation_id}").text
    for role in (Role.VIEWER, Role.BILLING, Role.DEVELOPER):
        seen = browse(role).get(f"{PATH}/{keyed.generation_id}")
        assert seen.status_code == 200
        assert f'href="/dashboard/keys/{keyed.api_key_id}"' not in seen.text, role


@pytest.mark.parametrize("name", ["plain", "sandbox", "app", "cancelled", "interrupted", "streamed", "dear", "slow"])
def test_every_generation_has_a_page(name: str, reader: httpx.Client, entries: dict[str, LedgerEntry]):
    reply = reader.get(f"{PATH}/{entries[name].generation_id}")
    assert reply.status_code == 200
    assert PROBE not in reply.text
    assert ("What to do:" in reply.text) == (name in {"cancelled", "interrupted"})


def test_the_providers_own_id_leads_to_the_generation(reader: httpx.Client, entries: dict[str, LedgerEntry]):
    assert entries["traced"].generation_id in reader.get(f"{PATH}/chatcmpl-77").text


def test_what_is_not_there_or_anothers_is_not_found(reader: httpx.Client, stranger: httpx.Client, entries: dict[str, LedgerEntry]):
    stranger.base_url = reader.base_url
    assert stranger.get(f"{PATH}/{entries['plain'].generation_id}").status_code == 404
    assert stranger.get(f"{PATH}/chatcmpl-77").status_code == 404
    whole = entries["plain"].generation_id
    for text in (
        entries["elsewhere"].generation_id,
        whole[:-1],
        whole[:16],
        "gen-",
        "x",
        "%00",
        "a%20b",
        "%ff",
        "x" * 300,
        "gen-" + "~" * 90,
    ):
        reply = reader.get(f"{PATH}/{text}")
        assert reply.status_code == 404, text
        assert "no generation of this id" in reply.text
