"""Which targets a request may go to: by model, environment, dialect and pin; and why not."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from anyrouter.core.apikey import ApiKey
from anyrouter.core.catalogue import Model, Tariff
from anyrouter.core.errors import Denied
from anyrouter.core.tenancy import Environment, EnvironmentKind
from anyrouter.policy.route import (
    CHAT_ENDPOINTS,
    Snapshot,
    Target,
    Upstream,
    find_candidates,
    find_obstacle,
    find_way,
    pin_target,
    route,
    select_allowed,
)
from anyrouter.providers.registry import PROVIDERS

LIVE = Environment(id="env_live", organisation_id="org_default", slug="live", name="live", kind=EnvironmentKind.LIVE)
STAGING = replace(LIVE, id="env_staging", slug="staging")
TEST = Environment(id="env_test", organisation_id="org_default", slug="test", name="test", kind=EnvironmentKind.SANDBOX)
KEY = ApiKey(
    id="key_1",
    organisation_id="org_default",
    environment_id="env_live",
    environment="live",
    name="k",
    label="ar-live-MARKER",
    digest=b"",
    pepper_version=1,
    rotation_group="key_1",
    scopes=frozenset(),
    created_at=datetime(2026, 11, 24, tzinfo=UTC),
    updated_at=datetime(2026, 11, 24, tzinfo=UTC),
)
MODELS = {
    identity: Model(
        id=identity,
        vendor=identity.split("/")[0],
        upstream_name=identity.split("/")[1].upper() if "claude" in identity else identity.split("/")[1],
        name=identity,
        tariff=Tariff(input_nanousd=1, output_nanousd=2),
    )
    for identity in ("openai/gpt-4o", "openai/gpt-4o-mini", "anthropic/claude-x", "lonely/model")
}
BARE = {identity.split("/")[1]: model for identity, model in MODELS.items()}


def upstream(identity: str, provider: str = "openai", **changes: object) -> Upstream:
    row = PROVIDERS[provider]
    values: dict[str, object] = {
        "id": identity,
        "provider": row,
        "scheme": "https",
        "host": "upstream.test",
        "port": 443,
        "base_path": "",
        "credential": "MARKER",
        "models": {f"{vendor}/*": "" for vendor in row.vendors},
        **changes,
    }
    return Upstream(**values)  # type: ignore[arg-type]


def snapshot(*upstreams: Upstream) -> Snapshot:
    return Snapshot(
        upstreams=upstreams,
        resolve=lambda name: MODELS.get(name) or BARE.get(name),
        nearest=lambda name: [identity for identity in MODELS if name[:8] in identity],
    )


def pinned(state: Snapshot, pin: str) -> tuple[Target, ...] | Denied:
    found = route(state, LIVE, "chat/completions", "openai/gpt-4o")
    return found if isinstance(found, Denied) else pin_target(state, LIVE, found, pin)


def ids(found: tuple[Target, ...] | Denied) -> list[str]:
    assert not isinstance(found, Denied), found
    return [target.upstream.id for target in found]


def denied(found: tuple[Target, ...] | Denied) -> Denied:
    assert isinstance(found, Denied)
    return found


def test_upstreams_are_ordered_by_priority_and_then_as_they_were_configured() -> None:
    state = snapshot(upstream("c", priority=2), upstream("a", priority=1), upstream("b", priority=1), upstream("z", priority=-1))
    assert ids(route(state, LIVE, "chat/completions", "openai/gpt-4o")) == ["z", "a", "b", "c"]


def test_a_bare_name_is_routed_under_its_public_id() -> None:
    found = route(snapshot(upstream("a")), LIVE, "chat/completions", "gpt-4o")
    assert not isinstance(found, Denied)
    assert (found[0].model, found[0].upstream_model, found[0].tariff) == ("openai/gpt-4o", "gpt-4o", MODELS["openai/gpt-4o"].tariff)


def test_the_upstream_gets_the_catalogues_spelling_or_its_own_name() -> None:
    state = snapshot(upstream("a", "anthropic", models={"anthropic/*": ""}))
    found = route(state, LIVE, "messages", "anthropic/claude-x")
    assert not isinstance(found, Denied)
    assert found[0].upstream_model == "CLAUDE-X"
    own = route(snapshot(upstream("a", models={"openai/gpt-4o": "my-deployment"})), LIVE, "chat/completions", "gpt-4o")
    assert not isinstance(own, Denied)
    assert (own[0].model, own[0].upstream_model) == ("openai/gpt-4o", "my-deployment")


def test_an_open_upstream_takes_names_that_the_catalogue_does_not_know_and_others_do_not() -> None:
    state = snapshot(upstream("closed"), upstream("open", is_open=True))
    found = route(state, LIVE, "chat/completions", "openai/ft:gpt-4o:org::1")
    assert not isinstance(found, Denied)
    assert [(target.upstream.id, target.upstream_model, target.tariff) for target in found] == [("open", "ft:gpt-4o:org::1", None)]
    for name in ("openai/", "openai", "other/x", "OPENAI/x", " openai/x"):
        assert denied(route(state, LIVE, "chat/completions", name)).code == "model_not_found"


@pytest.mark.parametrize("name", ["openai/*", "anthropic/*"])
def test_a_pattern_is_not_a_model(name: str) -> None:
    state = snapshot(upstream("a"), upstream("b", "anthropic"))
    endpoint = "chat/completions" if name.startswith("openai") else "messages"
    assert denied(route(state, LIVE, endpoint, name)).code == "model_not_found"


def test_a_sandbox_key_reaches_nothing_but_the_sandbox() -> None:
    state = snapshot(
        upstream("paid"),
        upstream("named", environments=frozenset({"test", "live"})),
        upstream("sandbox", "sandbox", is_sandbox=True, models={"openai/*": ""}),
    )
    assert ids(route(state, TEST, "chat/completions", "openai/gpt-4o")) == ["sandbox"]
    without = snapshot(upstream("paid"), upstream("named", environments=frozenset({"test"})))
    assert denied(route(without, TEST, "chat/completions", "openai/gpt-4o")).code == "no_route"


def test_a_live_key_reaches_the_sandbox_only_where_the_operator_says_so() -> None:
    sandbox = upstream("sandbox", "sandbox", is_sandbox=True, models={"openai/*": ""})
    assert denied(route(snapshot(sandbox), LIVE, "chat/completions", "openai/gpt-4o")).code == "no_route"
    allowed = replace(sandbox, environments=frozenset({"live"}))
    assert ids(route(snapshot(allowed), LIVE, "chat/completions", "openai/gpt-4o")) == ["sandbox"]
    assert denied(route(snapshot(allowed), STAGING, "chat/completions", "openai/gpt-4o")).code == "no_route"


def test_an_upstream_of_other_environments_is_not_there() -> None:
    state = snapshot(upstream("a", environments=frozenset({"staging"})), upstream("b", environments=frozenset()), upstream("c"))
    assert ids(route(state, LIVE, "chat/completions", "openai/gpt-4o")) == ["c"]
    assert ids(route(state, STAGING, "chat/completions", "openai/gpt-4o")) == ["a", "c"]


def test_environments_do_not_get_each_others_remembered_routes() -> None:
    state = snapshot(
        upstream("a", environments=frozenset({"staging"})), upstream("sandbox", "sandbox", is_sandbox=True, models={"openai/*": ""})
    )
    for _ in range(2):
        assert ids(route(state, STAGING, "chat/completions", "openai/gpt-4o")) == ["a"]
        assert ids(route(state, TEST, "chat/completions", "openai/gpt-4o")) == ["sandbox"]
        assert denied(route(state, LIVE, "chat/completions", "openai/gpt-4o")).code == "no_route"


def test_remembered_routes_are_bounded() -> None:
    state = snapshot(upstream("a", is_open=True))
    for number in range(10_000):
        route(state, LIVE, "chat/completions", f"openai/x{number}")
        route(state, LIVE, "chat/completions", f"nobody/x{number}")
    assert len(state.routes) <= 4096
    assert ids(route(state, LIVE, "chat/completions", "openai/gpt-4o")) == ["a"]


def test_a_chat_goes_to_a_model_of_another_dialect_by_translation() -> None:
    state = snapshot(upstream("a"), upstream("b", "anthropic"))
    [target] = route(state, LIVE, "chat/completions", "anthropic/claude-x")
    assert (target.way.dialect, target.way.is_translated) == ("anthropic", True)
    [target] = route(state, LIVE, "messages", "openai/gpt-4o")
    assert (target.way.dialect, target.way.is_translated) == ("openai", True)
    [target] = route(state, LIVE, "messages", "anthropic/claude-x")
    assert (target.way.dialect, target.way.is_translated) == ("anthropic", False)


def test_an_upstream_of_several_rows_is_asked_once_and_in_the_clients_own_format() -> None:
    state = snapshot(upstream("a", models={"anthropic/*": ""}), upstream("a", "anthropic"))
    for endpoint, dialect in (("chat/completions", "openai"), ("messages", "anthropic")):
        [target] = route(state, LIVE, endpoint, "anthropic/claude-x")
        assert (target.way.dialect, target.way.is_translated) == (dialect, False)


def test_what_is_no_chat_is_not_translated_and_the_message_names_the_right_endpoint() -> None:
    state = snapshot(upstream("a"), upstream("b", "anthropic"))
    wrong = denied(route(state, LIVE, "embeddings", "anthropic/claude-x"))
    assert (wrong.code, wrong.http_status) == ("no_route", 404)
    assert "/messages" in wrong.message
    assert wrong.metadata["excluded"] == [{"upstream": "b", "reason": "endpoint"}]
    assert denied(route(state, LIVE, "messages/count_tokens", "openai/gpt-4o")).code == "no_route"


def test_what_excluded_each_upstream_is_told() -> None:
    state = snapshot(upstream("a"), upstream("b", environments=frozenset({"staging"})))
    excluded = denied(route(state, LIVE, "chat/completions", "lonely/model")).metadata["excluded"]
    assert excluded == [{"upstream": "a", "reason": "model"}, {"upstream": "b", "reason": "environment"}]


def test_an_unknown_model_is_not_found_and_similar_ones_are_named() -> None:
    found = denied(route(snapshot(upstream("a")), LIVE, "chat/completions", "openai/gpt-5000"))
    assert (found.code, found.param) == ("model_not_found", "model")
    assert "openai/gpt-4o" in found.message
    assert found.metadata["similar"] == ["openai/gpt-4o", "openai/gpt-4o-mini"]
    nothing = denied(route(snapshot(), LIVE, "chat/completions", "zzz"))
    assert "GET /models" in nothing.message


def test_a_hostile_name_is_quoted_harmlessly() -> None:
    found = denied(route(snapshot(), LIVE, "chat/completions", "{0.__class__}'\"\u202e\r\n%s"))
    assert "\n" not in found.message
    assert "\u202e" not in found.message


@pytest.mark.parametrize(("pin", "chosen"), [("b", "b"), ("a", "a"), ("openai", "a"), ("OpenAI", "a"), ("OPENAI", "a")])
def test_a_pin_chooses_one_by_its_id_or_else_its_providers_name(pin: str, chosen: str) -> None:
    state = snapshot(upstream("a", priority=1), upstream("b", priority=2))
    assert ids(pinned(state, pin)) == [chosen]


def test_an_upstreams_id_comes_before_a_providers_name() -> None:
    state = snapshot(upstream("a", priority=1), upstream("openai", priority=2))
    assert ids(pinned(state, "openai")) == ["openai"]


@pytest.mark.parametrize("pin", ["nobody", "", "a ", "a,b", "\xff"])
def test_a_pin_to_nothing_is_a_mistake(pin: str) -> None:
    wrong = denied(pinned(snapshot(upstream("a")), pin))
    assert (wrong.code, wrong.http_status) == ("invalid_parameter", 400)
    assert pin not in wrong.message or pin in ("", "a ")


def test_a_pin_to_an_upstream_that_does_not_serve_the_model_is_no_route() -> None:
    state = snapshot(upstream("a"), upstream("b", "anthropic"))
    for pin in ("b", "anthropic", "Anthropic"):
        wrong = denied(pinned(state, pin))
        assert wrong.code == "no_route"
        assert pin in wrong.message


def test_candidates_are_those_of_any_dialect() -> None:
    state = snapshot(upstream("a"), upstream("b", "anthropic", models={"openai/gpt-4o": "x"}, priority=-1))
    assert [row.id for row in find_candidates(state, LIVE, "openai/gpt-4o")] == ["b", "a"]
    assert find_candidates(state, LIVE, "lonely/model") == []


def test_a_credential_is_not_shown() -> None:
    assert "MARKER" not in repr(upstream("a"))
    assert "MARKER" not in repr(route(snapshot(upstream("a")), LIVE, "chat/completions", "openai/gpt-4o"))


class Holder:
    """An authorization or an opening, as far as an upstream looks into it."""

    def __init__(self, *secrets: str) -> None:
        self.secrets = secrets

    def __repr__(self) -> str:
        return f"Holder{self.secrets}"


def test_every_secret_of_an_upstream_is_known_and_none_is_shown() -> None:
    everything = upstream("a", credential="MARKER-1", opening=Holder("MARKER-2"), authorization=Holder("MARKER-3", "MARKER-4"))
    assert everything.secrets == ("MARKER-1", "MARKER-2", "MARKER-3", "MARKER-4")
    assert upstream("a", credential="", opening=Holder("MARKER-2")).secrets == ("MARKER-2",)
    assert upstream("a", credential="").secrets == ()
    assert "MARKER" not in repr(everything)


def test_what_is_not_said_of_an_upstream_restricts_and_opens_nothing() -> None:
    row = Upstream(id="a", provider=PROVIDERS["openai"], scheme="https", host="x", port=443, base_path="")
    assert (row.credential, row.priority, dict(row.models), dict(row.variables)) == ("", 0, {}, {})
    assert not any((row.is_guarded, row.is_open, row.is_sandbox, row.has_own_address))


def test_an_environment_of_that_name_in_another_organisation_is_another_one() -> None:
    state = snapshot(upstream("a", environments=frozenset({"live"})), upstream("b"))
    foreign = replace(LIVE, id="env_foreign", organisation_id="org_2")
    assert ids(route(state, LIVE, "chat/completions", "openai/gpt-4o")) == ["a", "b"]
    assert ids(route(state, foreign, "chat/completions", "openai/gpt-4o")) == ["b"]


@pytest.mark.parametrize(
    ("provider", "endpoint", "expected"),
    [
        ("openai", "chat/completions", ("openai", "/chat/completions", None, False)),
        ("openai", "responses", ("responses", "/responses", None, False)),
        ("openai", "embeddings", ("openai", "/embeddings", None, False)),
        ("openai", "messages", ("openai", "/chat/completions", None, True)),
        ("openai", "generateContent", ("openai", "/chat/completions", None, True)),
        ("openai", "streamGenerateContent", ("openai", "/chat/completions", None, True)),
        ("openai", "messages/count_tokens", None),
        ("anthropic", "messages", ("anthropic", "/v1/messages", None, False)),
        ("anthropic", "messages/count_tokens", ("anthropic", "/v1/messages/count_tokens", None, False)),
        ("anthropic", "responses", ("anthropic", "/v1/messages", None, True)),
        ("anthropic", "embeddings", None),
        ("openrouter", "messages", ("anthropic", "/messages", None, False)),
        ("openrouter", "messages/count_tokens", None),
        (
            "google",
            "generateContent",
            ("gemini", "/models/{model}:generateContent", "/models/{model}:streamGenerateContent?alt=sse", False),
        ),
        ("google", "chat/completions", ("openai", "/openai/chat/completions", None, False)),
        ("google", "embeddings", ("openai", "/openai/embeddings", None, False)),
        ("google", "messages", ("gemini", "/models/{model}:generateContent", "/models/{model}:streamGenerateContent?alt=sse", True)),
        ("google-vertex", "embeddings", None),
    ],
)
def test_how_an_upstream_is_asked(provider: str, endpoint: str, expected: tuple[str, str, str | None, bool] | None) -> None:
    way = find_way(upstream("a", provider), endpoint)
    if way is None or expected is None:
        assert way is expected is None
        return
    assert (way.dialect, way.stream_path, way.is_translated) == (expected[0], expected[2], expected[3])
    assert way.path.endswith(expected[1])
    if endpoint in CHAT_ENDPOINTS or endpoint.startswith("messages"):
        assert way.form is PROVIDERS[provider].formats[way.dialect]


def test_a_target_s_names_are_kept_as_json_and_are_no_part_of_what_it_is() -> None:
    [target] = route(snapshot(upstream("a")), LIVE, "chat/completions", "gpt-4o")
    assert (target.model_json, target.upstream_model_json, target.provider_json) == (b'"openai/gpt-4o"', b'"gpt-4o"', b'"OpenAI"')
    assert target.known is MODELS["openai/gpt-4o"]
    assert "_json" not in repr(target)


def test_a_route_is_found_once_and_forgotten_when_there_are_too_many() -> None:
    state = snapshot(upstream("a"))
    first = route(state, LIVE, "chat/completions", "openai/gpt-4o")
    assert route(state, LIVE, "chat/completions", "openai/gpt-4o") is first
    for number in range(4095):
        route(state, LIVE, "chat/completions", f"nobody/{number}")
    assert len(state.routes) == 4096
    assert route(state, LIVE, "chat/completions", "openai/gpt-4o") is first
    route(state, LIVE, "chat/completions", "nobody/more")
    assert len(state.routes) == 1


def allowed(key: ApiKey, *upstreams: Upstream) -> tuple[Target, ...] | Denied:
    found = route(snapshot(*upstreams), LIVE, "chat/completions", "openai/gpt-4o")
    assert not isinstance(found, Denied)
    return select_allowed(key, found)


def test_a_key_that_is_restricted_to_providers_reaches_those_alone() -> None:
    rows = (upstream("a"), upstream("b", "openrouter", models={"openai/*": ""}))
    assert ids(allowed(KEY, *rows)) == ["a", "b"]
    assert ids(allowed(replace(KEY, providers=("openrouter",)), *rows)) == ["b"]
    assert ids(allowed(replace(KEY, providers=("openai", "openrouter")), *rows)) == ["a", "b"]
    for providers in ((), ("azure",), ("OpenAI",)):
        refused = denied(allowed(replace(KEY, providers=providers), *rows))
        assert (refused.code, refused.http_status) == ("provider_not_allowed", 403)
        assert "openai/gpt-4o" in refused.message
        assert refused.metadata == {"excluded": [{"upstream": "a", "reason": "provider"}, {"upstream": "b", "reason": "provider"}]}


def test_a_key_that_is_restricted_to_regions_reaches_what_is_known_to_be_there_and_the_sandbox() -> None:
    rows = (upstream("a", region="EU"), upstream("b", region="us"), upstream("c"))
    sandbox = upstream("s", "sandbox", is_sandbox=True, models={"openai/*": ""}, environments=frozenset({"live"}))
    european = replace(KEY, regions=("eu", "CH"))
    assert ids(allowed(european, *rows)) == ["a"]
    assert ids(allowed(replace(KEY, regions=("Us",)), *rows)) == ["b"]
    assert ids(allowed(european, *rows, sandbox)) == ["a", "s"]
    refused = denied(allowed(european, *rows[1:]))
    assert (refused.code, refused.http_status) == ("region_not_allowed", 403)
    assert "in eu, CH only" in refused.message
    assert refused.metadata == {"excluded": [{"upstream": "b", "reason": "region"}, {"upstream": "c", "reason": "region"}]}
    assert find_obstacle(replace(KEY, regions=("?", "x")), upstream("c")) == "region"
    mixed = denied(allowed(replace(european, providers=("openai",)), rows[1], upstream("d", "openrouter", models={"openai/*": ""})))
    assert [row["reason"] for row in mixed.metadata["excluded"]] == ["region", "provider"]


def test_what_keeps_a_key_from_an_upstream_is_named() -> None:
    assert find_obstacle(KEY, upstream("a")) is None
    assert find_obstacle(replace(KEY, providers=("openai",), regions=("eu",)), upstream("a", region="eu")) is None
    assert find_obstacle(replace(KEY, providers=("azure",), regions=("eu",)), upstream("a")) == "provider"


def test_of_an_upstream_of_several_rows_the_clients_own_format_is_kept_wherever_it_stands() -> None:
    own, other = upstream("a", "anthropic"), upstream("a", models={"anthropic/*": ""})
    for rows in ((own, other), (other, own), (own, own), (other, other)):
        [target] = route(snapshot(*rows), LIVE, "messages", "anthropic/claude-x")
        assert target.way.is_translated is (own not in rows)
        assert target.upstream is next((row for row in rows if row is own), rows[0])


def test_of_rows_that_are_asked_in_the_same_way_the_first_is_kept() -> None:
    for provider in ("anthropic", "openai"):
        first, second = (upstream("a", provider, models={"anthropic/*": ""}, region=region) for region in ("x", "y"))
        [target] = route(snapshot(first, second), LIVE, "messages", "anthropic/claude-x")
        assert target.upstream is first


def test_the_message_names_every_endpoint_at_which_the_model_is_served_and_no_other() -> None:
    alone = snapshot(upstream("b", "anthropic"))
    shown = denied(route(alone, LIVE, "embeddings", "anthropic/claude-x")).message
    assert "/messages/count_tokens" in shown
    assert ", /embeddings" not in shown
    both = snapshot(upstream("b", "anthropic"), upstream("v", "google-vertex", models={"anthropic/*": ""}))
    assert "/messages/count_tokens" in denied(route(both, LIVE, "embeddings", "anthropic/claude-x")).message


def test_a_provider_is_pinned_by_its_id_or_its_name() -> None:
    state = snapshot(upstream("a"), upstream("v", "google-vertex", models={"openai/gpt-4o": "x"}))
    for pin in ("google-vertex", "Google-Vertex", "Vertex AI", "vertex ai"):
        assert ids(pinned(state, pin)) == ["v"]
    elsewhere = snapshot(upstream("a"), upstream("v", "google-vertex"))
    for pin in ("google-vertex", "Vertex AI"):
        wrong = denied(pinned(elsewhere, pin))
        assert (wrong.code, wrong.param) == ("no_route", "model")
        assert wrong.metadata == {"excluded": [{"upstream": "a", "reason": "pinned elsewhere"}]}
    assert denied(pinned(state, "nobody")).param == "X-AnyRouter-Provider"


def test_at_most_three_similar_models_are_named() -> None:
    state = replace(snapshot(), nearest=lambda _: ["a/1", "a/2", "a/3", "a/4"])
    found = denied(route(state, LIVE, "chat/completions", "a/0"))
    assert found.message.endswith("Did you mean a/1 or a/2 or a/3?")
    assert found.metadata == {"similar": ["a/1", "a/2", "a/3"]}
