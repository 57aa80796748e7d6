"""An hour that costs far more than hours do: of a key's rotation group, or of the whole organisation. A leaked key looks like that."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from anyrouter.control.audit import make_event
from anyrouter.control.ports import KeyStore
from anyrouter.control.stores import HourlySpend, NoticeStore, OrganisationStore, SpendReader
from anyrouter.core.audit import SYSTEM
from anyrouter.core.tenancy import Organisation

HOURS_BEFORE = 7 * 24
_HOUR_S = 3600
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyRules:
    """What an hour costs that is told: more than `factor` times the mean hour of the seven days before, and at least the floor."""

    factor: int
    floor_nanousd: int


def is_anomalous(last_nanousd: int, before_nanousd: int, rules: AnomalyRules, *, hours: int = HOURS_BEFORE) -> bool:
    """Whether an hour stands out of the hours before it, which cost `before_nanousd` together."""
    return last_nanousd >= rules.floor_nanousd and last_nanousd * hours > rules.factor * before_nanousd


class AnomalyWatch:
    """Looks at the last hour that is over."""

    def __init__(
        self,
        *,
        notices: NoticeStore,
        spend: SpendReader,
        organisations: OrganisationStore,
        keys: KeyStore,
        clock: Callable[[], datetime],
        rules: AnomalyRules,
    ) -> None:
        self._notices, self._spend, self._organisations, self._keys = notices, spend, organisations, keys
        self._clock, self._rules = clock, rules

    async def tell(self) -> None:
        """`spend.anomaly`: once a day for each rotation group and organisation. StorageUnavailable; bears being called again."""
        now = self._clock()
        hour = int(now.timestamp()) // _HOUR_S - 1
        for organisation in await self._organisations.list_organisations():
            rows = await self._spend.list_hourly(organisation.id, hour, hours_before=HOURS_BEFORE)
            last, before = (sum(row.last_nanousd for row in rows), sum(row.before_nanousd for row in rows))
            if is_anomalous(last, before, self._rules):
                await self._tell(organisation, None, last, before, hour, now)
            for row in rows:
                if is_anomalous(row.last_nanousd, row.before_nanousd, self._rules):
                    await self._tell(organisation, row, row.last_nanousd, row.before_nanousd, hour, now)

    async def _tell(  # noqa: PLR0917 -- whose hour, what it came to, when
        self, organisation: Organisation, group: HourlySpend | None, last: int, before: int, hour: int, now: datetime
    ) -> None:
        started = _EPOCH + timedelta(hours=hour)
        subject_id = organisation.id if group is None else group.rotation_group
        keys = [] if group is None else await self._keys.find_by_ids([group.rotation_group])
        event = make_event(
            SYSTEM,
            organisation.id,
            "spend.anomaly",
            now,
            target_id=subject_id,
            target_label=keys[0].label if keys else organisation.name if group is None else "",
            environment=keys[0].environment if keys else None,
            after={
                "hour": started.isoformat().replace("+00:00", "Z"),
                "spent_nanousd": last,
                "usual_nanousd": before // HOURS_BEFORE,
                "owner": "organisation" if group is None else "key",
            },
        )
        await self._notices.take_notice(organisation.id, subject_id, f"spend.anomaly:{started.date()}", now, event)
