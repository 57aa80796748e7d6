"""Where a visitor goes on after signing in."""

import pytest

from anyrouter.web.pages.way_back import find_way_back

OURS = "https://gateway.example:8443"
PAGES = frozenset({"/dashboard", "/dashboard/keys", "/dashboard/keys/k1"})


def find(referer: str, path: str = "/dashboard/keys/k1/state", origin: str = OURS) -> str:
    return find_way_back(referer, origin, path, PAGES.__contains__)


def test_it_is_the_page_that_the_form_was_on_with_what_its_address_said() -> None:
    assert find(f"{OURS}/dashboard/keys?q=a%26b&page=2") == "/dashboard/keys?q=a%26b&page=2"


def test_what_was_done_before_is_not_said_again() -> None:
    assert find(f"{OURS}/dashboard/keys?done=deleted&page=2") == "/dashboard/keys?page=2"
    assert find(f"{OURS}/dashboard/keys?done=deleted") == "/dashboard/keys"


@pytest.mark.parametrize(
    "referer",
    [
        "",
        "https://evil.example/dashboard/keys",
        "https://gateway.example:8443@evil.example/dashboard/keys",
        "https://gateway.example:8443.evil.example/dashboard/keys",
        "http://gateway.example:8443/dashboard/keys",
        "//gateway.example:8443/dashboard/keys",
        f"{OURS}//evil.example",
        f"{OURS}/\\evil.example",
        f"{OURS}/dashboard/keys/k1/state",
        f"{OURS}/invite?token=secret",
        "https://[",
    ],
)
def test_without_such_a_page_of_ours_it_is_the_nearest_one_above(referer: str) -> None:
    assert find(referer) == "/dashboard/keys/k1"


def test_above_what_is_no_page_is_home() -> None:
    assert find("", "/elsewhere/entirely") == "/dashboard"


def test_a_request_whose_host_is_none_names_no_page() -> None:
    assert find(":///dashboard/keys", origin="") == "/dashboard/keys/k1"
