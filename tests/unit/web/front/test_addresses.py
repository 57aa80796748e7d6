import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrouter.web.front.addresses import TrustedProxies, plain_host, read_hop

PROXIES = TrustedProxies(["10.0.0.0/8", "2001:db8::/32", "127.0.0.1"])


@pytest.mark.parametrize(
    ("entry", "address"),
    [
        (b"1.2.3.4", "1.2.3.4"),
        (b" \t1.2.3.4 ", "1.2.3.4"),
        (b"1.2.3.4:80", "1.2.3.4"),
        (b"::1", "::1"),
        (b"[::1]", "::1"),
        (b"[::1]:80", "::1"),
        (b"2001:DB8:0:0::1", "2001:db8::1"),
        (b"::ffff:1.2.3.4", "1.2.3.4"),
        (b"[::ffff:1.2.3.4]:443", "1.2.3.4"),
        (b"::ffff:0102:0304", "1.2.3.4"),
        (b"", None),
        (b" ", None),
        (b"unknown", None),
        (b"_hidden", None),
        (b"localhost", None),
        (b"1.2.3", None),
        (b"1.2.3.4.5", None),
        (b"01.2.3.4", None),
        (b"1.2.3.4/8", None),
        (b"1.2.3.4:", None),
        (b"1.2.3.4:x", None),
        (b"1.2.3.4:999999", None),
        (b"1.2.3.4:\xb2", None),
        (b"[::1", None),
        (b"[::1]80", None),
        (b"[::1]:", None),
        (b"[1.2.3.4", None),
        (b"fe80::1%eth0", None),
        (b'"1.2.3.4"', None),
        (b"\xff\xfe", None),
        (b"16909060", None),
    ],
)
def test_a_hop_is_an_address_with_or_without_a_port_or_it_is_nothing(entry: bytes, address: str | None) -> None:
    assert read_hop(entry) == address


@pytest.mark.parametrize(
    ("text", "host"),
    [("1.2.3.4", "1.2.3.4"), ("::ffff:10.0.0.1", "10.0.0.1"), ("fe80::1%eth0", "fe80::1"), ("0:0::1", "::1"), ("", ""), ("name", "name")],
)
def test_a_sockets_address_has_one_form(text: str, host: str) -> None:
    assert plain_host(text) == host


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.1", b"1.2.3.4", "203.0.113.1"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", b"", "10.0.0.1"),
        ("10.0.0.1", b"1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", b"1.2.3.4, 203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", b"1.2.3.4, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("10.0.0.1", b"1.2.3.4,203.0.113.7:1234,[2001:db8::5]:80", "203.0.113.7"),
        ("10.0.0.1", b"10.0.0.9, 10.0.0.2", "10.0.0.9"),
        ("10.0.0.1", b"1.2.3.4, garbage", "10.0.0.1"),
        ("10.0.0.1", b"1.2.3.4, garbage, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", b"1.2.3.4, , 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", b"1.2.3.4,", "10.0.0.1"),
        ("10.0.0.1", b"::ffff:10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", b"6.6.6.6, ::ffff:203.0.113.7, ::ffff:10.0.0.2", "203.0.113.7"),
        ("127.0.0.1", b"::1", "::1"),
        ("name", b"1.2.3.4", "name"),
    ],
)
def test_the_client_is_the_right_most_hop_that_is_not_trusted(peer: str, forwarded: bytes | None, client: str) -> None:
    assert PROXIES.client_host(peer, forwarded) == client


def test_a_hundred_claimed_hops_do_not_bring_the_first_one_forward() -> None:
    claimed = b", ".join([b"6.6.6.6"] * 100)
    assert PROXIES.client_host("10.0.0.1", claimed + b", 203.0.113.7, 10.0.0.2") == "203.0.113.7"
    assert PROXIES.client_host("10.0.0.1", b"6.6.6.6, " + b", ".join([b"10.0.0.3"] * 100)) == "10.0.0.3"


def test_nobody_is_trusted_by_default() -> None:
    assert TrustedProxies().client_host("127.0.0.1", b"1.2.3.4") == "127.0.0.1"


@given(st.binary(max_size=200))
def test_whatever_an_untrusted_peer_says_it_is_itself(forwarded: bytes) -> None:
    assert PROXIES.client_host("203.0.113.1", forwarded) == "203.0.113.1"


@given(st.binary(max_size=200))
def test_what_a_client_says_behind_one_proxy_does_not_matter(claimed: bytes) -> None:
    assert PROXIES.client_host("10.0.0.1", claimed + b", 203.0.113.7") == "203.0.113.7"
