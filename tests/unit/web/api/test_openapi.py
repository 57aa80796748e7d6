import re
from datetime import UTC, datetime
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import schemathesis

from anyrouter.control.catalogue import load_catalogue
from anyrouter.core.errors import CODES
from anyrouter.policy.endpoints import ENDPOINTS
from anyrouter.web.api.app import create_api
from anyrouter.web.api.catalogue import describe_row
from anyrouter.web.api.catalogue_replies import ModelRow
from anyrouter.web.api.openapi import build_document
from anyrouter.web.api.ports import ApiPorts


@pytest.fixture
def document(ports: ApiPorts) -> dict[str, Any]:
    routes = next(route for route in create_api(ports).routes if getattr(route, "name", "") == "openapi.json")
    shown = routes.endpoint.__self__  # type: ignore[attr-defined] -- the bound handler's object
    made: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(build_document(shown._routes, "1.2.3", "https://gateway.example")))
    return made


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, operation) for path, methods in document["paths"].items() for method, operation in methods.items()]


def test_it_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": "https://gateway.example"}]
    assert document["info"]["version"] == "1.2.3"
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)


def test_every_row_of_the_table_is_in_it_with_its_scope(document: dict[str, Any]) -> None:
    described = {(path, method.upper()): operation for path, method, operation in operations(document)}
    assert described.keys() == {(row.public_path, row.method) for row in ENDPOINTS.values()}
    for row in ENDPOINTS.values():
        operation = described[row.public_path, row.method]
        assert operation.get("x-required-scope") == row.scope
        assert ({} in operation["security"]) is row.is_public


def test_every_row_s_refusals_are_in_its_dialect_and_gemini_s_key_is_for_its_own_paths(document: dict[str, Any]) -> None:
    for row in ENDPOINTS.values():
        operation = document["paths"][row.public_path][row.method.lower()]
        prefix = "Control" if row.is_control else {"anthropic": "Anthropic", "gemini": "Gemini"}.get(row.dialect, "")
        refused = {shown["$ref"].rpartition("/")[2] for shown in operation["responses"].values() if "$ref" in shown}
        assert all(name.startswith(prefix) for name in refused)
        assert prefix or not any(name.startswith(("Anthropic", "Gemini", "Control")) for name in refused)
        assert ({"geminiKey": []} in operation["security"]) is (row.dialect == "gemini")
        named = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "path"}
        assert named == set(re.findall(r"\{(\w+)\}", row.public_path))


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def follow(value: object) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                if name == "$ref":
                    kind, target = inner.removeprefix("#/components/").split("/")
                    assert target in document["components"][kind], inner
                else:
                    follow(inner)
        elif isinstance(value, list):
            for inner in value:
                follow(inner)

    follow(document)


def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    checked = 0
    contents = [response.get("content", {}) for response in document["components"]["responses"].values()]
    for _, _, operation in operations(document):
        contents.append(operation.get("requestBody", {}).get("content", {}))
        contents.extend(response.get("content", {}) for response in operation["responses"].values())
    for content in contents:
        for kind, media in content.items():
            if kind == "application/json" and "example" in media:
                jsonschema_rs.validate({**media["schema"], "components": document["components"]}, media["example"])
                checked += 1
    assert checked > 40


def test_every_code_is_documented(document: dict[str, Any]) -> None:
    described = " ".join(response["description"] for response in document["components"]["responses"].values())
    unsaid = {"headers_too_large", "client_closed_request"}  # before any path, and in the ledger only
    assert [code for code in CODES if code not in described] == [code for code in CODES if code in unsaid]


def test_every_change_says_how_it_is_repeated_and_how_it_is_refused(document: dict[str, Any]) -> None:
    for row in ENDPOINTS.values():
        operation = document["paths"][row.public_path][row.method.lower()]
        headers = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "header"}
        is_keyed = row.changes_by is not None and not row.is_public
        assert ("Idempotency-Key" in headers, "If-Match" in headers) == (is_keyed, row.changes_by == "PATCH"), row.name
        if is_keyed:
            assert {"409", "422"} <= operation["responses"].keys()
            assert ("412" in operation["responses"]) is (row.changes_by == "PATCH")
            success = next(reply for status, reply in operation["responses"].items() if status.startswith("2"))
            assert "Idempotency-Replayed" in success["headers"]


def test_problems_are_described_in_both_media_types(document: dict[str, Any]) -> None:
    content = document["components"]["responses"]["ControlNotFound"]["content"]
    assert content.keys() == {"application/json", "application/problem+json"}
    assert {media["schema"]["$ref"] for media in content.values()} == {"#/components/schemas/ProblemReply"}


def test_the_standards_own_schema_finds_nothing_wrong_with_it(document: dict[str, Any]) -> None:
    schemathesis.openapi.from_dict(document).validate()


def test_rows_of_the_whole_catalogue_are_what_the_document_says() -> None:
    for model in load_catalogue(datetime(2026, 11, 24, tzinfo=UTC)).models.values():
        row = describe_row(model)
        msgspec.convert(row, ModelRow)
        assert set(row) == set(ModelRow.__struct_fields__)
