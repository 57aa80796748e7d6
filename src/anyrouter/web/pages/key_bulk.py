"""/dashboard/keys/bulk: one thing done to many keys: first what would happen to which, then, after a yes, what did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from anyrouter.control.key_health import SILENT
from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.scopes import ADMIN_KEYS
from anyrouter.policy.rights import may_touch
from anyrouter.web.pages.appearance import own_path
from anyrouter.web.pages.key_filter import PATH, ROWS
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import Page, PageRoutes, redirect

_NOTHING = Denied(code="invalid_parameter", param="id", message="No key was selected. Go back, tick some, and choose again.")


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkAction:
    """What can be done to many keys. `done` is the word of the notice afterwards."""

    verb: str
    meaning: str
    done: str


ACTIONS: Mapping[str, BulkAction] = {
    "disable": BulkAction(
        verb="Disable", meaning="Requests with them are refused within a second, until the keys are enabled again.", done="disabled_all"
    ),
    "enable": BulkAction(verb="Enable", meaning="Requests with them are taken again.", done="enabled_all"),
    "delete": BulkAction(
        verb="Delete",
        meaning="Requests with them are refused within a second, for good. Their usage stays on record, their names become free.",
        done="deleted_all",
    ),
}


class KeyBulk:
    """Asks, and does. What could not be done to one key does not keep the others from it."""

    def __init__(self, ports: PagePorts) -> None:
        self._keys, self._store = ports.api.key_service, ports.api.keys

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get(f"{PATH}/bulk", self.ask, needs=ADMIN_KEYS)
        routes.post(f"{PATH}/bulk", self.act, needs=ADMIN_KEYS)

    async def ask(self, page: Page) -> Response:
        """GET: which keys, and what it means."""
        said = page.query
        name, action = _find_action(said.text("action"))
        keys = await self._find(page, said.list("id"))
        used = [key for key in keys if key.last_used_at is not None and page.visit.now - key.last_used_at < SILENT]
        return await page.render(
            "keys_bulk.html", name=name, action=action, keys=keys, used=used, back=read_back(said.text("back")), failures=()
        )

    async def act(self, page: Page) -> Response:
        """POST: done; where something failed, a page says what."""
        name, action = _find_action(page.form.text("action"))
        back = read_back(page.form.text("back"))
        failures = []
        for key in await self._find(page, page.form.list("id")):
            try:
                await self._act(page, name, key)
            except ClientError as error:
                failures.append((key, error.denied.message))
        if not failures:
            path, _, query = back.partition("?")
            return redirect(f"{path}?{query}&done={action.done}" if query else f"{path}?done={action.done}")
        return await page.render("keys_bulk.html", status=422, name=name, action=action, keys=(), used=(), back=back, failures=failures)

    async def _act(self, page: Page, name: str, key: ApiKey) -> None:
        visit = page.visit
        act = {"disable": self._keys.disable, "enable": self._keys.enable, "delete": self._keys.delete}[name]
        await act(key.id, actor=visit.actor, rights=visit.rights, organisation_id=visit.organisation_id)

    async def _find(self, page: Page, ids: Sequence[str]) -> list[ApiKey]:
        """Those of the keys that are there for the visitor; the others are as if they did not exist."""
        wanted = list(dict.fromkeys(ids))
        if len(wanted) > ROWS:
            message = f"At most {ROWS} keys can be changed at once: the keys of one page."
            raise ClientError(Denied(code="invalid_parameter", param="id", message=message))
        found = {key.id: key for key in await self._store.find_by_ids(wanted)} if wanted else {}
        keys = [found[key_id] for key_id in wanted if key_id in found]
        mine = [key for key in keys if _is_there(page, key)]
        if not mine:
            raise ClientError(_NOTHING)
        return mine


def read_back(text: str) -> str:
    """The list as it was, by its address; the whole list for any other address."""
    path = own_path(text, PATH)
    return path if path.partition("?")[0] == PATH and "#" not in path else PATH


def _find_action(name: str) -> tuple[str, BulkAction]:
    if name not in ACTIONS:
        raise ClientError(Denied(code="invalid_parameter", param="action", message=f"action: one of {', '.join(ACTIONS)} is needed."))
    return name, ACTIONS[name]


def _is_there(page: Page, key: ApiKey) -> bool:
    visit = page.visit
    return key.organisation_id == visit.organisation_id and key.deleted_at is None and may_touch(visit.rights, key)
