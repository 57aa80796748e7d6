"""What a client calls itself, in few characters. Pure; clients may send anything."""

import re

_BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Version", "Safari"))
_PRODUCT = re.compile(r"([A-Za-z][A-Za-z0-9._-]*(?:/[A-Za-z][A-Za-z0-9._-]*)?)(?:[/ ]v?([0-9][0-9A-Za-z.+-]*))?")
_MAX_LENGTH = 40


def short_client(user_agent: str | None) -> str:
    """A client's name and version: `curl 8.5.0`, `Firefox 133`; the start of what is no such name; empty for nothing."""
    if not user_agent:
        return ""
    if user_agent.startswith("Mozilla/"):
        for token, name in _BROWSERS:
            if found := re.search(rf"\b{token}/([0-9]+)", user_agent):
                return f"{name} {found[1]}"
        return "a browser"
    product = _PRODUCT.match(user_agent)
    if product is None:
        return user_agent[:_MAX_LENGTH]
    return f"{product[1]} {product[2] or ''}".strip()[:_MAX_LENGTH]
