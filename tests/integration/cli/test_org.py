"""`anyrouter envs` and `anyrouter org` on a data directory of their own."""

import io
from pathlib import Path
from typing import Any

import pytest


def test_environments_are_made_listed_changed_and_deleted(command: Any) -> None:
    made = command("envs", "create", "staging", "--rpm", "60", "--json").json["data"]
    assert (made["slug"], made["kind"], made["rate_limit_rpm"]) == ("staging", "live", 60)
    assert [row["slug"] for row in command("envs", "list", "--json").json["data"]] == ["live", "staging", "test"]
    changed = command("envs", "change", "staging", "--rpm", "none", "--concurrency", "3", "--inactive", "--policy", "strict", "--json")
    assert changed.json["data"].items() >= {"rate_limit_rpm": None, "concurrency": 3, "is_active": False, "budget_policy": "strict"}.items()
    assert "inactive" in command("envs", "list").out
    assert command("keys", "create", "--name", "a", "--env", "staging", "--json").error["code"] == "invalid_parameter"
    assert command("envs", "delete", "staging").code == 0
    assert command("envs", "delete", "staging", "--json").error["code"] == "not_found"
    assert command("envs", "create", "staging", "--json").error["code"] == "duplicate_name"
    assert command("envs", "delete", "live", "--json").error["code"] == "unprocessable"
    assert command("envs", "change", "live").code == 2
    assert command("envs", "change", "live", "--rpm", "lots", "--json").error["code"] == "invalid_parameter"


def test_what_the_file_declares_is_changed_there(command: Any, data_dir: Path) -> None:
    data_dir.mkdir(mode=0o700)
    (data_dir / "anyrouter.toml").write_text('[[environments]]\nslug = "ci"\nkind = "sandbox"\nconcurrency = 2\n')
    (found,) = [row for row in command("envs", "list", "--json").json["data"] if row["slug"] == "ci"]
    assert (found["is_managed"], found["concurrency"]) == (True, 2)
    refused = command("envs", "change", "ci", "--concurrency", "9", "--json")
    assert (refused.code, refused.error["code"]) == (5, "managed_by_file")
    (data_dir / "anyrouter.toml").write_text('[[environments]]\nslug = "ci"\nkind = "live"\n')
    assert "kind never changes" in command("envs", "list").err


def test_an_upstream_that_names_no_environment_there_is_makes_the_doctor_doubt(command: Any, data_dir: Path) -> None:
    command("envs", "list")
    text = '[[upstreams]]\nid = "own"\nprovider = "ollama"\nbase_url = "http://127.0.0.1:9/v1"\nenvironments = ["staging"]\n'
    (data_dir / "anyrouter.toml").write_text(text)
    doubts = [row for row in command("doctor", "--offline", "--json").json["data"] if row["check"] == "environments"]
    assert [row["state"] for row in doubts] == ["warning"]
    assert "staging" in doubts[0]["text"]
    command("envs", "create", "staging")
    assert not [row for row in command("doctor", "--offline", "--json").json["data"] if row["check"] == "environments"]


def test_organisations_are_made_changed_and_disabled(command: Any) -> None:
    made = command("org", "create", "Acme", "--json").json["data"]
    assert [row["id"] for row in command("org", "list", "--json").json["data"]] == ["org_default", made["id"]]
    changed = command("org", "change", made["id"], "--name", "Acme Ltd", "--max-key-lifetime", "90d", "--json").json["data"]
    assert (changed["name"], changed["max_key_lifetime_s"]) == ("Acme Ltd", 90 * 86_400)
    assert command("org", "change", made["id"], "--max-key-lifetime", "none", "--json").json["data"]["max_key_lifetime_s"] is None
    assert command("org", "disable", made["id"], "--json").json["data"]["is_active"] is False
    assert "disabled" in command("org", "show", made["id"]).out
    assert command("org", "enable", made["id"], "--json").json["data"]["is_active"] is True
    assert command("org", "show", "org_none", "--json").error["code"] == "not_found"
    assert command("org", "change", made["id"]).code == 2
    assert [row["slug"] for row in command("envs", "list", "--org", made["id"], "--json").json["data"]] == ["live", "test"]
    key = command("keys", "create", "--name", "a", "--org", made["id"], "--json").json["data"]
    assert key["id"] not in command("keys", "list", "--json").out


def test_members_are_added_invited_changed_and_removed(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = command("org", "add-member", "ada@example.org", "--name", "Ada", "--json").json["data"]
    assert owner["role"] == "owner"
    invited = command("org", "invite", "bob@example.org", "--role", "admin", "--json").json
    assert invited["token"] not in command("org", "invitations").out
    monkeypatch.setattr("sys.stdin", io.StringIO(invited["token"] + "\n"))
    bob = command("org", "accept", "-", "--email", "bob@example.org", "--json").json["data"]
    assert (bob["role"], bob["email"]) == ("admin", "bob@example.org")
    assert command("org", "accept", invited["token"], "--email", "bob@example.org", "--json").error["code"] == "not_found"
    assert command("org", "change-member", "bob@example.org", "--role", "viewer", "--json").json["data"]["role"] == "viewer"
    assert command("org", "remove-member", bob["id"]).code == 0
    assert [row["id"] for row in command("org", "members", "--json").json["data"]] == [owner["id"]]
    assert command("org", "remove-member", "ada@example.org", "--json").error["code"] == "unprocessable"
    assert command("org", "remove-member", "nobody@example.org", "--json").error["code"] == "not_found"
    second = command("org", "invite", "cy@example.org", "--json").json["data"]
    assert command("org", "revoke-invitation", second["id"]).code == 0
    assert command("org", "invitations", "--json").json["data"] == []


def test_a_link_lets_a_member_set_a_password_and_who_is_invited_in(command: Any) -> None:
    ada = command("org", "add-member", "ada@example.org", "--json").json["data"]
    made = command("org", "members", "link", "ADA@example.org", "--json").json
    assert made["data"].items() >= {"kind": "reset", "email": "ada@example.org"}.items()
    assert made["link"] == f"http://127.0.0.1:8080/reset?token={made['token']}"
    assert made["token"].startswith("lnk_")
    told = command("audit", "list", "--json")
    assert [row["target_id"] for row in told.json["data"] if row["action"] == "link.create"] == [ada["id"]]
    assert made["token"] not in told.out

    first = command("org", "invite", "bob@example.org", "--role", "billing", "--json").json
    assert first["link"] == f"http://127.0.0.1:8080/invite?token={first['token']}"
    again = command("org", "members", "link", "bob@example.org", "--json").json
    assert (again["data"]["kind"], again["token"] != first["token"]) == ("invitation", True)
    assert command("org", "accept", first["link"], "--email", "bob@example.org", "--json").error["code"] == "not_found"
    assert command("org", "accept", again["link"], "--email", "bob@example.org", "--json").json["data"]["role"] == "billing"

    refused = command("org", "members", "link", "nobody@example.org", "--json")
    assert (refused.code, refused.error["code"]) == (3, "not_found")
    command("org", "remove-member", "bob@example.org")
    assert command("org", "members", "link", "bob@example.org", "--json").error["code"] == "not_found"


def test_an_organisation_that_is_named_too_early_is_not_taken_for_another(command: Any) -> None:
    command("org", "add-member", "ada@example.org")
    refused = command("org", "members", "--org", "org_other", "link", "ada@example.org", "--json")
    assert (refused.code, refused.out) == (2, "")
    assert "at the end" in refused.error["message"]
