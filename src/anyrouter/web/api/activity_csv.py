"""Activity as CSV (RFC 4180), safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Sequence
from decimal import Decimal

from anyrouter.core.money import format_decimal
from anyrouter.web.api.replies import ActivityItem

COLUMNS = ActivityItem.__struct_fields__
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def render_csv(items: Sequence[ActivityItem]) -> str:
    """A header line and one line for each item; amounts as plain decimals, what is null as nothing.

    Models are named by clients: a text that a spreadsheet would run as a formula is preceded by an apostrophe (CWE-1236).
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    writer.writerows([render_cell(getattr(item, column)) for column in COLUMNS] for item in items)
    return out.getvalue()


def render_cell(value: str | float | None) -> str:
    """One value as a text that a spreadsheet shows and does not run."""
    if value is None:
        return ""
    if isinstance(value, float):
        return format_decimal(Decimal(repr(value)))
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
