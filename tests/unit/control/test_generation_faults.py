"""Every generation that did not end well has somebody whose fault it was, and something to do."""

from typing import Any

import pytest

from anyrouter.control.generation_faults import explain_error
from anyrouter.core.errors import CODES
from anyrouter.core.ledger import EntryState
from support.generations import make_entry


def fault_of(**fields: Any) -> Any:
    return explain_error(make_entry(0, **fields))


def test_what_ended_well_is_nobodys_fault():
    assert fault_of() is None


@pytest.mark.parametrize("code", [*CODES, "a_code_of_tomorrow", None])
def test_every_code_is_explained(code: str | None):
    fault = fault_of(state=EntryState.FAILED, status=CODES[code].status if code in CODES else 502, error_code=code)
    assert fault is not None
    assert fault.whose
    assert fault.happened.endswith(".")
    assert fault.advice.endswith(".")


@pytest.mark.parametrize(
    ("fields", "whose"),
    [
        ({"state": EntryState.CANCELLED, "status": 499, "error_code": "client_closed_request"}, "The client's"),
        ({"state": EntryState.FAILED, "status": 400, "error_code": "unprocessable"}, "The client's"),
        ({"state": EntryState.FAILED, "status": 504, "error_code": "upstream_timeout"}, "The provider's"),
        ({"state": EntryState.FAILED, "status": 502, "error_code": "byok_credential_rejected"}, "Your account's at the provider"),
        ({"state": EntryState.FAILED, "status": 500, "error_code": "internal_error"}, "The gateway's"),
        ({"state": EntryState.INTERRUPTED, "status": 502, "error_code": None}, "The gateway's"),
        ({"state": EntryState.FAILED, "status": 418, "error_code": "a_code_of_tomorrow"}, "The client's"),
        ({"state": EntryState.FAILED, "status": 502, "error_code": None}, "The provider's"),
    ],
)
def test_a_fault_is_given_to_whom_it_belongs(fields: dict[str, Any], whose: str):
    assert fault_of(**fields).whose == whose
