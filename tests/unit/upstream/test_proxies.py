import base64

import pytest

from anyrouter.relay.ports import Origin
from anyrouter.upstream.proxies import Proxies, Proxy

PROXY = {"HTTPS_PROXY": "http://proxy.example:3128", "HTTP_PROXY": "proxy.example"}


def origin(host: str, port: int = 443, scheme: str = "https") -> Origin:
    return Origin(scheme=scheme, host=host, port=port)


def test_each_scheme_has_its_own_proxy() -> None:
    proxies = Proxies.from_environment(PROXY)
    assert proxies.find(origin("api.example")) == Proxy(host="proxy.example", port=3128)
    assert proxies.find(origin("api.example", 80, "http")) == Proxy(host="proxy.example", port=80)


def test_without_variables_nothing_is_proxied() -> None:
    assert Proxies.from_environment({"HTTPS_PROXY": "", "https_proxy": " "}).find(origin("api.example")) is None


def test_the_lower_case_variable_wins() -> None:
    proxies = Proxies.from_environment({**PROXY, "https_proxy": "http://other.example:8080"})
    assert proxies.find(origin("api.example")) == Proxy(host="other.example", port=8080)
    assert Proxies.from_environment({**PROXY, "https_proxy": ""}).find(origin("api.example")) is None


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "app.localhost", "127.0.0.1", "127.8.9.10", "::1", "localhost.", "::ffff:127.0.0.1"]
)
def test_loopback_is_never_proxied(host: str) -> None:
    assert Proxies.from_environment(PROXY).find(origin(host)) is None


@pytest.mark.parametrize(
    ("no_proxy", "host"),
    [
        ("*", "api.example"),
        ("api.example", "api.example"),
        ("API.Example", "api.example"),
        ("api.example", "API.EXAMPLE."),
        ("example", "api.example"),
        (".example", "api.example"),
        ("*.example", "api.example"),
        ("other, .example", "api.example"),
        ("other .example", "api.example"),
        ("api.example:443", "api.example"),
        ("10.0.0.0/8", "10.1.2.3"),
        ("10.1.2.3", "10.1.2.3"),
        ("10.1.2.3:443", "10.1.2.3"),
        ("fd00::/8", "fd12::1"),
        ("[fd12::1]:443", "fd12::1"),
        ("10.0.0.0/8", "::ffff:10.1.2.3"),
    ],
)
def test_no_proxy_exempts(no_proxy: str, host: str) -> None:
    assert Proxies.from_environment({**PROXY, "NO_PROXY": no_proxy}).find(origin(host)) is None


@pytest.mark.parametrize(
    ("no_proxy", "host"),
    [
        ("api.example", "xapi.example"),
        ("api.example", "api.example.com"),
        ("api.example:8443", "api.example"),
        ("10.0.0.0/8", "11.1.2.3"),
        ("10.1.2.3:80", "10.1.2.3"),
        ("10", "10.1.2.3"),
        ("nonsense/99", "10.1.2.3"),
        (".", "api.example"),
        ("", "api.example"),
    ],
)
def test_no_proxy_does_not_exempt(no_proxy: str, host: str) -> None:
    assert Proxies.from_environment({**PROXY, "NO_PROXY": no_proxy}).find(origin(host)) is not None


def test_credentials_become_basic_authorization_and_are_not_in_the_repr() -> None:
    proxies = Proxies.from_environment({"HTTPS_PROXY": "http://us%40er:MARKER%3A1@proxy.example:3128"})
    proxy = proxies.find(origin("api.example"))
    assert proxy is not None
    assert proxy.authorization == b"Basic " + base64.b64encode(b"us@er:MARKER:1")
    assert "MARKER" not in repr(proxies)
    assert base64.b64encode(b"us@er:MARKER:1").decode() not in repr(proxies)


@pytest.mark.parametrize(
    "value",
    ["socks5://MARKER@proxy:1080", "https://proxy:443/MARKER", "http://", "http://proxy:MARKER", "http://proxy:99999999", "http://[MARKER"],
)
def test_a_proxy_that_is_not_understood_is_refused_without_its_value(value: str) -> None:
    with pytest.raises(ValueError, match="HTTPS_PROXY") as caught:
        Proxies.from_environment({"HTTPS_PROXY": value})
    assert "MARKER" not in str(caught.value)
    assert caught.value.__cause__ is None
