"""When a key begins and expires: the texts that people write, and what is accepted as a moment. Pure."""

import re
from datetime import UTC, datetime, timedelta

from anyrouter.core.errors import ClientError, Denied

PARAM = "expires_at"
LAST_YEAR = 9998
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_SPAN = re.compile(r"([0-9]{1,7})([mhd])", re.ASCII)
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})?", re.ASCII)
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?", re.ASCII)
_MAX_LENGTH = 40
_NO_OFFSET = "the time has no offset; end it with Z for UTC, or with an offset such as +02:00"
_FORMS = "write a span such as 90m, 12h or 30d, or an RFC 3339 time such as 2030-01-31T12:00:00Z"


def parse_expiry(text: str, now: datetime) -> datetime:
    """The moment in UTC that `text` names: `90m`, `12h`, `30d` from `now` on, or an RFC 3339 time with its offset.

    ClientError `invalid_parameter` for anything else: bare numbers (seconds and milliseconds look alike), times without an
    offset (they mean something else twice a year), days that no calendar has, the past, and years from 9999 on.
    """
    return check_expiry(parse_moment(PARAM, text, now), now)


def parse_span(text: str) -> timedelta | None:
    """The span that `90m`, `12h` or `30d` names, None for any other text."""
    span = _SPAN.fullmatch(text.strip()[:_MAX_LENGTH])
    return int(span[1]) * _UNITS[span[2]] if span else None


def parse_moment(param: str, text: str, now: datetime) -> datetime:
    """As `parse_expiry`, for another field, and the past is as good as the future."""
    stripped = text.strip()[:_MAX_LENGTH]
    if span := _SPAN.fullmatch(stripped):
        return check_moment(param, _add(param, now, int(span[1]) * _UNITS[span[2]]))
    moment = _MOMENT.fullmatch(stripped)
    if moment is None:
        if _NUMBER.fullmatch(stripped):
            raise _refusal(param, f"a bare number could be seconds or milliseconds; {_FORMS}")
        raise _refusal(param, f"this is not a time; {_FORMS}")
    if moment[2] is None:
        raise _refusal(param, _NO_OFFSET)
    try:
        parsed = datetime.fromisoformat(stripped.upper())
    except ValueError as error:
        raise _refusal(param, "no calendar or clock has this time") from error
    return check_moment(param, parsed)


def check_expiry(expires_at: datetime, now: datetime) -> datetime:
    """`expires_at` in UTC if it is aware, later than `now` and before the year 9999; else ClientError `invalid_parameter`."""
    moment = check_moment(PARAM, expires_at)
    if moment <= now:
        raise _refusal(PARAM, "the time is not in the future")
    return moment


def check_moment(param: str, moment: datetime) -> datetime:
    """The moment in UTC if it is aware, before the year 9999; else ClientError `invalid_parameter`."""
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise _refusal(param, _NO_OFFSET)
    try:
        utc = moment.astimezone(UTC)
    except OverflowError as error:
        raise _refusal(param, f"the year is not one of 1 to {LAST_YEAR}") from error
    if utc.year > LAST_YEAR:
        raise _refusal(param, _too_late(param))
    return utc


def _add(param: str, now: datetime, span: timedelta) -> datetime:
    try:
        return now + span
    except OverflowError as error:
        raise _refusal(param, _too_late(param)) from error


def _too_late(param: str) -> str:
    advice = "; leave the expiry out for a key that does not expire" if param == PARAM else ""
    return f"the year is beyond {LAST_YEAR}{advice}"


def _refusal(param: str, reason: str) -> ClientError:
    return ClientError(Denied(code="invalid_parameter", message=f"{param}: {reason}", param=param))
