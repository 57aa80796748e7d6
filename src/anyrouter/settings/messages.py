"""The sections `[notices]` and `[leaks]`: what owners are told by themselves, and who may report keys that leaked."""

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from anyrouter.core.money import parse_usd
from anyrouter.settings.fields import Boolean, Count, HttpUrl, Section
from anyrouter.settings.money import Usd

Days = Annotated[Count, Field(le=365)]
Percent = Annotated[Count, Field(le=100)]


class NoticeSettings(Section):
    """What is told without anybody's doing: as events of the audit log, of which webhooks hear."""

    expiry_days: tuple[Days, ...] = Field(
        default=(14, 3, 1), description="How many days before its end a key's `key.expiring` is told, once each."
    )
    budget_percent: tuple[Percent, ...] = Field(
        default=(80, 100),
        description="At which parts of a budget, or of a key's own limit, `budget.threshold` is told, once a period each.",
    )
    credits_percent: Percent = Field(
        default=10, description="`credits.low` is told when prepaid credits fall below this part of the grants that they are left of."
    )
    anomaly_factor: Annotated[Count, Field(ge=2, le=1_000_000)] = Field(
        default=5, description="`spend.anomaly` is told of a key or organisation that was charged more than this many times its usual hour."
    )
    anomaly_floor_usd: Usd = Field(default=Decimal(5), description="What an hour has to cost at least for `spend.anomaly`, in USD.")

    @property
    def anomaly_floor_nanousd(self) -> int:
        """The floor in nano-USD."""
        return parse_usd(self.anomaly_floor_usd)


class LeakSettings(Section):
    """Who may report that keys leaked, beside whoever holds them (`POST /keys/revoke`)."""

    github: Boolean = Field(
        default=False,
        description="Whether `POST /leaks/github` takes the signed reports of GitHub's secret scanning partner program. A key that is "
        "reported there is disabled at once.",
    )
    github_keys_url: HttpUrl = Field(
        default="https://api.github.com/meta/public_keys/secret_scanning",
        description="Where the public keys are that the reports are signed with.",
    )
