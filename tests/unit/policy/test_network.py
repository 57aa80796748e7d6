"""Addresses and networks, by examples of every spelling."""

import pytest

from anyrouter.policy.network import is_covered, is_inside, read_network, source_of


@pytest.mark.parametrize(
    ("address", "networks", "expected"),
    [
        ("10.1.2.3", ("10.0.0.0/8",), True),
        ("10.1.2.3", ("10.1.2.3",), True),
        ("10.1.2.3", ("10.1.2.0/24", "11.0.0.0/8"), True),
        ("10.1.2.3", ("11.0.0.0/8", "10.1.2.0/24"), True),
        ("10.1.2.3", ("11.0.0.0/8",), False),
        ("10.1.2.3", (), False),
        ("10.1.2.3", ("rubbish",), False),
        ("10.1.2.3", ("rubbish", "10.0.0.0/8"), True),
        ("rubbish", ("0.0.0.0/0", "::/0"), False),
        ("", ("0.0.0.0/0", "::/0"), False),
        ("::ffff:10.1.2.3", ("10.0.0.0/8",), True),
        ("10.1.2.3", ("::ffff:10.0.0.0/104",), True),
        ("10.1.2.3", ("::ffff:0:0/96",), True),
        ("10.1.2.3", ("::/0",), False),
        ("::ffff:10.1.2.3", ("::/0",), False),  # it is an IPv4 address
        ("2001:db8::1", ("2001:db8::/32",), True),
        ("2001:db9::1", ("2001:db8::/32",), False),
        ("2001:db8::1", ("0.0.0.0/0",), False),
    ],
)
def test_an_address_is_inside_of_networks_of_its_kind(address: str, networks: tuple[str, ...], expected: bool) -> None:
    assert is_inside(address, networks) is expected


@pytest.mark.parametrize(
    ("network", "networks", "expected"),
    [
        ("10.1.0.0/16", ("10.0.0.0/8",), True),
        ("10.1.0.0/16", ("11.0.0.0/8", "10.0.0.0/8"), True),
        ("10.0.0.0/8", ("10.0.0.0/8",), True),
        ("10.0.0.0/7", ("10.0.0.0/8",), False),
        ("10.0.0.0/8", ("10.0.0.0/9", "10.128.0.0/9"), False),
        ("::ffff:10.1.0.0/112", ("10.1.0.0/16",), True),
        ("::ffff:10.1.0.0/111", ("10.1.0.0/16",), False),
        ("10.1.0.0/16", ("::ffff:10.1.0.0/112",), True),
        ("2001:db8:1::/48", ("2001:db8::/32",), True),
        ("2001:db8::/31", ("2001:db8::/32",), False),
        ("2001:db8::/32", ("0.0.0.0/0",), False),
        ("10.0.0.0/8", ("::/0",), False),
        ("rubbish", ("0.0.0.0/0", "::/0", "rubbish"), False),
        ("10.0.0.0/8", ("rubbish",), False),
        ("2001:db8::/32", ("rubbish",), False),
        ("10.0.0.0/8", (), False),
    ],
)
def test_a_network_is_covered_by_one_that_holds_the_whole_of_it(network: str, networks: tuple[str, ...], expected: bool) -> None:
    assert is_covered(network, networks) is expected


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("10.1.2.3", "10.1.2.3/32"),
        ("10.1.2.3/8", "10.0.0.0/8"),  # bits of a host do not count
        ("::ffff:10.1.2.3", "10.1.2.3/32"),
        ("::ffff:10.1.2.3/104", "10.0.0.0/8"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::ffff:0:0/97", "0.0.0.0/1"),
        ("::ffff:0:0/95", "::fffe:0:0/95"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("rubbish", "None"),
    ],
)
def test_a_network_of_mapped_addresses_is_that_of_their_ipv4_addresses(text: str, shown: str) -> None:
    assert str(read_network(text)) == shown


def test_an_address_is_counted_by_itself_or_by_what_one_holder_has_whole() -> None:
    assert source_of("10.1.2.3") == "10.1.2.3"
    assert source_of("::ffff:10.1.2.3") == "10.1.2.3"
    assert source_of("2001:db8::1") == source_of("2001:db8:0:0:ffff::2")
    assert source_of("2001:db8::1") != source_of("2001:db8:0:1::1")
    assert source_of("rubbish:") == "rubbish:"
    assert source_of("") == ""
