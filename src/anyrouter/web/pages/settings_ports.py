"""What the pages below /dashboard/settings need beside what all pages have."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from anyrouter.control.budget_usage import BudgetUsage
from anyrouter.control.installation import Installation
from anyrouter.control.proofs import ProofReader
from anyrouter.core.tenancy import Environment
from anyrouter.policy.limit import LimitState


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentLoad:
    """How the limits of an environment stand at the moment; None: it has none of that kind."""

    requests: LimitState | None = None
    tokens: LimitState | None = None
    running: LimitState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsPorts:
    """`installation` looks at the data directory; `environment_load` is without I/O, and counts nothing."""

    budget_usage: BudgetUsage
    proofs: ProofReader
    installation: Callable[[], Awaitable[Installation]]
    environment_load: Callable[[Environment], EnvironmentLoad]
