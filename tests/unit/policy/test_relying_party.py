import pytest

from anyrouter.policy.relying_party import RelyingParty, find_relying_party


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("https://gateway.example.org", ("gateway.example.org", "https://gateway.example.org")),
        ("https://Gateway.Example.org:443", ("gateway.example.org", "https://gateway.example.org")),
        ("https://gateway.example.org:8443", ("gateway.example.org", "https://gateway.example.org:8443")),
        ("http://localhost:8080", ("localhost", "http://localhost:8080")),
        ("http://127.0.0.1:8080", ("localhost", "http://localhost:8080")),
        ("http://[::1]:8080", ("localhost", "http://localhost:8080")),
        ("https://127.0.0.1", ("localhost", "https://localhost")),
    ],
)
def test_a_passkey_is_for_the_domain_of_the_gateway(base_url: str, expected: tuple[str, str]) -> None:
    party = find_relying_party(base_url)
    assert party is not None
    assert (party.id, party.origin) == expected


@pytest.mark.parametrize(
    "base_url", ["http://gateway.example.org", "https://192.0.2.7", "https://[2001:db8::7]:8443", "http://192.0.2.7:8080", "https://"]
)
def test_there_is_none_where_no_browser_makes_one(base_url: str) -> None:
    assert find_relying_party(base_url) is None


def test_a_page_is_at_it_whatever_ends_tls_in_front() -> None:
    party = RelyingParty(id="gateway.example.org", origin="https://gateway.example.org")
    assert party.is_at("http://gateway.example.org"), "seen from behind a proxy"
    assert not party.is_at("https://gateway.example.org:8443")
    assert not party.is_at("https://evil.example")
    assert not party.is_at("")
