"""How moments are written in replies."""

from datetime import UTC, datetime


def rfc3339(moment: datetime) -> str:
    """The moment in UTC with milliseconds: 2030-01-31T12:00:00.000Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rfc3339_of_ms(unix_ms: int) -> str:
    """As `rfc3339`, from Unix milliseconds."""
    return rfc3339(datetime.fromtimestamp(unix_ms / 1000, UTC))
