import pytest

from anyrouter.policy.ways_in import LAST_WAY, WaysIn


@pytest.mark.parametrize("ways", [WaysIn(has_password=True), WaysIn(passkeys=1), WaysIn(identities=1), WaysIn()])
def test_the_last_way_in_stays(ways: WaysIn) -> None:
    assert ways.judge_removal() == LAST_WAY


@pytest.mark.parametrize("ways", [WaysIn(has_password=True, passkeys=1), WaysIn(passkeys=2), WaysIn(passkeys=1, identities=1)])
def test_one_of_two_may_go(ways: WaysIn) -> None:
    assert ways.judge_removal() is None
