"""AnyRouter as a user starts it: a data directory, a key made with the command line, `anyrouter serve`, everything on."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

from bench.bodies import PROMPT_TOKENS
from bench.processes import BenchError, Launch, clean_environment, free_port
from bench.results import GATEWAY, LedgerCheck

PROGRAM = Path(sys.executable).parent / "anyrouter"


def prepare(upstream_port: int, directory: Path, *, is_streaming: bool) -> Launch:  # noqa: ARG001 -- it streams without being told
    """A fresh data directory with one `live` key, whose environment reaches the upstream as OpenAI."""
    data = directory / "data"
    environment = {"OPENAI_API_KEY": "sk-MARKER-bench", "OPENAI_BASE_URL": f"http://127.0.0.1:{upstream_port}/v1"}
    create = (str(PROGRAM), "keys", "create", "--name", "bench", "--env", "live", "--json", "--data-dir", str(data))
    made = subprocess.run(create, capture_output=True, text=True, check=False, timeout=60, env=clean_environment(environment))
    if made.returncode != 0:
        raise BenchError(f"anyrouter keys create ended with {made.returncode}: {made.stderr.strip()[-1000:]}")
    port = free_port()
    return Launch(
        name=GATEWAY,
        command=(str(PROGRAM), "serve", "--data-dir", str(data), "--port", str(port)),
        port=port,
        path="/api/v1/chat/completions",
        headers={"Authorization": f"Bearer {json.loads(made.stdout)['key']}"},
        environment=environment,
        ledger=data / "anyrouter.db",
    )


def check_ledger(database: Path, measure: str, *, replies: int, most_unanswered: int) -> LedgerCheck:
    """That every reply is on record once, settled, with the upstream's usage and a cost, and counted in the sums by day.

    Read from the database of the stopped gateway; BenchError when it is not so. The end of a load run cuts requests off,
    whose replies nobody counted: so many rows more are right.
    """
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        rows, exact, summed = connection.execute(QUERY, (PROMPT_TOKENS,)).fetchone()
    finally:
        connection.close()
    found = LedgerCheck(measure=measure, replies=replies, rows=rows, most_unanswered=most_unanswered)
    if not replies <= exact <= rows <= replies + most_unanswered or summed != rows:
        raise BenchError(f"the ledger is wrong after {measure}: {found}, {exact} of them exact, {summed} in the sums by day")
    return found


QUERY = """
SELECT count(*), coalesce(sum(state = 'settled' AND status = 200 AND input_tokens = ? AND cost_nanousd > 0), 0),
       (SELECT coalesce(sum(requests), 0) FROM usage_daily)
FROM ledger
"""
