"""What has to be done every now and then, whoever asks for what: each by itself, and none that fails keeps the others."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from anyrouter.core.errors import GatewayError

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chore:
    """`work` is done at the start, and `interval_s` seconds after its last end. It must bear being done twice."""

    name: str
    interval_s: float
    work: Callable[[], Awaitable[object]]


async def keep_doing(chore: Chore) -> None:
    """Do it until cancelled. What goes wrong is logged, once until it goes well again."""
    is_failing = False
    while True:
        try:
            await chore.work()
        except Exception as error:  # noqa: BLE001 -- whatever it is: it is tried again
            if not is_failing:
                reason = error.internal if isinstance(error, GatewayError) and error.internal else f"{type(error).__name__}: {error}"
                _log.warning("chore_failed", chore=chore.name, reason=reason)
            is_failing = True
        else:
            is_failing = False
        await asyncio.sleep(chore.interval_s)
