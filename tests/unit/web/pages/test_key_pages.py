"""What the pages of keys decide without I/O: addresses, forms, words, snippets."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from anyrouter.control.ports import KeyTotals
from anyrouter.core import scopes
from anyrouter.core.apikey import ApiKey
from anyrouter.core.audit import OPERATOR, Actor, ActorKind, AuditEvent
from anyrouter.core.budget import BudgetPeriod
from anyrouter.core.keys import DOCUMENTATION_KEY, generate, label_of
from anyrouter.web.pages.forms import Fields, parse_fields
from anyrouter.web.pages.key_bulk import read_back
from anyrouter.web.pages.key_filter import KeyFilter, parse_filter, shorten_keys
from anyrouter.web.pages.key_form import KeyForm, find_changes, form_of, list_differences, read_key_form, read_wishes
from anyrouter.web.pages.key_history import tell
from anyrouter.web.pages.key_lines import describe_end, describe_key, describe_scopes
from anyrouter.web.pages.key_snippets import list_snippets
from anyrouter.web.pages.user_agents import short_client

NOW = datetime(2030, 1, 2, 12, tzinfo=UTC)
KEY = ApiKey(
    id="key_1",
    organisation_id="org",
    environment_id="env",
    environment="live",
    name="backend",
    label="ar-live-Ab3dE6",
    digest=b"",
    pepper_version=1,
    rotation_group="key_1",
    scopes=frozenset(scopes.DEFAULT_SCOPES),
    created_at=NOW - timedelta(days=30),
    updated_at=NOW - timedelta(days=1),
)
FULL = replace(
    KEY,
    models=("openai/*",),
    endpoints=("chat/completions",),
    providers=("openai",),
    regions=("eu",),
    allowed_ips=("203.0.113.0/24",),
    rate_limit_rpm=60,
    rate_limit_tpm=0,
    rate_limit_rpd=5000,
    concurrency=8,
    limit_nanousd=25_500_000_000,
    limit_reset=BudgetPeriod.DAILY,
    not_before=NOW - timedelta(days=2),
    expires_at=NOW + timedelta(days=5),
    tags=("a", "b"),
)


@pytest.mark.parametrize(
    "query", ["", "q=a%26b&environment=live&state=disabled&sort=-name&page=3", "health=no_expiry&scope=usage%3Aread&kind=personal"]
)
def test_a_filter_and_its_address_say_the_same(query: str) -> None:
    found = parse_filter(parse_fields(query))
    again = parse_filter(parse_fields(found.link(page=found.page).partition("?")[2]))
    assert again == found


def test_another_sorting_begins_at_the_first_page_and_turns_round_the_second_time() -> None:
    wanted = KeyFilter(q="x", page=4)
    assert wanted.sort_link("name") == "/dashboard/keys?q=x&sort=name"
    assert replace(wanted, sort="name").sort_link("name") == "/dashboard/keys?q=x&sort=-name"
    assert replace(wanted, sort="name").describe_sort("name") == "ascending"


def test_a_whole_key_is_searched_for_by_its_label() -> None:
    key = generate("live")
    assert shorten_keys(f"x {key} y") == f"x {label_of(key)} y"
    assert shorten_keys("ar-live-Ab3dE6") == "ar-live-Ab3dE6"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/dashboard/keys?q=a", "/dashboard/keys?q=a"),
        ("/dashboard/keys", "/dashboard/keys"),
        ("", "/dashboard/keys"),
        ("//evil.example", "/dashboard/keys"),
        ("/dashboard/keysx?q=a", "/dashboard/keys"),
        ("/dashboard/keys?q=a#b", "/dashboard/keys"),
        ("/dashboard/keys?q=\r\nx: y", "/dashboard/keys"),
    ],
)
def test_the_way_back_is_the_list(text: str, path: str) -> None:
    assert read_back(text) == path


@pytest.mark.parametrize("key", [KEY, FULL, replace(FULL, scopes=frozenset({scopes.ADMIN_KEYS, scopes.MODELS_READ}))])
def test_a_form_that_is_sent_as_it_was_shown_changes_nothing(key: ApiKey) -> None:
    wishes, errors = read_wishes(form_of(key), NOW)
    assert errors == {}
    assert find_changes(key, wishes, NOW) == {}


def test_what_is_emptied_is_taken_away() -> None:
    form = replace(form_of(FULL), models=(), endpoints=(), regions="", allowed_ips="", rate_limit_rpm="", limit="", tags="", expiry="never")
    wishes, errors = read_wishes(form, NOW)
    assert errors == {}
    changes = find_changes(FULL, wishes, NOW)
    assert {name: changes[name] for name in ("models", "endpoints", "regions", "allowed_ips", "rate_limit_rpm", "limit", "expires_at")} == (
        dict.fromkeys(("models", "endpoints", "regions", "allowed_ips", "rate_limit_rpm", "limit", "expires_at"))
    )
    assert "providers" not in changes


def test_a_preset_stands_for_its_scopes_whatever_is_ticked() -> None:
    said = read_key_form(Fields([("name", "a"), ("preset", "read"), ("scopes", "admin:*"), ("expiry", "never")]))
    wishes, errors = read_wishes(said, NOW)
    assert errors == {}
    assert wishes["scopes"] == (scopes.MODELS_READ, scopes.USAGE_READ)


def test_all_mistakes_of_a_form_are_told_at_once() -> None:
    _, errors = read_wishes(KeyForm(limit="x", rate_limit_rpm="y", allowed_ips="10.0.0.1 zzz", models_more="nothing"), NOW)
    assert set(errors) == {"name", "limit", "rate_limit_rpm", "allowed_ips", "models"}
    assert "\N{LEFT DOUBLE QUOTATION MARK}zzz\N{RIGHT DOUBLE QUOTATION MARK}" in errors["allowed_ips"]


def test_two_forms_differ_in_what_people_typed_only() -> None:
    mine = replace(form_of(KEY), tags="mine", version="1", model_search="x")
    assert list_differences(mine, replace(form_of(KEY), version="2")) == [("tags", "mine", "")]


@pytest.mark.parametrize(
    ("held", "text"),
    [
        (scopes.DEFAULT_SCOPES, "inference, reading"),
        ((scopes.COMPLETIONS_WRITE,), "completions"),
        ((scopes.USAGE_READ, scopes.ADMIN_KEYS, scopes.ADMIN_ORG), "usage read, admin: keys, org"),
        ((scopes.ADMIN_ALL,), "admin: everything"),
    ],
)
def test_scopes_are_told_in_few_words(held: tuple[str, ...], text: str) -> None:
    assert describe_scopes(frozenset(held)) == text


def test_a_budget_is_compared_with_what_its_period_has_cost() -> None:
    totals = KeyTotals(total=4, daily=1, weekly=2, monthly=3)
    for period, spent in ((BudgetPeriod.DAILY, 1), (BudgetPeriod.WEEKLY, 2), (BudgetPeriod.MONTHLY, 3), (BudgetPeriod.TOTAL, 4)):
        assert describe_key(replace(FULL, limit_reset=period), totals, {}, NOW).spent_nanousd == spent


@pytest.mark.parametrize(
    ("grace_s", "text"),
    [
        (None, ""),
        (0, "with the first use of the new key"),
        (3600, "1 hour after the first use of the new key"),
        (172_800, "2 days after the first use of the new key"),
        (90, "90 seconds after the first use of the new key"),
    ],
)
def test_an_end_that_waits_is_told_in_words(grace_s: int | None, text: str) -> None:
    assert describe_end(replace(KEY, grace_s=grace_s)) == text


@pytest.mark.parametrize(
    ("agent", "text"),
    [
        (None, ""),
        ("curl/8.5.0", "curl 8.5.0"),
        ("OpenAI/Python 2.8.0", "OpenAI/Python 2.8.0"),
        ("Mozilla/5.0 (X11) AppleWebKit/537.36 Chrome/131.0 Safari/537.36 Edg/130.0", "Edge 130"),
        ("Mozilla/5.0 (nothing known)", "a browser"),
        ("\u2603" * 99, "\u2603" * 40),
    ],
)
def test_a_client_is_named_briefly(agent: str | None, text: str) -> None:
    assert short_client(agent) == text


def make_event(actor: Actor, action: str = "key.update", **sides: object) -> AuditEvent:
    return AuditEvent(id="aud_1", organisation_id="org", at=NOW, actor=actor, action=action, **sides)  # type: ignore[arg-type]


def test_who_did_it_is_named_to_those_only_who_may_know() -> None:
    member = Actor(kind=ActorKind.MEMBER, id="mem_1", label="ada@example.org")
    key = Actor(kind=ActorKind.KEY, id="key_2", label="ar-live-Ab3dE6")
    names = [
        tell(make_event(actor), visitor_id=visitor, names_actors=names_actors).who
        for actor, visitor, names_actors in (
            (member, "mem_1", False),
            (member, "mem_2", True),
            (member, "mem_2", False),
            (key, "x", True),
            (OPERATOR, "x", True),
        )
    ]
    assert names == ["you", "ada@example.org", "a member", "the key ar-live-Ab3dE6…", "the operator"]


def test_a_change_is_told_by_what_it_was_and_became() -> None:
    event = make_event(
        OPERATOR,
        before={"limit_nanousd": None, "disabled": False, "models": ["a/b", "a/c"], "name": "x"},
        after={"limit_nanousd": 25_000_000_000, "disabled": True, "models": None, "name": "y" * 300},
    )
    assert list(tell(event, visitor_id="x", names_actors=True).changes) == [
        ("limit", "nothing", "$25.00"),
        ("disabled", "no", "yes"),
        ("models", "a/b, a/c", "nothing"),
        ("name", "x", "y" * 200 + "…"),
    ]
    assert tell(make_event(OPERATOR, "key.create", after={"name": "x"}), visitor_id="x", names_actors=True).changes == []


def test_a_snippet_quotes_what_a_shell_and_a_language_would_read() -> None:
    snippets = list_snippets("https://gateway.example", DOCUMENTATION_KEY, 'it\'s/"odd"')
    assert [row.title for row in snippets] == ["curl", "Environment file", "Python", "TypeScript", "Anthropic SDK"]
    for row in snippets[2:]:
        compile(row.text, row.title, "exec") if row.title != "TypeScript" else None
        assert DOCUMENTATION_KEY not in row.text
    assert "'\"'\"'" in snippets[0].text


def test_a_key_that_asks_no_models_is_shown_how_to_ask_about_itself() -> None:
    snippets = list_snippets("https://gateway.example", DOCUMENTATION_KEY, None)
    assert [row.title for row in snippets] == ["curl", "Environment file"]
    assert "https://gateway.example/api/v1/key " in snippets[0].text
