"""When a session holds, to the moment."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from anyrouter.core.sign_in import Session, SignInMethod
from anyrouter.core.tenancy import Member, Role
from anyrouter.policy.session import SessionRules, is_alive, is_fresh

NOW = datetime(2026, 11, 1, tzinfo=UTC)
INSTANT = timedelta(milliseconds=1)
RULES = SessionRules(idle=timedelta(hours=2), lifetime=timedelta(days=3), confirmation=timedelta(minutes=15))
ADA = Member(id="mem_1", organisation_id="org_1", email="ada@example.org", name="Ada", role=Role.VIEWER, created_at=NOW)
SESSION = Session(
    id="ses_1",
    organisation_id="org_1",
    member_id="mem_1",
    digest=b"",
    method=SignInMethod.PASSWORD,
    created_at=NOW,
    last_seen_at=NOW,
    confirmed_at=NOW,
    expires_at=NOW + timedelta(days=3),
)


def test_it_holds_for_its_member_while_that_one_is_active_and_it_was_not_ended() -> None:
    assert is_alive(SESSION, ADA, RULES, NOW)
    assert not is_alive(SESSION, replace(ADA, is_active=False), RULES, NOW)
    assert not is_alive(SESSION, replace(ADA, id="mem_2"), RULES, NOW)
    assert not is_alive(replace(SESSION, ended_at=NOW), ADA, RULES, NOW)


def test_it_is_over_when_it_was_not_used_and_in_the_end_although_it_was() -> None:
    assert is_alive(SESSION, ADA, RULES, NOW + RULES.idle - INSTANT)
    assert not is_alive(SESSION, ADA, RULES, NOW + RULES.idle)
    used = replace(SESSION, last_seen_at=NOW + RULES.lifetime - INSTANT)
    assert is_alive(used, ADA, RULES, NOW + RULES.lifetime - INSTANT)
    assert not is_alive(used, ADA, RULES, NOW + RULES.lifetime)


def test_shorter_rules_hold_for_sessions_that_are_there_and_longer_ones_do_not() -> None:
    used = replace(SESSION, last_seen_at=NOW + timedelta(days=2))
    assert not is_alive(used, ADA, replace(RULES, lifetime=timedelta(days=2)), NOW + timedelta(days=2))
    longer = replace(used, last_seen_at=SESSION.expires_at)
    assert not is_alive(longer, ADA, replace(RULES, lifetime=timedelta(days=9)), SESSION.expires_at)


def test_it_is_fresh_for_a_quarter_of_an_hour_after_the_person_was_there() -> None:
    assert is_fresh(SESSION, RULES, NOW + RULES.confirmation - INSTANT)
    assert not is_fresh(SESSION, RULES, NOW + RULES.confirmation)
    assert is_fresh(replace(SESSION, confirmed_at=NOW + RULES.confirmation), RULES, NOW + RULES.confirmation)
