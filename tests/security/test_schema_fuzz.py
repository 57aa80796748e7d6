"""What the published description allows, and what it forbids, is sent to a running gateway.

None of it is answered with a 5xx, and what comes back is what the description says.
"""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from anyrouter.policy.endpoints import ENDPOINTS
from support.gateway import GatewayProcess

EXAMPLES = 10
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path_factory.mktemp("fuzzed"))
    yield process
    process.stop()


@pytest.fixture(scope="module")
def document(gateway: GatewayProcess) -> dict[str, Any]:
    read: dict[str, Any] = httpx.get(f"{gateway.base_url}/api/v1/openapi.json").json()
    return read


@pytest.fixture(scope="module")
def schema(document: dict[str, Any]) -> Any:
    return schemathesis.openapi.from_dict(document)


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as kept:
        yield kept


@pytest.fixture(scope="module")
def admin_key(gateway: GatewayProcess) -> str:
    return gateway.create_key("--scope", "admin:*", environment="test")


QUERIED = {"activity", "generation", "models", "models/count", "v1beta/models", "presets", "audit", "keys", "byok", "budgets"}
# A path without parameters and body has nothing that could be wrong.
WITH_INPUT = [name for name, row in ENDPOINTS.items() if row.method == "POST" or "{" in row.public_path or name in QUERIED]
CASES = [(name, GenerationMode.POSITIVE) for name in ENDPOINTS] + [(name, GenerationMode.NEGATIVE) for name in WITH_INPUT]


@pytest.mark.parametrize(("name", "mode"), CASES, ids=lambda value: getattr(value, "value", value))
def test_no_input_makes_a_5xx(
    *, gateway: GatewayProcess, schema: Any, session: requests.Session, admin_key: str, name: str, mode: GenerationMode
) -> None:
    row = ENDPOINTS[name]
    operation = schema[row.public_path][row.method]

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        headers = {"Authorization": f"Bearer {admin_key if row.is_control else gateway.first_key}"}
        case.call_and_validate(base_url=gateway.base_url, session=session, headers=headers, checks=CHECKS, timeout=20)

    send()


@pytest.mark.parametrize("path", sorted(path for path, row in ENDPOINTS.items() if row.is_inference))
def test_the_documented_example_of_each_inference_path_is_answered(gateway: GatewayProcess, document: dict[str, Any], path: str) -> None:
    public_path = ENDPOINTS[path].public_path
    content = document["paths"][public_path]["post"]["requestBody"]["content"]["application/json"]
    address = gateway.base_url + public_path.replace("{model}", "google/gemini-2.5-flash")
    reply = httpx.post(address, json=content["example"], headers={"x-api-key": gateway.first_key})
    assert reply.status_code == 200, reply.text
