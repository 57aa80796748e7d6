import pytest

from anyrouter.policy.sign_on import SignOnAnswer, SignOnRules


@pytest.mark.parametrize(
    ("email", "is_allowed"),
    [
        ("ada@example.org", True),
        ("ada@sub.example.org", False),
        ("ada@example.org.evil.example", False),
        ("ada@evil.example@example.org", True),  # which no address here is: check_email refuses two signs
        ("example.org", True),
        ("", False),
    ],
)
def test_a_domain_allows_its_own_addresses_and_none_below(email: str, is_allowed: bool) -> None:
    rules = SignOnRules(issuer="https://id.example", client_id="a", name="ID", domains=frozenset({"example.org"}))
    assert rules.allows(email) is is_allowed


def test_without_domains_every_verified_address_is_allowed_and_no_address_never() -> None:
    rules = SignOnRules(issuer="https://id.example", client_id="a", name="ID")
    assert rules.allows("ada@anywhere.example")
    assert not rules.allows("")


def test_an_answers_secrets_are_in_no_repr() -> None:
    text = repr(SignOnAnswer(state="state-4711", code="code-4711", issuer="https://id.example", error=""))
    assert "4711" not in text
