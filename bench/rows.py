"""How long the reading pages take when the ledger has very many rows."""

import http.client
import json
import shutil
import sqlite3
import subprocess
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from statistics import median

from anyrouter.core.latency import BOUNDS, find_bucket
from anyrouter.storage.usage_model_rows import LATENCY_COLUMNS
from bench.bodies import chat_body
from bench.gateway import PROGRAM
from bench.lineup import Bench
from bench.processes import BenchError, Launch, clean_environment, running, wait_for_answer
from bench.results import GATEWAY

PAGES = {
    "usage by day, model and provider": "/api/v1/activity",
    "usage by key and environment": "/api/v1/activity?group_by=key&group_by=environment",
    "usage by hour": "/api/v1/activity?group_by=hour",
    "usage by day and app": "/api/v1/activity?group_by=date,app",
    "a key with its totals": "/api/v1/key",
}
KEY_LIST = "list of keys (command line, what the rows add)"
READINGS = 20
LISTINGS = 9
DAYS = 30


def measure_rows(bench: Bench) -> None:
    """The pages read over HTTP, and the list of keys by the command line, with `Plan.ledger_rows` entries of the last 30 days."""
    document, wanted = bench.document, bench.plan.ledger_rows
    with bench.upstream(is_streaming=False) as upstream:
        launch = bench.entrants[GATEWAY](upstream.port, bench.workplace(GATEWAY), is_streaming=False)
        serve(bench, launch, {})
        if launch.ledger is None:
            raise BenchError(f"{launch.name} has no ledger")
        small = bench.workplace("small ledger") / "data"
        shutil.copytree(launch.ledger.parent, small)
        fill(launch.ledger, wanted)
        document.ledger_rows = wanted
        serve(bench, launch, document.pages_ms)
        pairs = [(list_keys_ms(small), list_keys_ms(launch.ledger.parent)) for _ in range(LISTINGS)]
    document.pages_ms[KEY_LIST] = [max(0.0, many - few) for few, many in pairs]
    for page, readings in document.pages_ms.items():
        bench.log(f"rows: {page}: {median(readings):.1f} ms, {max(readings):.1f} at most")


def serve(bench: Bench, launch: Launch, readings: dict[str, list[float]]) -> None:
    """Start the gateway, let it answer once, and read every page `READINGS` times."""
    with running(launch, bench.cores.measured, bench.workplace(launch.name) / "log") as process:
        wait_for_answer(launch, process, chat_body(300, launch.model))
        connection = http.client.HTTPConnection("127.0.0.1", launch.port, timeout=60)
        for page, path in PAGES.items():
            readings[page] = [read_ms(connection, path, launch) for _ in range(READINGS)]
        connection.close()


def read_ms(connection: http.client.HTTPConnection, path: str, launch: Launch) -> float:
    begun = time.perf_counter()
    connection.request("GET", path, headers=dict(launch.headers))
    response = connection.getresponse()
    body = response.read()
    took = (time.perf_counter() - begun) * 1000
    if response.status != 200:
        raise BenchError(f"GET {path} answered {response.status}: {body[:300]!r}")
    return took


def list_keys_ms(data: Path) -> float:
    command = (str(PROGRAM), "keys", "list", "--json", "--data-dir", str(data))
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=clean_environment({}))
    if done.returncode != 0:
        raise BenchError(f"anyrouter keys list ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return (time.perf_counter() - begun) * 1000


def fill(database: Path, wanted: int, *, keys: int = 1) -> None:
    """Copies of the ledger's one entry, spread over hours, models and apps, with the sums that belong to them; over many keys, if so."""
    connection = sqlite3.connect(database)
    try:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(ledger)")]
        changed = {
            "generation_id": "'gen-bench-' || n",
            "created_at_ms": f"created_at_ms - (n % {DAYS}) * 86400000 - (n / {DAYS} % 24) * 3600000",
            "model": f"'openai/bench-' || (n / {DAYS * 24} % 20)",
            "app_title": "'app ' || (n % 7)",
            "trace_id": "CASE WHEN n % 10 = 0 THEN 'trace ' || (n / 50) END",
            "latency_ms": "20 + n * 7919 % 3000",
        }
        if keys > 1:
            changed |= dict.fromkeys(("api_key_id", "rotation_group"), f"'key_' || printf('%032x', n * 31 % {keys})")
        values = ", ".join(changed.get(name, f'"{name}"') for name in columns)
        names = ", ".join(f'"{name}"' for name in columns)
        order = changed["created_at_ms"]  # a ledger is written as time goes by
        copies = f"{NUMBERS} INSERT INTO ledger ({names}) SELECT {values} FROM one, numbers ORDER BY {order}"  # noqa: S608 -- the schema's names
        connection.execute(copies, (wanted,))
        for table, fill_in in {
            "usage_daily": SUM_BY_DAY,
            "usage_hourly": SUM_BY_HOUR,
            "usage_model_hourly": SUM_BY_MODEL,
            "usage_model_daily": SUM_BY_MODEL_AND_DAY,
            "usage_app_daily": SUM_BY_APP,
        }.items():
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 -- as above
            connection.execute(fill_in)
        count_by_client(connection)
        connection.commit()
    finally:
        connection.close()


def count_by_client(connection: sqlite3.Connection) -> None:
    """How long requests took by key and app, hour and day."""
    found: dict[tuple[str, int, str, str, str, str], dict[int, int]] = defaultdict(dict)
    entries = connection.execute("SELECT created_at_ms, organisation_id, environment, rotation_group, app_title, latency_ms FROM ledger")
    for created_at_ms, organisation_id, environment, key, app, latency_ms in entries:
        bucket = find_bucket(latency_ms)
        for unit, length in (("hour", 3_600_000), ("day", 86_400_000)):
            for split, value in (("key", key), ("app", app or "")):
                counts = found[unit, created_at_ms // length, organisation_id, split, value, environment]
                counts[bucket] = counts.get(bucket, 0) + 1
    connection.execute("DELETE FROM client_latencies")
    rows = ((*key, json.dumps(counts)) for key, counts in sorted(found.items()))
    connection.executemany("INSERT INTO client_latencies VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


NUMBERS = """
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?), one AS (SELECT * FROM ledger LIMIT 1)
"""
SUM_BY_DAY = """
INSERT INTO usage_daily (organisation_id, day, environment_id, api_key_id, rotation_group, model, provider, environment,
  requests, errors, input_tokens, output_tokens, reasoning_tokens, cache_read_tokens, cost_nanousd, upstream_cost_nanousd)
SELECT organisation_id, created_at_ms / 86400000, environment_id, api_key_id, rotation_group, model, provider, environment,
  count(*), 0, sum(input_tokens), sum(output_tokens), sum(reasoning_tokens), sum(cache_read_tokens),
  sum(cost_nanousd), sum(upstream_cost_nanousd)
FROM ledger GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
"""
SUM_BY_HOUR = """
INSERT INTO usage_hourly (organisation_id, hour, environment_id, api_key_id, rotation_group, model, provider, app, environment,
  requests, errors, input_tokens, output_tokens, reasoning_tokens, cache_read_tokens, cost_nanousd, upstream_cost_nanousd)
SELECT organisation_id, created_at_ms / 3600000, environment_id, api_key_id, rotation_group, model, provider, coalesce(app_title, ''),
  environment, count(*), 0, sum(input_tokens), sum(output_tokens), sum(reasoning_tokens), sum(cache_read_tokens),
  sum(cost_nanousd), sum(upstream_cost_nanousd)
FROM ledger GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
"""
SUM_BY_APP = """
INSERT INTO usage_app_daily (organisation_id, day, app, model, provider, environment_id, environment,
  requests, errors, input_tokens, output_tokens, reasoning_tokens, cache_read_tokens, cost_nanousd, upstream_cost_nanousd)
SELECT organisation_id, created_at_ms / 86400000, coalesce(app_title, ''), model, provider, environment_id, environment,
  count(*), 0, sum(input_tokens), sum(output_tokens), sum(reasoning_tokens), sum(cache_read_tokens),
  sum(cost_nanousd), sum(upstream_cost_nanousd)
FROM ledger GROUP BY 1, 2, 3, 4, 5, 6, 7
"""
SUM_BY_MODEL = """
INSERT INTO usage_model_hourly (organisation_id, hour, environment_id, model, provider, environment,
  requests, errors, input_tokens, output_tokens, reasoning_tokens, cache_read_tokens, cost_nanousd, upstream_cost_nanousd,
  {names})
SELECT organisation_id, created_at_ms / 3600000, environment_id, model, provider, environment,
  count(*), 0, sum(input_tokens), sum(output_tokens), sum(reasoning_tokens), sum(cache_read_tokens),
  sum(cost_nanousd), sum(upstream_cost_nanousd), {counts}
FROM ledger GROUP BY 1, 2, 3, 4, 5, 6
""".format(
    names=", ".join(LATENCY_COLUMNS),
    counts=", ".join(f"sum(latency_ms >= {first} AND latency_ms < {end})" for first, end in pairwise((0, *BOUNDS, 1 << 62))),
)
SUM_BY_MODEL_AND_DAY = (
    SUM_BY_MODEL.replace("usage_model_hourly", "usage_model_daily").replace("hour,", "day,").replace("3600000", "86400000")
)
