"""Which requests come from a page of ours, as browsers say it."""

import pytest

from anyrouter.policy.origin import judge_origin

OURS = "https://gateway.example"


@pytest.mark.parametrize(
    ("site", "origin"),
    [("same-origin", None), ("same-origin", OURS), (None, OURS)],
)
def test_what_our_own_pages_send_is_taken(site: str | None, origin: str | None) -> None:
    assert judge_origin("POST", site, origin, OURS) is None


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "post", "ODD"])
@pytest.mark.parametrize(
    ("site", "origin"),
    [
        (None, None),
        (None, ""),
        (None, "null"),
        (None, "http://gateway.example"),
        (None, "https://gateway.example:8443"),
        (None, "https://gateway.example.evil.example"),
        ("", OURS),
        ("none", OURS),
        ("none", None),
        ("same-site", OURS),
        ("cross-site", OURS),
        ("cross-site", None),
        ("same-origin", "null"),
        ("same-origin", ""),
        ("same-origin", "https://evil.example"),
        ("Same-Origin", None),
    ],
)
def test_what_others_send_is_refused(method: str, site: str | None, origin: str | None) -> None:
    denied = judge_origin(method, site, origin, OURS)
    assert denied is not None
    assert denied.http_status == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_what_changes_nothing_may_come_from_anywhere(method: str) -> None:
    assert judge_origin(method, "cross-site", "https://evil.example", OURS) is None


def test_without_an_own_origin_no_origin_is_ours() -> None:
    for origin in (None, "", "null", OURS):
        assert judge_origin("POST", None, origin, "") is not None
    assert judge_origin("POST", "same-origin", "", "") is not None
