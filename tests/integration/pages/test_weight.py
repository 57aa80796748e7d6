"""What a page weighs with all that it loads, after two months of requests."""

import re

import httpx
import pytest

from support.gateway import GatewayProcess
from support.months import write_months
from support.pages import list_rows

MOST_BYTES = 100_000
PAGES = sorted(
    row.path for row in list_rows() if row.method == "GET" and "{" not in row.path and not row.path.endswith((".csv", ".jsonl", "/export"))
)
MODULE = re.compile(r"""(?:from|import)\s*["']\./([\w.-]+)["']""")


@pytest.fixture(scope="module")
def months(gateway: GatewayProcess) -> int:
    return write_months(gateway)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_with_all_that_it_loads_is_light(path: str, months: int, owner: httpx.Client) -> None:
    page = owner.get(path)
    weights = {path: len(page.content)}
    weigh(re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text), owner, weights)
    assert len(weights) > 1 or "<html" not in page.text
    assert months
    assert sum(weights.values()) <= MOST_BYTES, weights


def weigh(addresses: list[str], client: httpx.Client, weights: dict[str, int]) -> None:
    """Add what is at the addresses, and the modules that it imports."""
    for address in addresses:
        if address in weights:
            continue
        found = client.get(address)
        assert found.status_code == 200, address
        weights[address] = len(found.content)
        weigh([f"{address.rpartition('/')[0]}/{name}" for name in MODULE.findall(found.text)], client, weights)
