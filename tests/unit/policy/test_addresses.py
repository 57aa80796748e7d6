"""Attack cases, K: which addresses a tenant may name, and which a connection may be made to."""

import pytest

from anyrouter.core.errors import Denied
from anyrouter.policy.addresses import JudgedUrl, is_public_address, judge_url, name_place

REFUSED = """
http://api.openai.com
HTTP://api.openai.com
file:///etc/passwd
gopher://api.openai.com
ftp://api.openai.com
//api.openai.com
api.openai.com
https://
https:///v1
https://user@api.openai.com
https://user:word@api.openai.com
https://api.openai.com@127.0.0.1
https://api.openai.com#fragment
https://api.openai.com/#
https://api.openai.com?x=1
https://api.openai.com/?
https://api.openai.com\\@127.0.0.1
https:\\\\127.0.0.1
https://api.openai.com:22
https://api.openai.com:6379
https://api.openai.com:0
https://api.openai.com:
https://api.openai.com:65536
https://api.openai.com:-1
https://api.openai.com:443:443
https://localhost
https://LOCALHOST
https://api.localhost
https://localhost.localdomain
https://127.1
https://127.0.0.1
https://0x7f000001
https://0x7f.0.0.1
https://0x7f.1
https://2130706433
https://017700000001
https://0177.0.0.1
https://127.0.0.0x1
https://127.000.000.001
https://0
https://[::]
https://[::1]
https://[::ffff:127.0.0.1]
https://[::ffff:169.254.169.254]
https://[::ffff:a9fe:a9fe]
https://[::127.0.0.1]
https://[2002:7f00:1::]
https://[64:ff9b::169.254.169.254]
https://[64:ff9b:1::a9fe:a9fe]
https://[2001:0:7f00:1::]
https://[fe80::1]
https://[fe80::1%25eth0]
https://[fd00:ec2::254]
https://[fec0::1]
https://[::1
https://::1
https://[127.0.0.1]
https://[v1.x]
https://100.100.100.200
https://169.254.169.254
https://168.63.129.16
https://10.0.0.1
https://172.16.0.1
https://192.168.0.1
https://224.0.0.1
https://255.255.255.255
https://metadata
https://metadata.google.internal
https://metadata.goog
https://instance-data.ec2.internal
https://printer.local
https://gateway
https://api.openai.com.
https://api..openai.com
https://.api.openai.com
https://-api.openai.com
https://api_v1.openai.com
https://127。0。0。1
https://ⓛocalhost
https://\u0430pi.openai.com
https://xn--pi-6kc.openai.com
https://api.openai.com/../internal
https://api.openai.com/./v1
https://api.openai.com/%2e%2e/v1
https://api.openai.com//v1
https://api.openai.com/v1 HTTP/1.1
https://api.open ai.com
https://api%2eopenai.com
https://api.openai.com/v1;x
""".strip().splitlines()


PRIVATE = """
0.0.0.0
10.1.2.3
100.64.0.1
100.100.100.200
127.0.0.1
127.255.255.254
168.63.129.16
169.254.169.254
172.31.255.255
192.0.0.192
192.0.2.1
192.88.99.1
192.168.1.1
198.18.0.1
198.51.100.1
203.0.113.1
224.0.0.251
239.1.1.1
255.255.255.255
::
::1
::ffff:10.0.0.1
::10.0.0.1
::8.8.8.8
64:ff9b::10.0.0.1
64:ff9b:1::8.8.8.8
100::1
2001:db8::1
2001:0:0a00:1::1
2002:0a00:1::1
2001:10::1
2001:2::1
3fff::1
2606:4700::5efe:10.0.0.1
2606:4700::200:5efe:10.0.0.1
fc00::1
fd00:ec2::254
fe80::1
fe80::1%eth0
fec0::1
ff02::1
5f00::1
localhost
127.1
2130706433
nonsense
""".strip().splitlines()


@pytest.mark.parametrize("url", [*REFUSED, "", " ", "https://api.openai.com/\n", "https://api\t.openai.com", f"https://a.com/{'x' * 2048}"])
def test_an_address_that_may_lead_elsewhere_than_the_public_internet_is_refused(url: str) -> None:
    denied = judge_url(url, param="base_url")
    assert isinstance(denied, Denied)
    assert (denied.http_status, denied.param) == (422, "base_url")


@pytest.mark.parametrize(
    ("url", "kept", "authority"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1", "api.openai.com:443"),
        ("HTTPS://API.OpenAI.com:443/v1/", "https://api.openai.com/v1", "api.openai.com:443"),
        ("https://llm.example.org:8443", "https://llm.example.org:8443", "llm.example.org:8443"),
        ("https://8.8.8.8/v1", "https://8.8.8.8/v1", "8.8.8.8:443"),
        ("https://[2606:4700::1111]/v1", "https://[2606:4700::1111]/v1", "[2606:4700::1111]:443"),
    ],
)
def test_a_public_address_is_kept_in_one_form(url: str, kept: str, authority: str) -> None:
    judged = judge_url(url, param="base_url")
    assert isinstance(judged, JudgedUrl)
    assert (judged.url, judged.authority, judged.is_allowed_by_operator) == (kept, authority, False)


@pytest.mark.parametrize("allowed", ["127.0.0.1", "127.0.0.1:8000"])
def test_what_the_operator_allows_by_name_may_be_plain_http_and_local(allowed: str) -> None:
    judged = judge_url("http://127.0.0.1:8000/v1", param="base_url", allowed_hosts={allowed})
    assert isinstance(judged, JudgedUrl)
    assert judged.is_allowed_by_operator
    assert isinstance(judge_url("http://127.0.0.1:8001/v1", param="base_url", allowed_hosts={"127.0.0.1:8000"}), Denied)
    assert isinstance(judge_url("http://127.0.0.2:8000/v1", param="base_url", allowed_hosts={allowed}), Denied)
    assert isinstance(judge_url("http://user@127.0.0.1:8000/v1", param="base_url", allowed_hosts={allowed}), Denied)
    assert isinstance(judge_url("http://[::1]:8000", param="base_url", allowed_hosts={"[::1]:8000"}), JudgedUrl)


@pytest.mark.parametrize(
    "address",
    PRIVATE,
)
def test_an_address_is_not_public_whatever_it_is_wrapped_in(address: str) -> None:
    assert not is_public_address(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "172.32.0.1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1", "2606:4700:4700::1111"]
)
def test_a_public_address_is_public(address: str) -> None:
    assert is_public_address(address)


def test_both_ends_of_a_teredo_address_count() -> None:
    def teredo(server: int, client: int) -> str:
        number = (0x2001_0000 << 96) | (server << 64) | (client ^ 0xFFFF_FFFF)
        return ":".join(f"{(number >> shift) & 0xFFFF:x}" for shift in range(112, -16, -16))

    public, private = 0x0808_0808, 0x0A00_0001
    assert is_public_address(teredo(public, public))
    assert not is_public_address(teredo(public, private))
    assert not is_public_address(teredo(private, public))


@pytest.mark.parametrize(
    "host",
    [
        *(
            f"api.{name}"
            for name in ("localhost", "local", "localdomain", "internal", "intranet", "private", "corp", "home", "lan", "arpa")
        ),
        *(f"api.{name}" for name in ("invalid", "test", "onion", "metadata", "instance-data")),
        "a.b.local",
        "metadata.example.org",
        "instance-data.example.org",
    ],
)
def test_a_name_that_is_of_no_public_host_is_refused(host: str) -> None:
    assert isinstance(judge_url(f"https://{host}/v1", param="base_url"), Denied)
    assert isinstance(judge_url(f"https://x{host}.example.net/v1", param="base_url"), JudgedUrl)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "must be an address of at most 2048 characters, ASCII without spaces"),
        (f"https://a.com/{'x' * 2035}", "must be an address of at most 2048 characters, ASCII without spaces"),
        ("https://a.com/\x7f", "must be an address of at most 2048 characters, ASCII without spaces"),
        ("https://a.com/ ", "must be an address of at most 2048 characters, ASCII without spaces"),
        ("https://a@b.com", "must have no user name, query, fragment or backslash"),
        ("x", "is not an address such as https://host/path"),
        ("https://", "is not an address such as https://host/path"),
        ("https://api.openai.com:65536", "is not an address such as https://host/path"),
        ("https://a_b.com", "names a host that is none"),
        ("https://127.1", "names a host that is none"),
        ("https://api.openai.com/a//b", "has a path with other than plain segments"),
        ("http://api.openai.com:8443", "must start with https://"),
        ("https://api.openai.com:80", "must be at port 443 or 8443"),
        ("https://[::1]", "must be a public address; only the operator can allow others (byok.allowed_hosts)"),
        ("https://10.0.0.1", "must be a public address; only the operator can allow others (byok.allowed_hosts)"),
        ("https://gateway", "must be a public name; only the operator can allow others (byok.allowed_hosts)"),
        ("https://xn--pi-6kc.com", "must be a name in plain letters; only the operator can allow international ones (byok.allowed_hosts)"),
    ],
)
def test_a_refusal_says_what_is_wrong(url: str, said: str) -> None:
    denied = judge_url(url, param="base_url")
    assert isinstance(denied, Denied)
    assert denied.message == f"base_url {said}."


LONG_HOST = ".".join(["a" * 63] * 3 + ["b" * 57, "org"])


@pytest.mark.parametrize(
    "url",
    [
        f"https://a.com/{'x' * 2034}",  # 2,048 characters
        f"https://{LONG_HOST}",  # 253
        "https://a.com/!$&'()*+,=:~._-",
        "https://3com.com",
        "https://1.2.3.4.example.org",
        "https://0x1.example.org",
        "https://a.co",
        "https://home.example.org",
        "https://localhost.example.org",
    ],
)
def test_what_is_just_within_the_bounds_is_taken(url: str) -> None:
    judged = judge_url(url, param="base_url")
    assert isinstance(judged, JudgedUrl), judged
    assert judged.url == url


@pytest.mark.parametrize(
    "url",
    [
        f"https://a{LONG_HOST}",
        f"https://{LONG_HOST.replace('b' * 57, 'b' * 58)}",
        f"https://{'a' * 64}.org",
        "https://a-.org",
        "https://a.org/...",
        "https://a.org/v1/..",
        "https://1.2.3",
        "https://example.0x1",
    ],
)
def test_what_is_just_beyond_the_bounds_is_not(url: str) -> None:
    assert isinstance(judge_url(url, param="base_url"), Denied)


@pytest.mark.parametrize(
    ("url", "place", "port"),
    [
        ("https://api.openai.com/v1/x", "api.openai.com", 443),
        ("https://api.openai.com:443", "api.openai.com", 443),
        ("https://api.openai.com:8443/v1", "api.openai.com:8443", 8443),
        ("http://10.0.0.1/v1", "http://10.0.0.1", 80),
        ("http://10.0.0.1:80", "http://10.0.0.1", 80),
        ("http://10.0.0.1:8000/v1", "http://10.0.0.1:8000", 8000),
        ("https://[2606:4700::1111]:8443/v1", "[2606:4700::1111]:8443", 8443),
    ],
)
def test_a_secret_is_sealed_for_the_host_the_port_and_whether_it_is_encrypted(url: str, place: str, port: int) -> None:
    judged = judge_url(url, param="base_url", allowed_hosts={"10.0.0.1"})
    assert isinstance(judged, JudgedUrl)
    assert (judged.place, judged.port) == (place, port)
    assert name_place(judged.url) == name_place(url) == place


def test_what_is_no_address_is_no_place() -> None:
    assert name_place("nonsense") is None


@pytest.mark.parametrize("flags", ["0", "100", "200", "300"])
def test_an_isatap_address_is_judged_by_its_ipv4_address_whatever_its_flags(flags: str) -> None:
    assert not is_public_address(f"2606:4700::{flags}:5efe:10.0.0.1")
    assert is_public_address(f"2606:4700::{flags}:5efe:8.8.8.8")
    for other in ("1:5efe", "5eff", "5efc"):
        assert is_public_address(f"2606:4700::{other}:10.0.0.1")  # no more than looks like it


def test_every_bit_of_a_wrapped_address_counts() -> None:
    assert not is_public_address("64:ff9b::168.63.129.16")
    assert is_public_address("64:ff9b::168.63.129.17")
