"""Keys in texts that are logged or stored: reduced to their labels, wherever and however often they stand there."""

import pytest

from anyrouter.core.keys import DOCUMENTATION_KEY, generate, hide, label_of


@pytest.mark.parametrize("before", ["", "x", "?api_key=", "ar-", "ar-ar-", "Bearer ", "\n", "é"])
@pytest.mark.parametrize("after", ["", " ", "&x=1", "abc", "-", "\n", "…"])
def test_a_key_becomes_its_label_wherever_it_stands(before: str, after: str) -> None:
    key = generate("live")
    assert hide(f"{before}{key}{after}{key}") == f"{before}{label_of(key)}…{after}{label_of(key)}…"


def test_keys_of_every_environment_are_hidden() -> None:
    for environment in ("ab", "test", "a123456789012345"):
        key = generate(environment)
        assert key[-39:] not in hide(f"x {key} y")
    assert DOCUMENTATION_KEY not in hide(DOCUMENTATION_KEY)


@pytest.mark.parametrize("text", ["", "Mozilla/5.0", "ar-live", "ar-live-abc", "https://ar-app.example/ar-live-1", "a" * 10_000])
def test_what_is_no_key_stays(text: str) -> None:
    assert hide(text) == text
