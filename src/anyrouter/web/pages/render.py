"""Templates into HTML, on threads: a page of many rows takes milliseconds, which the requests of models need not wait for."""

import asyncio
import gc
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from anyrouter.web.pages import words
from anyrouter.web.pages.assets import Assets


class Templates:
    """The templates of the package. Everything that is put into them is escaped, and a name that is not given is an error."""

    def __init__(self, assets: Assets) -> None:
        self._environment = environment = Environment(
            loader=PackageLoader("anyrouter.web.pages"),
            autoescape=select_autoescape(default=True, default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.globals["asset"] = assets.url
        environment.filters.update(
            money=words.money,
            cost=words.cost,
            number=words.number,
            many=words.many,
            duration=words.duration_ms,
            moment=words.moment,
            day=words.day,
            iso=words.iso,
            ago=words.ago,
            when=when,
        )
        environment.globals["percent"] = words.percent

    async def render(self, name: str, context: Mapping[str, Any]) -> str:
        """The page."""
        return await asyncio.to_thread(self._render, name, context)

    def _render(self, name: str, context: Mapping[str, Any]) -> str:
        try:
            return self._environment.get_template(name).render(context)
        finally:
            # A template leaves some hundred objects that refer to each other. The collector would come for those of many pages at once,
            # in 30 to 80 ms in which nothing else runs; for those of one it takes half a millisecond.
            gc.collect(0)


def when(value: datetime | None, now: datetime) -> Markup | str:
    """A time as people say it, with the exact one for machines and for who points at it."""
    if value is None:
        return "never"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(words.iso(value), words.moment(value), words.ago(value, now))
