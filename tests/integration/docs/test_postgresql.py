"""The documentation's way to PostgreSQL: its statements make the database, and a gateway keeps everything there."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from contract.conftest import PostgresServer
from support.gateway import GatewayProcess

PAGE = Path(__file__).resolve().parents[3] / "docs/how-to/postgresql.md"


@pytest.fixture(scope="module")
def database_url() -> Iterator[str]:
    """The database that the page's statements make."""
    server = PostgresServer()
    (statements,) = re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    with psycopg.connect(server.url, autocommit=True) as connection:
        for statement in statements.split(";"):
            if statement.strip():
                connection.execute(statement.replace("…", "MARKER-password"))
    host = server.url.partition("host=")[2]
    yield f"postgresql://anyrouter:MARKER-password@/anyrouter?host={host}"
    server.stop()


def ask(gateway: GatewayProcess, key: str) -> httpx.Response:
    return httpx.post(
        f"{gateway.base_url}/api/v1/chat/completions",
        json={"model": "sandbox/echo", "messages": [{"role": "user", "content": "Hello!"}]},
        headers={"authorization": f"Bearer {key}"},
        trust_env=False,
        timeout=20,
    )


def test_keys_and_usage_are_in_postgresql_and_survive_a_new_start(database_url: str, tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path / "data", ANYROUTER_STORAGE__DATABASE_URL=database_url)
    try:
        key = gateway.create_key(environment="test", name="app")
        generation_id = ask(gateway, key).headers["x-generation-id"]
        assert not (tmp_path / "data" / "anyrouter.db").exists()
        gateway.kill()
        gateway.start()
        assert ask(gateway, key).status_code == 200
        shown = httpx.get(
            f"{gateway.base_url}/api/v1/generation/{generation_id}", headers={"authorization": f"Bearer {key}"}, trust_env=False, timeout=20
        )
        assert shown.json()["data"]["state"] == "settled"
    finally:
        gateway.stop()
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select name from api_keys order by created_at_ms").fetchall() == [("first key",), ("app",)]
        assert connection.execute("select sum(requests) from usage_daily").fetchone() == (2,)
