from anyrouter.core.scopes import ALL_SCOPES
from anyrouter.policy.endpoints import ENDPOINTS, GEMINI_METHODS, INFERENCE_PATHS
from anyrouter.wire.dialect import DIALECTS


def test_every_endpoint_is_public_or_has_a_scope_or_is_about_the_key_itself() -> None:
    for name, row in ENDPOINTS.items():
        path = row.path
        assert row.name == name
        assert row.scope is None or row.scope in ALL_SCOPES
        assert row.scope is not None or row.is_public or path in ("key", "auth/key")
        assert not (row.is_public and (row.scope or row.is_inference))
        assert row.dialect in DIALECTS


def test_what_costs_money_needs_a_scope_that_writes() -> None:
    for row in ENDPOINTS.values():
        assert row.is_inference == (row.scope is not None and row.scope.endswith(":write"))


def test_what_changes_something_needs_an_admin_scope_and_has_a_method_that_changes() -> None:
    for row in ENDPOINTS.values():
        assert row.changes_by is None or row.is_public or (row.scope is not None and row.scope.startswith("admin:"))
        assert row.method in (("POST", "PATCH", "PUT", "DELETE") if row.changes_by else ("POST",) if row.is_inference else ("GET",))
    assert ENDPOINTS["presets"].scope == "models:read"
    assert ENDPOINTS["DELETE presets/{slug}"].path == "presets/{slug}"


def test_public_endpoints_are_the_contracts_and_no_more() -> None:
    read = {"health", "livez", "readyz", "openapi.json", "metrics"}
    proven_otherwise = {"POST keys/revoke", "POST leaks/github"}  # by a key's own text, by a signature
    assert {path for path, row in ENDPOINTS.items() if row.is_public} == read | proven_otherwise


def test_inference_paths_are_served_under_both_roots() -> None:
    assert INFERENCE_PATHS[b"/api/v1/chat/completions"] == INFERENCE_PATHS[b"/v1/chat/completions"] == "chat/completions"
    assert INFERENCE_PATHS[b"/api/v1/responses"] == "responses"
    assert len(INFERENCE_PATHS) == 2 * sum(row.is_inference and row.root_path is None for row in ENDPOINTS.values())
    assert not any(path.endswith(b"/") for path in INFERENCE_PATHS)
    assert {ENDPOINTS[path].dialect for path in INFERENCE_PATHS.values() if path.startswith("messages")} == {"anthropic"}


def test_gemini_s_rows_live_at_the_root_and_are_judged_as_the_others_are() -> None:
    rooted = {name: row for name, row in ENDPOINTS.items() if row.root_path is not None}
    assert {name: (row.path, row.scope) for name, row in rooted.items()} == {
        "generateContent": ("generateContent", "completions:write"),
        "streamGenerateContent": ("streamGenerateContent", "completions:write"),
        "v1beta/models": ("models", "models:read"),
        "v1beta/models/{model}": ("models/{model}", "models:read"),
    }
    assert {row.dialect for row in rooted.values()} == {"gemini"}
    assert all(row.dialect != "gemini" for name, row in ENDPOINTS.items() if name not in rooted)
    assert ENDPOINTS["generateContent"].public_path == "/v1beta/models/{model}:generateContent"
    assert ENDPOINTS["DELETE presets/{slug}"].public_path == "/api/v1/presets/{slug}"
    assert len({(row.public_path, row.method) for row in ENDPOINTS.values()}) == len(ENDPOINTS)
    assert GEMINI_METHODS == ("generateContent", "streamGenerateContent")
