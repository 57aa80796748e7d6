"""What people sign in with, put together. Imported with the pages: hashing passwords needs a library that nothing else does."""

import time
from typing import TYPE_CHECKING

from anyrouter.bootstrap.services import Services, wall_clock
from anyrouter.control.passwords import Passwords
from anyrouter.control.sign_in import SignInService

if TYPE_CHECKING:  # as in bootstrap.services
    from anyrouter.storage.opening import Storage


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
