"""What the pages below /dashboard/settings need beside what all pages have."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from anyrouter.control.budget_usage import BudgetUsage
from anyrouter.control.installation import Installation
from anyrouter.control.proofs import ProofReader


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsPorts:
    """`installation` looks at the data directory."""

    budget_usage: BudgetUsage
    proofs: ProofReader
    installation: Callable[[], Awaitable[Installation]]
