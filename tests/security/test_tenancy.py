"""Sections E and F of the attack cases, as far as there are environments, reading and the commands for keys."""

import json

import pytest
from tests.security.conftest import ASKED, BODIES, Exposed

from anyrouter.cli import app
from support.raw_client import Reply, raw_request
from support.served import run_command, wait_for


def get(exposed: Exposed, path: str, key: str) -> Reply:
    return exposed.ask(raw_request(b"GET", f"/v1/{path}".encode(), key=key))


FILTERS = [
    "key_id=*",
    "key_id=%25",
    "api_key_id=key_0",
    "org_id=org_default",
    "org_id[]=org_default",
    "organisation_id=org_other",
    "environment=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "environment_id=env_test",
    "rotation_group=*",
    "where=1=1",
    "group_by[]=key",
    "group_by=key;DROP%20TABLE%20ledger",
    "group_by=key,api_keys.digest",
    "group_by=digest",
    "group_by=*",
    "group_by=count(*)",
    "group_by=sleep(9)",
    "group_by=1",
    "group_by=Key",
    "group_by=",
    "group_by=,",
    "group_by=date%00",
    "from=2026-01-01'--",
    "from=now",
    "from=2026-1-1",
    "from=1970-01-01",
    "from=99999-01-01",
    "from=%D9%A2026-01-01",
    "to=2026-02-30",
    "to=toDate('2026-01-01')",
    "from=2026-02-01&to=2026-01-01",
    "from=2000-01-01&to=2026-01-01",
    "date=2026-01-01&from=2026-01-01",
    "format=xml",
    "format=CSV",
    "format=csv%0d%0a",
]


@pytest.mark.parametrize("query", FILTERS)
def test_a_filter_that_is_none_is_refused_and_not_passed_over(exposed: Exposed, query: str) -> None:
    for key in (exposed.live_key, exposed.key("--scope", "usage:read", "--scope", "admin:*")):
        assert get(exposed, f"activity?{query}", key).status == 400


def test_a_key_s_usage_is_its_own_in_every_grouping_and_form(exposed: Exposed) -> None:
    busy, quiet = exposed.new_key(), exposed.new_key()
    assert exposed.chat(key=busy).status == 200
    assert exposed.chat(key=exposed.test_key).status == 200
    wait_for(lambda: get(exposed, "activity", busy).json["data"])  # the sums follow the entries by milliseconds
    for query in ("", "?group_by=key", "?group_by=environment", "?group_by=date&group_by=key,model,provider,environment"):
        assert sum(row["requests"] for row in get(exposed, f"activity{query}", busy).json["data"]) == 1
        assert get(exposed, f"activity{query}", quiet).json["data"] == []
    assert get(exposed, "activity?format=csv", quiet).body.count(b"\n") == 1
    assert get(exposed, "key", quiet).json["data"]["usage"] == 0
    assert get(exposed, "key", busy).json["data"]["usage"] > 0


def test_a_test_key_has_the_sandbox_s_prices_and_nobody_s_money(exposed: Exposed) -> None:
    before = get(exposed, "credits", exposed.live_key).json["total_usage"]
    for endpoint, body in ASKED.items():
        reply = exposed.ask(raw_request(b"POST", b"/v1/" + endpoint.encode(), key=exposed.test_key, body=body))
        entry = get(exposed, f"generation/{reply.headers['x-generation-id']}", exposed.test_key).json["data"]
        assert (entry["environment"], entry["total_cost"]) == ("test", 0)
    assert exposed.upstream.received == []
    assert get(exposed, "credits", exposed.live_key).json["total_usage"] == before


def test_the_same_name_in_two_environments_is_two_keys(exposed: Exposed) -> None:
    live, test = (exposed.new_key("--env", environment, name="twin") for environment in ("live", "test"))
    assert exposed.id_of(live) != exposed.id_of(test)
    with pytest.raises(AssertionError):
        exposed.new_key(name="twin")
    for key, environment in ((live, "live"), (test, "test")):
        assert get(exposed, "key", key).json["data"]["environment"] == environment


def test_foreign_ids_in_a_body_are_no_identity(exposed: Exposed) -> None:
    other = exposed.id_of(exposed.live_key)
    names = ("api_key_id", "environment_id", "environment", "organisation_id", "user_id", "provider_credential_id", "is_admin")
    body = json.dumps({**json.loads(BODIES["chat/completions"]), **dict.fromkeys(names, other)}).encode()
    reply = exposed.chat(key=exposed.test_key, body=body)
    assert reply.json["provider"] == "Sandbox"
    entry = get(exposed, f"generation/{reply.headers['x-generation-id']}", exposed.test_key).json["data"]
    assert entry["api_key_id"] == exposed.id_of(exposed.test_key)
    assert exposed.upstream.received == []


NAMES = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "=cmd|'/C calc'!A0",
    "+1+1",
    "@SUM(1)",
    "-2",
    "--name",
    "'; DROP TABLE api_keys;--",
    "../../etc/passwd",
    "{{7*7}}",
    "%s%n",
    "\u202egnp.exe",
    "a\u200fb",
    "\x1b[31mred",
    "a\nb",
    "a\tb",
    "a\0b"[:1] + "\x7f",
    "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    "e\u0301",
    "\ue000",
    "n" * 100,
    "n" * 101,
    "n" * 10_000_000,
    " ",
    "",
    "\u3000",
]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name[:20]))
def test_a_name_is_refused_or_kept_as_it_is_and_shown_without_effect(
    exposed: Exposed, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = ["--data-dir", str(exposed.gateway.data_dir)]
    code = app.run(["keys", "create", f"--name={name}", "--json", *directory])
    created = capsys.readouterr()
    assert "Traceback" not in created.out + created.err
    if code != 0:
        assert len(created.err) < 2_000
        assert "ar-live-" not in created.out
        return
    made = json.loads(created.out)
    assert 1 <= len(made["data"]["name"]) <= 100
    assert made["data"]["name"].isprintable()
    assert get(exposed, "key", made["key"]).json["data"]["name"] == made["data"]["name"]
    for command in (["keys", "list"], ["keys", "show", made["data"]["id"]]):
        assert app.run([*command, *directory]) == 0
        shown = capsys.readouterr().out
        assert "\x1b" not in shown
        assert made["key"] not in shown


def test_a_key_s_text_is_said_at_its_creation_and_never_again(exposed: Exposed) -> None:
    key = exposed.new_key()
    key_id = exposed.id_of(key)
    commands = (["list"], ["show", key_id], ["disable", key_id], ["enable", key_id])
    answers = [run_command(exposed.gateway.data_dir, "keys", *command) for command in commands]
    answers.append(get(exposed, "key", key).json)
    answers.append(run_command(exposed.gateway.data_dir, "keys", "delete", key_id))
    for answer in answers:
        text = json.dumps(answer)
        assert key[len("ar-live-") + 6 :] not in text
        assert exposed.live_key[len("ar-live-") + 6 :] not in text
        assert "digest" not in text
