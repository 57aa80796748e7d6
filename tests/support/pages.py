"""The table of pages, without a gateway to show them."""

from typing import Any, cast

from anyrouter.web.pages.app import add_pages
from anyrouter.web.pages.assets import Assets
from anyrouter.web.pages.render import Templates
from anyrouter.web.pages.routes import PageRow


class _Nothing:
    """Stands for ports that are not asked: pages are put on, and none is opened."""

    def __getattr__(self, name: str) -> "_Nothing":
        return self

    def __call__(self, *_: object, **__: object) -> "_Nothing":
        return self


def list_rows() -> list[PageRow]:
    """Every page with who may see it."""
    assets = Assets()
    return add_pages(cast("Any", _Nothing()), assets, Templates(assets)).rows
