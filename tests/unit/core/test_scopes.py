import pytest

from anyrouter.core import scopes
from anyrouter.core.scopes import ADMIN_SCOPES, ALL_SCOPES, DEFAULT_SCOPES, grants, is_admin, parse


def test_a_key_without_scopes_gets_the_documented_four_and_no_admin_scope() -> None:
    assert parse([]) == parse(()) == ("completions:write", "embeddings:write", "models:read", "usage:read")
    assert not is_admin(frozenset(DEFAULT_SCOPES))


def test_each_scope_grants_itself_and_no_other() -> None:
    for held in ALL_SCOPES:
        granted = {needed for needed in ALL_SCOPES if grants(frozenset({held}), needed)}
        assert granted == (set(ADMIN_SCOPES) if held == scopes.ADMIN_ALL else {held})


def test_nothing_is_granted_by_nothing() -> None:
    assert not any(grants(frozenset(), needed) for needed in ALL_SCOPES)


def test_a_part_of_admin_is_not_the_whole() -> None:
    assert not grants(frozenset({scopes.ADMIN_KEYS, scopes.ADMIN_ORG, scopes.ADMIN_BYOK, scopes.ADMIN_BILLING}), scopes.ADMIN_ALL)


@pytest.mark.parametrize("held", ["*", "admin", "admin:", "admin:**", "ADMIN:*", "completions:*", "*:write"])
def test_a_stored_text_that_is_no_scope_grants_nothing(held: str) -> None:
    assert not any(grants(frozenset({held}), needed) for needed in ALL_SCOPES)


@pytest.mark.parametrize(
    "value",
    [
        "admin",
        "admin:",
        "admin:**",
        "*",
        "Completions:Write",
        " completions:write ",
        "admin:*\n",
        "completions:write\x00",
        "",
        "usage:*",
        "кey",
    ],
)
def test_what_is_not_a_scope_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="unknown scope"):
        parse([value])
    with pytest.raises(ValueError, match="unknown scope"):
        parse([scopes.MODELS_READ, value])


def test_repetitions_are_dropped_and_the_order_is_the_documented_one() -> None:
    assert parse([scopes.USAGE_READ, scopes.COMPLETIONS_WRITE, scopes.USAGE_READ]) == (scopes.COMPLETIONS_WRITE, scopes.USAGE_READ)
    assert parse(list(reversed(ALL_SCOPES))) == ALL_SCOPES


def test_ten_thousand_scopes_are_refused_in_a_short_sentence() -> None:
    with pytest.raises(ValueError, match="10000 scopes"):
        parse([scopes.MODELS_READ] * 10_000)
    with pytest.raises(ValueError, match="unknown scope") as caught:
        parse(["x" * 10_000] * 10_000)
    assert len(str(caught.value)) < 400
