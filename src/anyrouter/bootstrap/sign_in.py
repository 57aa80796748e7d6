"""What people sign in with, put together. Imported with the pages: hashing passwords needs a library that nothing else does."""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from anyrouter.bootstrap.services import Services, wall_clock
from anyrouter.bootstrap.single_sign_on import make_single_sign_on
from anyrouter.control.passwords import Passwords
from anyrouter.control.profile import ProfileService
from anyrouter.control.second_factor import SecondFactorService
from anyrouter.control.sign_in import SignInService

if TYPE_CHECKING:  # as in bootstrap.services
    from anyrouter.control.passkeys import PasskeyService
    from anyrouter.control.single_sign_on import SingleSignOn
    from anyrouter.settings import Settings
    from anyrouter.storage.opening import Storage

T = TypeVar("T")


class Later(Generic[T]):
    """Something that is made once, on a thread, when it is first asked for: its library takes time and memory."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._making: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        """It. When it could not be made it is tried again the next time."""
        if self._making is None or (self._making.done() and self._making.exception() is not None):
            self._making = asyncio.get_running_loop().create_task(asyncio.to_thread(self._make))
        return await asyncio.shield(self._making)


def make_sign_in(storage: "Storage", services: Services) -> SignInService:
    """Signing in over a store that is open. What it counts lasts as long as it does."""
    return SignInService(
        store=storage.sign_in,
        members=storage.members,
        member_service=services.members,
        sessions=services.sessions,
        links=services.sign_in_links,
        set_up=services.set_up,
        denials=services.denials,
        passwords=Passwords(),
        clock=wall_clock,
        monotonic=time.monotonic,
    )


def make_profiles(storage: "Storage", services: Services) -> ProfileService:
    """What members do about themselves."""
    return ProfileService(members=storage.members, store=storage.sign_in, sessions=services.sessions, clock=wall_clock)


def make_second_factors(storage: "Storage", services: Services) -> SecondFactorService:
    """Codes of authenticator apps, with their secrets sealed as credentials are."""
    return SecondFactorService(
        store=storage.sign_in, sessions=services.sessions, vault=services.vault, clock=wall_clock, monotonic=time.monotonic
    )


def make_passkeys(storage: "Storage", services: Services, base_url: Callable[[], str]) -> "PasskeyService":
    """Passkeys for the address that the gateway has by then."""
    from anyrouter.control.passkeys import PasskeyService  # noqa: PLC0415 -- its library takes 10 MB, which not everybody needs

    return PasskeyService(store=storage.sign_in, sessions=services.sessions, base_url=base_url, clock=wall_clock, monotonic=time.monotonic)


def find_single_sign_on(settings: "Settings", storage: "Storage", services: Services) -> "SingleSignOn | None":
    """Single sign-on, where the operator wants it. Its provider is the operator's choice, and so may be anywhere."""
    return make_single_sign_on(settings, services.operator_client, storage.sign_in, services.members, wall_clock)
