"""An authenticator app: codes of a secret, each good for thirty seconds."""

import time

import pyotp

STEP_S = 30
_ROOM_S = 8


class AuthenticatorApp:
    """The app with a secret as the page shows it. `code(-1)`, `code(0)`, `code(1)` are three that the gateway takes now, in that order."""

    def __init__(self, secret: str) -> None:
        self._totp = pyotp.TOTP(secret.replace(" ", ""))
        rest = STEP_S - time.time() % STEP_S
        if rest < _ROOM_S:  # else the step ends in the middle of a test
            time.sleep(rest)
        self._at = int(time.time())

    def code(self, step: int) -> str:
        """The code of the step in which the app was made, or of one near it."""
        return self._totp.at(self._at + STEP_S * step)

    def wrong_code(self) -> str:
        """One that is of no step near."""
        near = {self._totp.at(self._at + STEP_S * step) for step in range(-3, 4)}
        return next(text for text in ("000000", "111111", "222222", "333333", "444444", "555555", "666666", "777777") if text not in near)
