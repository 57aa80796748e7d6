import pytest

from anyrouter.cli.failure import MEANINGS, CommandFailed, ExitCode, explain_failure
from anyrouter.core.errors import ClientError, ConnectFailed, Denied, InternalError, StorageUnavailable


def test_every_exit_code_has_a_meaning() -> None:
    assert set(MEANINGS) == set(ExitCode)


def test_exit_codes_are_what_scripts_test() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "FAILED": 1,
        "USAGE": 2,
        "NOT_FOUND": 3,
        "CONFIGURATION": 4,
        "CONFLICT": 5,
        "STORAGE": 6,
        "INTERRUPTED": 130,
    }


@pytest.mark.parametrize(
    ("error", "exit_code", "text"),
    [
        (ClientError(Denied(code="not_found", message="no such key")), ExitCode.NOT_FOUND, "no such key"),
        (ClientError(Denied(code="duplicate_name", message="taken")), ExitCode.CONFLICT, "taken"),
        (ClientError(Denied(code="invalid_parameter", message="name: empty")), ExitCode.USAGE, "name: empty"),
        (ClientError(Denied(code="rate_limited", message="slowly")), ExitCode.FAILED, "slowly"),
        (InternalError("The data directory cannot be used."), ExitCode.STORAGE, "The data directory cannot be used."),
        (StorageUnavailable("public", internal="the disk is full"), ExitCode.STORAGE, "the disk is full"),
        (ConnectFailed("no connection"), ExitCode.FAILED, "no connection"),
        (PermissionError(13, "Permission denied", "/srv/x"), ExitCode.FAILED, "/srv/x: Permission denied"),
        (CommandFailed(ExitCode.NOT_FOUND, "x", "y"), ExitCode.NOT_FOUND, "y"),
    ],
)
def test_an_error_becomes_an_exit_code_and_a_sentence(error: Exception, exit_code: ExitCode, text: str) -> None:
    failure = explain_failure(error)
    assert (failure.exit_code, failure.message) == (exit_code, text)


def test_of_an_unexpected_exception_only_type_and_place_are_told() -> None:
    with pytest.raises(RuntimeError) as caught:
        raise RuntimeError("MARKER-secret in the text")
    failure = explain_failure(caught.value)
    assert failure.exit_code is ExitCode.FAILED
    assert "RuntimeError at test_failure.py:" in failure.message
    assert "MARKER" not in failure.message + failure.cure
