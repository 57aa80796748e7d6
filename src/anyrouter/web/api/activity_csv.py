"""Activity as CSV (RFC 4180), safe to open in a spreadsheet."""

import csv
import io
import re
from collections.abc import Sequence
from decimal import Decimal

from anyrouter.core.money import format_decimal
from anyrouter.web.api.replies import ActivityItem

COLUMNS = ActivityItem.__struct_fields__
_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20"
# At the start; and within, where a cell of its own begins for a spreadsheet that divides lines at semicolons or tabs, as those of half of
# Europe do: to them a quote in the middle of a line is no quote.
_FORMULA = re.compile(rf"^(?=[\t\r\n]|\s*[{_SIGNS}])|(?<=[;\t\r\n])(?=(?:[^\S\t\r\n]|\")*[{_SIGNS}])")


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
    return _FORMULA.sub("'", text)
