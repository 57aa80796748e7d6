"""The address of the activity page: every filter is in there, and every link of the page is an address with something changed. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, TypeVar
from urllib.parse import urlencode

from anyrouter.control.entry_search import MIN_PREFIX, EntryPlace, EntrySearch
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.ids import generation_id_of
from anyrouter.core.ledger import EntryState
from anyrouter.core.money import parse_usd
from anyrouter.web.pages.forms import Fields

PATH = "/dashboard/activity"
NO_APP = "(none)"
MAX_TEXT = 200
_PLACE = re.compile(r"([0-9]{1,16})(?:\.(gen-[!-~]{1,60}))?", re.ASCII)
_ID = re.compile(r"[!-~]{1,256}", re.ASCII)
_KEY_ID = re.compile(r"(?:key|play)_[0-9a-z]{1,60}", re.ASCII)  # what stands in a key's place in the playground has an id, too
_MAX_MS = 10**12
_STATUS = range(100, 1000)
_NO_CHANGES: Mapping[str, str | None] = {}
E = TypeVar("E", bound=StrEnum)


class Status(StrEnum):
    """How generations ended, as the filter names it."""

    OK = "ok"
    ERRORS = "errors"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


STATES: Mapping[Status, frozenset[EntryState]] = {
    Status.OK: frozenset({EntryState.SETTLED}),
    Status.ERRORS: frozenset({EntryState.FAILED, EntryState.INTERRUPTED}),
    Status.CANCELLED: frozenset({EntryState.CANCELLED}),
    Status.INTERRUPTED: frozenset({EntryState.INTERRUPTED}),
}
RANGES: Mapping[str, tuple[str, timedelta]] = {
    "15m": ("Last 15 minutes", timedelta(minutes=15)),
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
    "90d": ("Last 90 days", timedelta(days=90)),
}
STATUS_TEXTS: Mapping[Status, str] = {
    Status.OK: "Delivered",
    Status.ERRORS: "Errors",
    Status.CANCELLED: "Cancelled by the client",
    Status.INTERRUPTED: "Interrupted",
}
STREAMED_TEXTS: Mapping[str, str] = {"yes": "Streamed", "no": "Not streamed"}
LABELS: Mapping[str, str] = {
    "id": "Id",
    "range": "Time",
    "from": "From",
    "to": "To",
    "environment": "Environment",
    "key": "Key",
    "model": "Model",
    "provider": "Provider",
    "upstream": "Upstream",
    "app": "App",
    "status": "Outcome",
    "error": "Error",
    "streamed": "Streaming",
    "min_cost": "Cost from",
    "min_latency": "Latency from",
    "trace": "Trace",
}


class Chip(NamedTuple):
    """A filter that is set: its name, what it says, and the address without it."""

    label: str
    text: str
    without: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityAddress:
    """`given` are the texts of the address by their names, without empty ones; `key` is an id, or a name to look a key up by."""

    given: Mapping[str, str]

    def link(self, changes: Mapping[str, str | None] = _NO_CHANGES, path: str = PATH) -> str:
        """The address with some texts changed; None takes one out. The newest entries, unless a place is named."""
        texts: dict[str, str | None] = {**self.given, "before": None, **changes}
        pairs = [(name, text) for name in (*LABELS, "before") if (text := texts.get(name))]
        return path + (f"?{urlencode(pairs)}" if pairs else "")

    def only(self, name: str, value: str) -> str:
        """As it is, with one filter more, for links within the list itself: without its path."""
        return self.link({name: value}, path="")

    def at(self, place: EntryPlace) -> str:
        """The page that begins there."""
        return self.link({"before": f"{place.created_at_ms}.{place.generation_id}".rstrip(".")})

    def text(self, name: str) -> str:
        """What a field of the form shows."""
        return self.given.get(name, "")

    def list_chips(self) -> list[Chip]:
        """The filters that are set, in words."""
        return [Chip(label, self._tell(name), self.link({name: None})) for name, label in LABELS.items() if name in self.given]

    def _tell(self, name: str) -> str:
        text = self.given[name]
        if name == "range":
            return RANGES[text][0] if text in RANGES else text
        if name == "status":
            return STATUS_TEXTS[Status(text)] if text in list(Status) else text
        if name == "streamed":
            return STREAMED_TEXTS.get(text, text)
        if name in {"from", "to"}:
            return f"{text.replace('T', ' ')} UTC"
        return {"min_cost": f"${text}", "min_latency": f"{text} ms"}.get(name, text)


def read_address(query: Fields) -> ActivityAddress:
    """What an address says, whether or not it can be understood."""
    return ActivityAddress(given={name: text[:300] for name in (*LABELS, "before") if (text := query.text(name))})


def make_search(address: ActivityAddress, organisation_id: str, now: datetime) -> EntrySearch:
    """What an address asks for, apart from the environment and the key, whose ids it does not know.

    ClientError `invalid_parameter`, whose `param` is the name of the text that cannot be understood.
    """
    given = address.given
    for name, text in given.items():
        if len(text) > MAX_TEXT or not text.isprintable():
            raise _refusal(name, f"1 to {MAX_TEXT} printable characters are needed")
    since_ms, until_ms = _read_times(given, now)
    error, http_status = _read_error(given.get("error"))
    app = given.get("app")
    return EntrySearch(
        organisation_id=organisation_id,
        since_ms=since_ms,
        until_ms=until_ms,
        before=_read_place(given["before"]) if "before" in given else None,
        model=given.get("model"),
        provider=given.get("provider"),
        upstream=given.get("upstream"),
        app="" if app == NO_APP else app,
        states=STATES[_read_choice("status", given["status"], Status)] if "status" in given else None,
        error=error,
        http_status=http_status,
        is_streamed=_read_choice("streamed", given["streamed"], _Answer) is _Answer.YES if "streamed" in given else None,
        min_cost_nanousd=_read_cost(given["min_cost"]) if "min_cost" in given else None,
        min_latency_ms=_read_ms(given["min_latency"]) if "min_latency" in given else None,
        trace_id=given.get("trace"),
        id_text=_read_id(given["id"]) if "id" in given else None,
    )


def is_key_id(text: str) -> bool:
    """Whether a text is the id of a key, and no name."""
    return _KEY_ID.fullmatch(text) is not None


class _Answer(StrEnum):
    YES = "yes"
    NO = "no"


def _read_choice(name: str, text: str, kind: type[E]) -> E:
    if text not in list(kind):
        raise _refusal(name, f"one of {', '.join(kind)} is needed")
    return kind(text)


def _read_times(given: Mapping[str, str], now: datetime) -> tuple[int, int | None]:
    name = given.get("range")
    if name is not None and name not in RANGES:
        raise _refusal("range", f"one of {', '.join(RANGES)} is needed")
    since = _read_moment("from", given["from"]) if "from" in given else None
    until = _read_moment("to", given["to"], is_end=True) if "to" in given else None
    if since is not None and until is not None and since >= until:
        raise _refusal("from", "it is later than the end")
    if since is None and name is not None:
        since = now - RANGES[name][1]
    return 0 if since is None else _to_ms(since), None if until is None else _to_ms(until)


def _read_moment(name: str, text: str, *, is_end: bool = False) -> datetime:
    """A minute or a day of UTC; the end of it when it ends a range, since it is in there."""
    for form, width in (("%Y-%m-%dT%H:%M", timedelta(minutes=1)), ("%Y-%m-%d", timedelta(days=1))):
        try:
            moment = datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        if 2000 <= moment.year < 3000:  # noqa: PLR2004 -- what all stores take
            return moment + width if is_end else moment
    raise _refusal(name, "a day or a minute of UTC is needed, as 2026-03-31 or 2026-03-31T14:05")


def _read_error(text: str | None) -> tuple[str | None, int | None]:
    """A code of an error, or a status of HTTP."""
    if text is None or not (text.isascii() and text.isdigit()):
        return text, None
    if len(text) > 3 or int(text) not in _STATUS:  # noqa: PLR2004 -- digits of a status
        raise _refusal("error", "a code such as rate_limited is needed, or a status of HTTP such as 429")
    return None, int(text)


def _read_cost(text: str) -> int:
    try:
        return parse_usd(text.removeprefix("$"))
    except ValueError as error:
        raise _refusal("min_cost", str(error)) from None


def _read_ms(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and int(text) <= _MAX_MS):  # noqa: PLR2004 -- digits that every store takes
        raise _refusal("min_latency", "a whole number of milliseconds is needed, such as 2000")
    return int(text)


def _read_id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise _refusal("id", "an id has no spaces and only ASCII characters; it looks like gen-0192f0c4a7e8…")
    if text.startswith("req-"):  # what a reply's X-Request-Id says
        text = generation_id_of(text)
    if "gen-".startswith(text[:4]) and len(text) < MIN_PREFIX:
        raise _refusal("id", f"at least the first {MIN_PREFIX} characters of a generation's id are needed, such as gen-0192f0c4a7e8")
    return text


def _read_place(text: str) -> EntryPlace:
    place = _PLACE.fullmatch(text)
    if place is None:
        raise _refusal("before", "this link is not whole: the place where the page begins cannot be read. Begin with the newest entries")
    return EntryPlace(int(place[1]), place[2] or "")


def _to_ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _refusal(name: str, reason: str) -> ClientError:
    return ClientError(Denied(code="invalid_parameter", param=name, message=f"{name}: {reason}."))
