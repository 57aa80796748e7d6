"""The codes are the contract's (section 4), spelt out here a second time so that none changes unseen."""

import pytest

from anyrouter.core.errors import (
    CODES,
    ClientError,
    ConnectFailed,
    Denied,
    GatewayError,
    InternalError,
    StorageUnavailable,
    UpstreamBroken,
    UpstreamError,
    UpstreamStatus,
    UpstreamTimeout,
)

CONTRACT = {
    (400, "invalid_request_error"): "invalid_json invalid_parameter missing_parameter conflicting_credentials",
    (
        401,
        "authentication_error",
    ): "missing_api_key invalid_api_key malformed_api_key expired_api_key disabled_api_key documentation_key",
    (402, "payment_required"): "insufficient_credits key_budget_exceeded environment_budget_exceeded",
    (
        403,
        "permission_error",
    ): "insufficient_scope model_not_allowed endpoint_not_allowed provider_not_allowed region_not_allowed ip_not_allowed",
    (404, "not_found_error"): "model_not_found no_route not_found",
    (405, "invalid_request_error"): "method_not_allowed",
    (408, "invalid_request_error"): "request_timeout",
    (431, "invalid_request_error"): "headers_too_large",
    (409, "conflict_error"): "duplicate_name rotation_in_progress idempotency_in_progress managed_by_file",
    (412, "conflict_error"): "etag_mismatch",
    (413, "request_too_large"): "body_too_large context_length_exceeded",
    (415, "invalid_request_error"): "unsupported_media_type",
    (422, "invalid_request_error"): "idempotency_key_reused",
    (429, "rate_limit_error"): "rate_limited token_rate_limited concurrency_limited upstream_rate_limited",
    (499, "client_closed_request"): "client_closed_request",
    (500, "internal_server_error"): "internal_error",
    (502, "upstream_error"): "upstream_error upstream_invalid_response byok_credential_rejected",
    (503, "service_unavailable"): "no_healthy_upstream overloaded storage_unavailable",
    (504, "upstream_timeout"): "upstream_timeout",
}


def leaves(root: type[GatewayError]) -> list[type[GatewayError]]:
    return [leaf for kind in root.__subclasses__() for leaf in (leaves(kind) or [kind])]


@pytest.mark.parametrize(("meaning", "codes"), CONTRACT.items())
def test_every_code_of_the_contract_has_its_status_and_type(meaning: tuple[int, str], codes: str) -> None:
    assert {code: (CODES[code].status, CODES[code].type) for code in codes.split()} == dict.fromkeys(codes.split(), meaning)


def test_codes_beyond_the_contracts_table_are_known_by_name() -> None:
    told = {code for codes in CONTRACT.values() for code in codes.split()}
    unnamed = {"unprocessable"}  # the table's "semantically wrong", which names no code
    ours = {"exceeds_rights", "cross_site_request", "sign_in_failed"}  # beyond a maker's rights; and what only pages say
    assert set(CODES) - told == unnamed | ours


def test_a_refusal_has_its_codes_status_unless_an_upstreams_is_kept() -> None:
    assert Denied(code="no_route", message="x").http_status == 404
    assert Denied(code="no_route", message="x", status=422).http_status == 422
    assert Denied(code="no_route", message="x").type == "not_found_error"


def test_the_internal_text_is_for_the_log_only() -> None:
    error = InternalError("Something went wrong.", internal="row 7 of api_keys")
    assert error.public == "Something went wrong."
    assert str(error) == "row 7 of api_keys"
    assert str(InternalError("Something went wrong.")) == "Something went wrong."


@pytest.mark.parametrize(
    ("error", "is_sent"),
    [
        (ConnectFailed("x"), False),
        (UpstreamTimeout("x", phase="connect"), False),
        (UpstreamTimeout("x", phase="first_byte"), True),
        (UpstreamTimeout("x", phase="idle"), True),
        (UpstreamTimeout("x", phase="total"), True),
        (UpstreamBroken("x"), True),
        (UpstreamStatus("x", status=500, body=b""), True),
    ],
)
def test_only_what_failed_before_the_request_left_cannot_have_cost_money(error: UpstreamError, *, is_sent: bool) -> None:
    assert error.is_sent is is_sent


def test_every_error_has_a_code_that_the_contract_knows() -> None:
    known = [leaf for leaf in leaves(GatewayError) if leaf.__module__ == "anyrouter.core.errors"]
    assert 5 <= len(known) <= 15
    for error in (StorageUnavailable("x"), ConnectFailed("x"), UpstreamTimeout("x", phase="idle"), UpstreamBroken("x"), InternalError("x")):
        assert error.code in CODES
    assert ClientError(Denied(code="no_route", message="There is none.")).code == "no_route"
    assert CODES[StorageUnavailable("x").code].status == 503
