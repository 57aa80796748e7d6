import base64

import pyotp
import pytest

from anyrouter.control.second_factor import RECOVERY_CODES, Enrolment, digest_of, find_step, make_recovery_codes

# RFC 6238, appendix B: the secret of SHA-1, and the last six digits of its codes.
SECRET = base64.b32encode(b"12345678901234567890").decode()
VECTORS = [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037")]


@pytest.mark.parametrize(("now_s", "code"), VECTORS)
def test_the_codes_are_those_of_the_standard(now_s: int, code: str) -> None:
    assert find_step(SECRET, code, now_s) == now_s // 30


def test_a_code_counts_a_step_early_and_a_step_late_and_says_which_step_it_is_of() -> None:
    code = pyotp.TOTP(SECRET).at(3000)
    assert [find_step(SECRET, code, 3000 + 30 * step) for step in (-2, -1, 0, 1, 2)] == [None, 100, 100, 100, None]


@pytest.mark.parametrize("code", [" 287 082 ", "287-082"])
def test_a_code_may_be_written_in_groups(code: str) -> None:
    assert find_step(SECRET, code, 59) == 1


@pytest.mark.parametrize("code", ["", "28708", "2870822", "28708a", "٢٨٧٠٨٢", "287082\x00", "x" * 10_000])
def test_what_is_no_code_is_none(code: str) -> None:
    assert find_step(SECRET, code, 59) is None


def test_recovery_codes_differ_and_are_known_however_they_are_written() -> None:
    codes = make_recovery_codes()
    assert len(set(codes)) == RECOVERY_CODES
    for code in codes:
        assert len(code.replace("-", "")) == 16, "80 bits"
        assert digest_of(code) == digest_of(code.upper().replace("-", " ")) != digest_of(code[:-1])


def test_an_apps_secret_is_in_no_repr() -> None:
    assert "SECRET" not in repr(Enrolment(secret="SECRET", uri="otpauth://totp/a?secret=SECRET"))
