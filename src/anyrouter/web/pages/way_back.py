"""Where a visitor goes on after signing in, when a form came without a session. Pure.

The address is put together from paths of ours: what a request says about itself leads to another site in no case.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

HOME = "/dashboard"


def find_way_back(referer: str, origin: str, path: str, is_page: Callable[[str], bool]) -> str:
    """The page that the form was on, as a path with its query.

    `origin` is ours, `path` where the form was sent, `is_page` tells whether a path can be looked at. Without a `referer` that is such a
    page of ours it is the nearest page above `path`.
    """
    try:
        parts = urlsplit(referer)
    except ValueError:
        parts = urlsplit("")
    if origin and f"{parts.scheme}://{parts.netloc}" == origin and is_page(parts.path):
        # What was done before is no news any more.
        query = "&".join(pair for pair in parts.query.split("&") if pair and not pair.startswith("done="))
        return f"{parts.path}?{query}" if query else parts.path
    while path and not is_page(path):
        path = path.rpartition("/")[0]
    return path or HOME
