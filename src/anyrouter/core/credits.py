"""Credits: what an organisation was given, and took back. What it used is the ledger's."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class TransactionKind(StrEnum):
    """Why credits were added or taken."""

    GRANT = "grant"
    MONTHLY_GRANT = "monthly_grant"
    MONTHLY_EXPIRY = "monthly_expiry"  # what is left of a monthly grant at the month's end
    ADJUSTMENT = "adjustment"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditTransaction:
    """An immutable change of an organisation's credits in nano-USD, negative where they were taken."""

    id: str
    organisation_id: str
    kind: TransactionKind
    amount_nanousd: int
    at: datetime
    note: str = ""
    actor_label: str = ""
