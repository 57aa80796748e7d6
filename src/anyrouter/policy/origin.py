"""Whether a browser's request comes from a page of ours. Pure.

A browser says where a request comes from in `Sec-Fetch-Site`, which no page can set (W3C Fetch Metadata); one that does not know that
header says it in `Origin`. What changes something, and says neither, is refused: no browser of today is that silent.
"""

from anyrouter.core.errors import Denied

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_REFUSAL = Denied(
    code="cross_site_request",
    message="This form was not sent from a page of this gateway, so nothing was changed. Open the page here and send it again.",
)


def judge_origin(method: str, site: str | None, origin: str | None, own_origin: str) -> Denied | None:
    """None when the request may change something, or does not. `site` and `origin` are the headers' values, `own_origin` is ours."""
    if method in SAFE_METHODS:
        return None
    if site is not None and (site != "same-origin" or origin is None):
        return None if site == "same-origin" else _REFUSAL
    return None if origin and origin == own_origin else _REFUSAL
