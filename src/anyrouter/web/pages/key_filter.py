"""Which keys a page shows, as its address says, and the addresses of other pages. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlencode

from anyrouter.control.key_health import KeyHint, KeyState
from anyrouter.control.key_search import MAX_TEXT, KeySearch, KeySort
from anyrouter.core.apikey import KeyKind
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.keys import find_keys, hide
from anyrouter.core.scopes import ALL_SCOPES
from anyrouter.web.pages.forms import Fields

PATH = "/dashboard/keys"
ROWS = 50
MAX_PAGE = 1000
DEFAULT_SORT = "-created"
E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFilter:
    """What a link says; the names are those of the address. `sort` has a minus before it for the other direction."""

    q: str = ""
    environment: str = ""
    state: KeyState | None = None
    health: KeyHint | None = None
    scope: str = ""
    kind: KeyKind | None = None
    sort: str = DEFAULT_SORT
    page: int = 1

    @property
    def is_empty(self) -> bool:
        """Whether it restricts nothing."""
        return not any((self.q, self.environment, self.state, self.health, self.scope, self.kind))

    def make_search(self, organisation_id: str, now: datetime, *, rows: int = ROWS) -> KeySearch:
        """The question for the store."""
        return KeySearch(
            organisation_id=organisation_id,
            now=now,
            environment=self.environment or None,
            text=self.q,
            state=self.state,
            hint=self.health,
            scope=self.scope or None,
            kind=self.kind,
            sort=KeySort(self.sort.removeprefix("-")),
            is_descending=self.sort.startswith("-"),
            limit=rows,
            offset=(self.page - 1) * rows,
        )

    def link(self, **changes: str | int) -> str:
        """The address of the list with something else in it; the first page unless a page is named."""
        fields: Mapping[str, str] = {
            "q": self.q,
            "environment": self.environment,
            "state": self.state or "",
            "health": self.health or "",
            "scope": self.scope,
            "kind": self.kind or "",
            "sort": "" if self.sort == DEFAULT_SORT else self.sort,
        }
        query = {name: value for name, value in {**fields, **changes}.items() if value and (name, value) != ("page", 1)}
        return f"{PATH}?{urlencode(query)}" if query else PATH

    def sort_link(self, name: str) -> str:
        """The address of the list sorted by this column, turned round when it is already."""
        return self.link(sort=f"-{name}" if self.sort == name else name)

    def describe_sort(self, name: str) -> str:
        """What `aria-sort` says of a column."""
        return {name: "ascending", f"-{name}": "descending"}.get(self.sort, "none")


def parse_filter(query: Fields) -> KeyFilter:
    """What the address says; ClientError for what cannot be."""
    sort = query.text("sort") or DEFAULT_SORT
    if sort.removeprefix("-") not in list(KeySort):
        raise _refusal("sort", KeySort)
    scope = query.text("scope")
    if scope and scope not in ALL_SCOPES:
        raise _refusal("scope", ALL_SCOPES)
    page = query.whole("page") or 1
    return KeyFilter(
        q=query.text("q")[:MAX_TEXT].replace("\0", ""),
        environment=query.text("environment")[:16].replace("\0", ""),
        state=_choose("state", query.text("state"), KeyState),
        health=_choose("health", query.text("health"), KeyHint),
        scope=scope,
        kind=_choose("kind", query.text("kind"), KeyKind),
        sort=sort,
        page=min(page, MAX_PAGE),
    )


def shorten_keys(text: str) -> str:
    """A search text in which whole keys are reduced to their labels, which is what can be found; the text itself when there are none."""
    return hide(text).replace("\N{HORIZONTAL ELLIPSIS}", "") if find_keys(text) else text


def _choose(name: str, text: str, kind: type[E]) -> E | None:
    if not text:
        return None
    if text not in list(kind):
        raise _refusal(name, kind)
    return kind(text)


def _refusal(name: str, known: Iterable[str]) -> ClientError:
    words = ", ".join(known)
    return ClientError(Denied(code="invalid_parameter", param=name, message=f"{name}: the link is not whole; it can say {words}."))
