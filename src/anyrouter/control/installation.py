"""What is known of an installation: for the people who run it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """`database` is its kind in words. `data_bytes` is what the data directory holds, None where it cannot be read.

    `prices` is the release of the bundled prices.
    """

    database: str
    data_bytes: int | None
    prices: str
