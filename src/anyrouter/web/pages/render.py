"""Templates into HTML, on a thread of their own: a page of many rows takes milliseconds, which the requests of models need not wait for."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from anyrouter.web.pages import words
from anyrouter.web.pages.assets import Assets

THREADS = 2


class Templates:
    """The templates of the package. Everything that is put into them is escaped, and a name that is not given is an error."""

    def __init__(self, assets: Assets) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="anyrouter-pages")
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
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._render, name, context)

    def _render(self, name: str, context: Mapping[str, Any]) -> str:
        return self._environment.get_template(name).render(context)


def when(value: datetime | None, now: datetime) -> Markup | str:
    """A time as people say it, with the exact one for machines and for who points at it."""
    if value is None:
        return "never"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(words.iso(value), words.moment(value), words.ago(value, now))
