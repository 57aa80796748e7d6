"""/dashboard/settings/credits: what the organisation was given, what it used, what is left."""

from urllib.parse import quote

from starlette.responses import Response

from anyrouter.core.credits import TransactionKind
from anyrouter.core.scopes import ADMIN_BILLING
from anyrouter.core.tenancy import CreditMode
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import Page, PageRoutes

PATH = "/dashboard/settings/credits"
ROWS = 50
KINDS = {
    TransactionKind.GRANT: "Given",
    TransactionKind.MONTHLY_GRANT: "Monthly grant",
    TransactionKind.MONTHLY_EXPIRY: "Rest of a monthly grant, taken back",
    TransactionKind.ADJUSTMENT: "Taken back",
}


class CreditPages:
    """To be looked at. Credits are given by the operator alone, with a command: nobody gives themselves what they are charged for."""

    def __init__(self, ports: PagePorts) -> None:
        self._credits, self._billing = ports.api.credits, ports.billing

    def add_to(self, routes: PageRoutes) -> None:
        """Put the page on."""
        routes.get(PATH, self.show, needs=ADMIN_BILLING)

    async def show(self, page: Page) -> Response:
        """GET: the balance, and the transactions before one that the link names."""
        organisation_id, before = page.visit.organisation_id, page.query.optional("before")
        balance = await self._credits.read_balance(organisation_id)
        found = await self._credits.list_transactions(organisation_id, limit=ROWS + 1, before_id=before)
        rows = found[:ROWS]
        return await page.render(
            "credits.html",
            balance=balance,
            is_prepaid=balance.mode is CreditMode.PREPAID,
            rows=rows,
            kinds=KINDS,
            organisation_id=organisation_id,
            billing=self._billing,
            next_link=f"{PATH}?before={quote(rows[-1].id, safe='')}" if len(found) > ROWS else "",
            first_link=PATH if before else "",
        )
