"""/dashboard: what is wrong first, then today's numbers, then what a new installation needs next. And /, which leads there."""

from starlette.responses import Response

from anyrouter.control.home_facts import Step, compare_days, list_steps
from anyrouter.core.scopes import ADMIN_BYOK
from anyrouter.policy.rights import may
from anyrouter.web.pages.cookies import STEPS_COOKIE, steps_cookie
from anyrouter.web.pages.home_figures import draw_day, has_any, list_tiles, name_measure
from anyrouter.web.pages.home_reading import HomeFacts, HomeReader
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import MEMBER, PUBLIC, Page, PageRoutes, redirect

PATH = "/dashboard"


class HomePages:
    """The way in."""

    def __init__(self, ports: PagePorts) -> None:
        self._reader = HomeReader(ports)

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get("/", self.lead, needs=PUBLIC)
        routes.get(PATH, self.show, needs=MEMBER)
        routes.post(f"{PATH}/steps", self.change_steps, needs=MEMBER)

    async def lead(self, page: Page) -> Response:  # noqa: ARG002 -- a handler's signature
        """GET /."""
        return redirect(PATH)

    async def show(self, page: Page) -> Response:
        """GET /dashboard."""
        facts = await self._reader.read(page.visit)
        day = compare_days(facts.hours, page.visit.now)
        steps = _list_steps(page, facts)
        is_done = all(step.is_done for step in steps)
        is_dismissed = page.cookie(STEPS_COOKIE) == page.visit.member_visitor.member.id
        return await page.render(
            "home.html",
            problems=facts.problems,
            unserved=facts.unserved,
            may_add_provider=may(page.visit.rights, ADMIN_BYOK),
            tiles=list_tiles(day),
            chart=draw_day(day) if has_any([*day.todays, *day.yesterdays]) else "",
            measure=name_measure(day),
            steps=[] if is_done or is_dismissed else steps,
            steps_done=sum(step.is_done for step in steps),
            are_steps_hidden=is_dismissed and not is_done,
        )

    async def change_steps(self, page: Page) -> Response:
        """POST …/steps: hide the next steps in this browser, or show them again."""
        reply = redirect(PATH)
        reply.headers.append("set-cookie", steps_cookie(page.visit.member_visitor.member.id if page.form.text("show") == "no" else ""))
        return reply


def _list_steps(page: Page, facts: HomeFacts) -> list[Step]:
    return [step for step in list_steps(facts.progress) if not step.scope or may(page.visit.rights, step.scope)]
