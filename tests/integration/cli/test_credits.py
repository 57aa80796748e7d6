"""`anyrouter credits` and `anyrouter budgets` on a data directory of their own."""

from typing import Any

import pytest


def test_credits_are_granted_shown_and_listed(command: Any) -> None:
    assert command("credits", "show", "--json").json["data"]["balance"] == 0
    granted = command("credits", "grant", "12.5", "--note", "invoice 17", "--json").json["data"]
    assert (granted["amount"], granted["kind"], granted["note"], granted["actor"]) == (12.5, "grant", "invoice 17", "operator")
    taken = command("credits", "grant", "--json", "--", "-2.25").json["data"]
    assert (taken["amount"], taken["kind"]) == (-2.25, "adjustment")
    shown = command("credits", "show", "--json").json["data"]
    assert (shown["balance"], shown["granted"], shown["used"], shown["mode"]) == (10.25, 10.25, 0, "metered")
    listed = command("credits", "list", "--json").json["data"]
    assert [row["id"] for row in listed] == [taken["id"], granted["id"]]
    assert "12.5" in command("credits", "list").out


def test_a_monthly_grant_is_given_at_once_and_once(command: Any) -> None:
    first = command("credits", "set", "--mode", "prepaid", "--monthly", "20", "--json").json["data"]
    assert (first["mode"], first["balance"], first["monthly_grant"]) == ("prepaid", 20, 20)
    assert command("credits", "set", "--mode", "metered", "--json").json["data"]["balance"] == 20
    assert command("credits", "set").code == 2


def test_the_books_of_a_new_installation_agree(command: Any) -> None:
    audited = command("credits", "audit", "--json")
    assert (audited.code, audited.json["data"]["is_whole"], audited.json["data"]["differences"]) == (0, True, [])
    assert "agree" in command("credits", "audit").out


@pytest.mark.parametrize("amount", ["0", "lots", "1e40", "0.0000000001", "NaN"])
def test_an_amount_that_is_none_is_refused(command: Any, amount: str) -> None:
    refused = command("credits", "grant", amount, "--json")
    assert (refused.code, refused.error["code"]) == (2, "invalid_parameter")
    assert command("credits", "list", "--json").json["data"] == []


def test_an_organisation_that_is_not_there_has_no_credits(command: Any) -> None:
    refused = command("credits", "show", "--org", "org_none", "--json")
    assert (refused.code, refused.error["code"]) == (3, "not_found")


def test_budgets_are_made_listed_and_deleted(command: Any) -> None:
    key = command("keys", "create", "--name", "backend", "--json").json["data"]
    for arguments, owner in (
        (("5", "--key", "backend", "--per", "daily"), "key"),
        (("100.5", "--env", "live", "--model", "openai/*"), "environment"),
        (("1000", "--per", "total", "--name", "all"), "organisation"),
    ):
        assert command("budgets", "create", *arguments, "--json").json["data"]["owner"] == owner
    listed = command("budgets", "list", "--json").json["data"]
    assert [(row["limit_usd"], row["period"], row["models"]) for row in listed] == [
        ("5", "daily", None),
        ("100.5", "monthly", ["openai/*"]),
        ("1000", "total", None),
    ]
    assert listed[0]["owner_id"] == key["id"]
    assert command("budgets", "delete", listed[0]["id"]).code == 0
    assert len(command("budgets", "list", "--json").json["data"]) == 2
    assert command("budgets", "delete", listed[0]["id"], "--json").error["code"] == "not_found"
    assert command("budgets", "create", "5", "--env", "live", "--key", "backend").code == 2
    assert command("budgets", "create", "five", "--json").error["code"] == "invalid_parameter"
