"""What people sign in with is loaded by who uses it: a gateway that nobody looks at does without."""

import asyncio
import subprocess
import sys

import pytest

from anyrouter.bootstrap.sign_in import Later

LIBRARIES = ("argon2", "authlib", "fido2", "jinja2", "joserfc", "pyotp", "segno")


@pytest.mark.parametrize(
    ("modules", "loaded"),
    [
        ("anyrouter.bootstrap.gateway", []),
        ("anyrouter.web.pages.app, anyrouter.bootstrap.sign_in", ["argon2", "jinja2", "pyotp", "segno"]),
    ],
)
def test_libraries_come_with_what_needs_them(modules: str, loaded: list[str]) -> None:
    code = f"import sys, {modules}; print(*[name for name in {LIBRARIES} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == loaded


async def test_what_is_made_later_is_made_once_for_all_who_ask() -> None:
    made: list[int] = []
    later = Later(lambda: made.append(1) or len(made))  # type: ignore[func-returns-value]
    assert await asyncio.gather(*(later() for _ in range(5))) == [1] * 5
    assert await later() == 1


async def test_what_could_not_be_made_is_tried_again() -> None:
    attempts: list[int] = []

    def make() -> str:
        attempts.append(1)
        if len(attempts) == 1:
            raise OSError("not now")
        return "made"

    later = Later(make)
    with pytest.raises(OSError, match="not now"):
        await later()
    assert await later() == "made"


async def test_who_gives_up_waiting_takes_it_from_nobody() -> None:
    later = Later(lambda: "made")
    impatient = asyncio.create_task(later())
    await asyncio.sleep(0)
    impatient.cancel()
    assert await later() == "made"
