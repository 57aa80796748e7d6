"""How values are written for people: money, numbers, times, sizes. Pure; the filters of the templates.

Money is an integer of nano-USD until it is a text.
"""

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

_NANO = Decimal(1_000_000_000)
_CENT, _SMALLEST = Decimal("0.01"), Decimal("0.000001")
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
_SECOND_MS = 1000
_MANY = ((1_000_000_000, "B"), (1_000_000, "M"), (10_000, "k"))
NOTHING = "\N{EN DASH}"


def money(nanousd: int | None) -> str:
    """An amount in USD: two decimals from a cent on, else as many as are needed, at most six."""
    if nanousd is None:
        return NOTHING
    amount = Decimal(abs(nanousd)) / _NANO
    if amount >= _CENT or not amount:
        text = f"{amount.quantize(_CENT, ROUND_HALF_UP):,}"
    elif amount < _SMALLEST:
        text = "0.000001"
        return f"< {'-' if nanousd < 0 else ''}${text}"
    else:
        text = f"{amount.quantize(_SMALLEST, ROUND_HALF_UP):f}".rstrip("0")
    return f"{'-' if nanousd < 0 else ''}${text}"


def cost(nanousd: int | None) -> str:
    """What a request cost, in USD: always six decimals, so that amounts below each other can be compared; nothing is $0.00."""
    if nanousd is None or abs(nanousd) * 1_000_000 < _NANO:
        return money(nanousd)
    return f"{'-' if nanousd < 0 else ''}${(Decimal(abs(nanousd)) / _NANO).quantize(_SMALLEST, ROUND_HALF_UP):,}"


def number(value: int | None) -> str:
    """A whole number with separators."""
    return NOTHING if value is None else f"{value:,}"


def many(value: int | None) -> str:
    """A whole number in few characters: 1,234, 56.7k, 8.9M."""
    if value is None:
        return NOTHING
    for size, unit in _MANY:
        if value >= size:
            unit_size = 1000 if unit == "k" else size
            return f"{value / unit_size:.1f}{unit}"
    return f"{value:,}"


def percent(part: int, whole: int) -> str:
    """A part of a whole; a dash when there is nothing to be a part of."""
    if whole <= 0:
        return NOTHING
    share = 100 * part / whole
    return f"{share:.0f} %" if share >= 10 or share == 0 else f"{share:.1f} %"  # noqa: PLR2004 -- one more digit below ten


def duration_ms(milliseconds: int | None) -> str:
    """A time span: 85 ms, 1.24 s, 3 min 20 s."""
    if milliseconds is None:
        return NOTHING
    if milliseconds < _SECOND_MS:
        return f"{milliseconds} ms"
    seconds = milliseconds / _SECOND_MS
    if seconds < _MINUTE_S:
        return f"{seconds:.2f} s"
    return f"{int(seconds // _MINUTE_S)} min {int(seconds % _MINUTE_S)} s"


def ago(moment: datetime | None, now: datetime) -> str:
    """How long ago, or in how long, in words."""
    if moment is None:
        return "never"
    seconds = int((now - moment).total_seconds())
    text = _span(abs(seconds))
    if text == "now":
        return "just now" if seconds >= 0 else "in a moment"
    return f"{text} ago" if seconds >= 0 else f"in {text}"


def _span(seconds: int) -> str:
    for size, unit in ((_DAY_S, "day"), (_HOUR_S, "hour"), (_MINUTE_S, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "now"


def moment(value: datetime | None) -> str:
    """A time in UTC to the second, for people."""
    return NOTHING if value is None else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def day(value: datetime | None) -> str:
    """The day of a time, in UTC."""
    return NOTHING if value is None else value.astimezone(UTC).strftime("%Y-%m-%d")


def iso(value: datetime) -> str:
    """A time for machines (RFC 3339)."""
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
