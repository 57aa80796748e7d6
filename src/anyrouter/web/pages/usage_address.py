"""The address of the usage page: everything that it shows is in there, and every link of the page is an address with something changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import urlencode

from anyrouter.control.usage_range import RangeName, UsageRange, parse_range
from anyrouter.control.usage_reader import Split
from anyrouter.control.usage_view import SORTS, Measure
from anyrouter.core.errors import ClientError, Denied
from anyrouter.web.pages.forms import Fields

PATH = "/dashboard/usage"
FILTERS = ("key", "model", "provider", "environment", "app")
NAMES = ("range", "from", "to", "zone", "measure", "by", *FILTERS, "sort", "page", "compare")
DEFAULT_SORT = "-cost"
MAX_TEXT = 200
_NO_CHANGES: Mapping[str, str | None] = {}
_MAX_PAGE = 10_000
# Where a click leads: what is asked next of one value.
_NEXT_SPLIT = {
    Split.KEY: Split.MODEL,
    Split.MODEL: Split.KEY,
    Split.PROVIDER: Split.MODEL,
    Split.ENVIRONMENT: Split.KEY,
    Split.APP: Split.MODEL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageAddress:
    """`given` are the texts of the address; the rest is what they mean. `filters` are by their names, those that are set."""

    given: Mapping[str, str]
    shown: UsageRange
    measure: Measure
    split: Split | None
    filters: Mapping[str, str]
    sort: str
    page: int
    is_compared: bool

    def link(self, changes: Mapping[str, str | None] = _NO_CHANGES, path: str = PATH) -> str:
        """The address with some texts changed; None takes one out. Back to the first page of rows, unless that is what changes."""
        texts: dict[str, str | None] = {**self.given, "page": None, **changes}
        pairs = [(name, text) for name in NAMES if (text := texts.get(name)) is not None]
        return path + (f"?{urlencode(pairs)}" if pairs else "")

    def drill(self, value: str) -> str:
        """Only this value of the split, told apart by the next thing."""
        if self.split is None:
            return self.link()
        return self.link({self.split.value: value, "by": self._next_split(), "sort": None})

    def zoom(self, first: date, last: date) -> str:
        """Only these days."""
        return self.link({"range": None, "from": first.isoformat(), "to": last.isoformat()})

    def without(self, name: str) -> str:
        """Without one filter."""
        return self.link({name: None})

    def sorted_by(self, name: str) -> str:
        """Sorted by a column: numbers from the largest on, names from A on, and the other way round at the second click."""
        first, second = ("name", "-name") if name == "name" else (f"-{name}", name)
        return self.link({"sort": second if self.sort == first else first})

    def direction(self, name: str) -> str:
        """How a column is sorted, in the words of `aria-sort`; empty when it is not."""
        return {f"-{name}": "descending", name: "ascending"}.get(self.sort, "")

    def hidden(self, *without: str) -> list[tuple[str, str]]:
        """The fields that a form of the page must carry along."""
        return [(name, text) for name, text in self.given.items() if name not in {*without, "page"}]

    def _next_split(self) -> str:
        wanted = None if self.split is None else _NEXT_SPLIT[self.split]
        if wanted is None or wanted.value in self.filters:
            wanted = next((split for split in Split if split is not self.split and split.value not in self.filters), None)
        return "none" if wanted is None else wanted.value


def parse_address(query: Fields, now: datetime) -> UsageAddress:
    """What an address means; ClientError `invalid_parameter` names what cannot be understood."""
    given = {name: query.text(name) for name in NAMES if query.has(name)}
    given = {name: text for name, text in given.items() if text or name == "app"}
    shown = parse_range(now, **_range_texts(given))
    if shown.name is not RangeName.CUSTOM:
        given = {name: text for name, text in given.items() if name not in {"from", "to"}}
    filters = {name: _check_text(name, given[name]) for name in FILTERS if name in given}
    return UsageAddress(
        given=given,
        shown=shown,
        measure=Measure(_choose("measure", given, tuple(Measure), Measure.COST)),
        split=_parse_split(given),
        filters=filters,
        sort=_choose("sort", given, ("name", "-name", *SORTS, *(f"-{name}" for name in SORTS)), DEFAULT_SORT),
        page=_parse_page(given.get("page", "1")),
        is_compared=_choose("compare", given, ("on", "off"), "on") == "on",
    )


def _range_texts(given: Mapping[str, str]) -> dict[str, str]:
    """A named range wins over days that a form has left in its fields."""
    name = given.get("range", "")
    is_named = bool(name) and name != RangeName.CUSTOM
    days = {} if is_named else {"date_from": given.get("from", ""), "date_to": given.get("to", "")}
    return {"name": name, "zone": given.get("zone", ""), **days}


def _parse_split(given: Mapping[str, str]) -> Split | None:
    name = _choose("by", given, ("none", *Split), Split.MODEL)
    return None if name == "none" else Split(name)


def _parse_page(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= _MAX_PAGE and len(text) < 6):  # noqa: PLR2004 -- digits
        raise _refusal("page", "a number from 1 on is needed")
    return int(text)


def _choose(name: str, given: Mapping[str, str], known: tuple[str, ...], default: str) -> str:
    text = given.get(name, default)
    if text not in known:
        raise _refusal(name, f"one of {', '.join(known)} is needed")
    return text


def _check_text(name: str, text: str) -> str:
    if len(text) > MAX_TEXT or not text.isprintable():
        raise _refusal(name, f"1 to {MAX_TEXT} printable characters are needed")
    return text


def _refusal(param: str, reason: str) -> ClientError:
    return ClientError(Denied(code="invalid_parameter", message=f"{param}: {reason}.", param=param))
