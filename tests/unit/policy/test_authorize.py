"""The one decision: which credential was presented, and whether its key may do what is asked, in one order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from anyrouter.core import scopes
from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import Denied
from anyrouter.core.tenancy import Environment, EnvironmentKind, Member, Organisation, Role
from anyrouter.core.tenants import Owner
from anyrouter.policy.authorize import UNKNOWN_KEY, expiry_notice, is_model_allowed, judge_key, judge_model, read_credential
from anyrouter.policy.endpoints import ENDPOINTS

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
MS = timedelta(milliseconds=1)
HERE = "203.0.113.7"
CHAT = ENDPOINTS["chat/completions"]
LIVE = Environment(id="env_live", organisation_id="org_default", slug="live", name="live", kind=EnvironmentKind.LIVE)
ORGANISATION = Organisation(id="org_default", name="Default", created_at=NOW)
KEY = ApiKey(
    id="key_1",
    organisation_id="org_default",
    environment_id="env_live",
    environment="live",
    name="test",
    label="ar-live-MARKER",
    digest=b"MARKER-digest-of-thirty-two-byte",
    pepper_version=1,
    rotation_group="key_1",
    scopes=frozenset(scopes.DEFAULT_SCOPES),
    created_at=NOW,
    updated_at=NOW,
)
# In the order of the decision: each change alone is refused so, and before every later one.
FAULTS: list[tuple[str, dict[str, object]]] = [
    ("invalid_api_key", {"deleted_at": NOW}),
    ("disabled_api_key", {"is_disabled": True}),
    ("invalid_api_key", {"not_before": NOW + MS}),
    ("expired_api_key", {"expires_at": NOW}),
    ("disabled_api_key", {"environment": "gone"}),
    ("ip_not_allowed", {"allowed_ips": ("198.51.100.0/24",)}),
    ("endpoint_not_allowed", {"endpoints": ("embeddings",)}),
    ("insufficient_scope", {"scopes": frozenset({scopes.MODELS_READ})}),
]


def judge(now: datetime = NOW, address: str = HERE, endpoint: str = "chat/completions", **changes: object) -> Denied | None:
    environment = None if changes.get("environment") == "gone" else LIVE
    return judge_key(replace(KEY, **changes), Owner(ORGANISATION, environment), ENDPOINTS[endpoint], address, now)


def code_of(denied: Denied | None) -> str | None:
    return None if denied is None else denied.code


def read(authorization: bytes | None = None, x_api_key: bytes | None = None, repeated: frozenset[bytes] = frozenset()) -> str | Denied:
    headers = {b"authorization": authorization, b"x-api-key": x_api_key, b"cookie": b"key=MARKER", b"host": b"x"}
    return read_credential({name: value for name, value in headers.items() if value is not None}, repeated)


def read_gemini(repeated: frozenset[bytes] = frozenset(), **headers: bytes) -> str | Denied:
    named = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    return read_credential(named, repeated, is_gemini=True)


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER", b"BeArEr"])
def test_the_scheme_is_spelt_in_any_case(scheme: bytes) -> None:
    assert read(scheme + b" ar-live-MARKER") == "ar-live-MARKER"


def test_both_headers_may_carry_the_key_and_must_agree() -> None:
    assert read(None, b"ar-live-MARKER") == "ar-live-MARKER"
    assert read(b"Bearer ar-live-MARKER", b"ar-live-MARKER") == "ar-live-MARKER"
    assert read(b"", b"ar-live-MARKER") == "ar-live-MARKER"
    for other in (b"ar-live-OTHER", b"AR-LIVE-MARKER", b"ar-live-MARKER ", b" ar-live-MARKER"):
        assert code_of(read(b"Bearer ar-live-MARKER", other)) == "conflicting_credentials"


@pytest.mark.parametrize(
    "authorization", [None, b"", b" ", b"\t", b"Basic MARKER", b"Token MARKER", b"Digest x=MARKER", b"Negotiate", b"\xff\xff"]
)
def test_without_a_bearer_there_is_no_credential(authorization: bytes | None) -> None:
    assert code_of(read(authorization)) == "missing_api_key"


@pytest.mark.parametrize("x_api_key", [b"", b"  "])
def test_an_empty_key_header_is_no_credential(x_api_key: bytes) -> None:
    assert code_of(read(None, x_api_key)) == "missing_api_key"


@pytest.mark.parametrize("authorization", [b"Bearer", b"Bearer ", b"Bearer     ", b"bearer "])
def test_a_scheme_without_a_key_says_what_is_missing(authorization: bytes) -> None:
    denied = read(authorization)
    assert isinstance(denied, Denied)
    assert denied.http_status == 401


def test_a_key_without_its_scheme_is_told_the_schemes_name() -> None:
    denied = read(b"ar-live-MARKER")
    assert isinstance(denied, Denied)
    assert (denied.code, "Bearer" in denied.message) == ("malformed_api_key", True)
    assert "MARKER" not in denied.message


@pytest.mark.parametrize(
    ("authorization", "x_api_key", "repeated"),
    [
        (b"Bearer ar-live-a, Bearer ar-live-b", None, frozenset()),
        (b"Bearer ar-live-a,ar-live-a", None, frozenset()),
        (b"Bearer ar-live-a, Bearer ar-live-a", None, frozenset({b"authorization"})),
        (b"Bearer ar-live-a", None, frozenset({b"authorization"})),
        (b"Bearer ar-live-a", b"ar-live-a", frozenset({b"x-api-key"})),
        (None, b"ar-live-a, ar-live-a", frozenset({b"x-api-key"})),
        (b"Basic MARKER", b"ar-live-a", frozenset()),
    ],
)
def test_more_than_one_credential_is_a_conflict(authorization: bytes | None, x_api_key: bytes | None, repeated: frozenset[bytes]) -> None:
    denied = read(authorization, x_api_key, repeated)
    assert isinstance(denied, Denied)
    assert (denied.code, denied.http_status) == ("conflicting_credentials", 400)


def test_gemini_s_header_carries_the_key_on_gemini_s_own_paths_alone() -> None:
    assert read_gemini(x_goog_api_key=b"ar-live-MARKER") == "ar-live-MARKER"
    assert code_of(read_credential({b"x-goog-api-key": b"ar-live-MARKER"}, frozenset())) == "missing_api_key"
    both = {b"x-goog-api-key": b"ar-live-OTHER", b"x-api-key": b"ar-live-MARKER"}
    assert read_credential(both, frozenset({b"x-goog-api-key"})) == "ar-live-MARKER"
    for others in ({}, {"x_goog_api_key": b""}, {"x_goog_api_key": b"  "}):
        denied = read_gemini(**others)
        assert isinstance(denied, Denied)
        assert (denied.code, "x-goog-api-key" in denied.message) == ("missing_api_key", True)


def test_every_header_of_a_gemini_request_may_carry_the_key_and_all_must_agree() -> None:
    key, bearer = b"ar-live-MARKER", b"Bearer ar-live-MARKER"
    for headers in (
        {"authorization": bearer},
        {"x_api_key": key},
        {"x_api_key": key, "x_goog_api_key": key},
        {"authorization": bearer, "x_goog_api_key": key},
        {"authorization": bearer, "x_api_key": key, "x_goog_api_key": key},
        {"authorization": b"", "x_goog_api_key": key},
    ):
        assert read_gemini(**headers) == "ar-live-MARKER", headers
    for other in (b"ar-live-OTHER", b"AR-LIVE-MARKER", b"ar-live-MARKER ", b""):
        assert code_of(read_gemini(authorization=bearer, x_goog_api_key=other)) == "conflicting_credentials"
        assert code_of(read_gemini(x_api_key=key, x_goog_api_key=other)) == "conflicting_credentials"
        assert code_of(read_gemini(x_api_key=other, x_goog_api_key=key)) == "conflicting_credentials"
        assert code_of(read_gemini(authorization=bearer, x_api_key=key, x_goog_api_key=other)) == "conflicting_credentials"
    assert code_of(read_gemini(frozenset({b"x-goog-api-key"}), x_goog_api_key=key + b", " + key)) == "conflicting_credentials"
    assert code_of(read_gemini(frozenset({b"x-api-key"}), x_api_key=key, x_goog_api_key=key)) == "conflicting_credentials"
    assert code_of(read_gemini(authorization=b"Basic MARKER", x_goog_api_key=key)) == "conflicting_credentials"


def test_other_repeated_headers_do_not_matter() -> None:
    assert read(b"Bearer ar-live-a", None, frozenset({b"cookie", b"accept"})) == "ar-live-a"


@pytest.mark.parametrize(
    "text", [b"ar-live-\xc2\xa0MARKER", b"\xff" * 60, b"a\x00b", b"k" * 70_000, b"ar-live-MARKER\xa0", b"a b", b"?ar?"]
)
def test_any_bytes_are_one_text_for_the_key_check_to_refuse(text: bytes) -> None:
    assert read(b"Bearer " + text) == text.decode("latin-1")


def test_a_good_key_may_pass() -> None:
    assert judge() is None


@pytest.mark.parametrize(("code", "changes"), FAULTS)
def test_each_fault_alone_is_refused(code: str, changes: dict[str, object]) -> None:
    assert code_of(judge(**changes)) == code


@pytest.mark.parametrize("first", range(len(FAULTS)))
def test_of_several_faults_the_first_in_order_is_told(first: int) -> None:
    for later in range(first + 1, len(FAULTS)):
        both = {**FAULTS[first][1], **FAULTS[later][1]}
        assert code_of(judge(**both)) == FAULTS[first][0], (first, later)
    everything = {name: value for _, changes in FAULTS[first:] for name, value in changes.items()}
    assert code_of(judge(**everything)) == FAULTS[first][0]


def test_a_deleted_key_is_answered_as_an_unknown_one() -> None:
    assert judge(deleted_at=NOW - timedelta(days=1), is_disabled=True) == UNKNOWN_KEY


def test_a_disabled_and_expired_key_is_disabled() -> None:
    denied = judge(is_disabled=True, expires_at=NOW - timedelta(days=1))
    assert code_of(denied) == "disabled_api_key"
    assert denied is not None
    assert "disabled" in denied.message


@pytest.mark.parametrize(("ahead", "code"), [(-MS, "expired_api_key"), (timedelta(0), "expired_api_key"), (MS, None)])
def test_a_key_has_expired_at_its_expiry(ahead: timedelta, code: str | None) -> None:
    assert code_of(judge(expires_at=NOW + ahead)) == code
    # The same moment told in another zone, across a change of the clocks there.
    assert code_of(judge(expires_at=(NOW + ahead).astimezone(timezone(timedelta(hours=5, minutes=45))))) == code


@pytest.mark.parametrize(("ahead", "code"), [(-MS, None), (timedelta(0), None), (MS, "invalid_api_key")])
def test_a_key_is_valid_from_its_begin(ahead: timedelta, code: str | None) -> None:
    assert code_of(judge(not_before=NOW + ahead)) == code


def test_a_key_of_the_far_future_is_judged_too() -> None:
    assert judge(expires_at=datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)) is None
    assert code_of(judge(expires_at=datetime(1, 1, 1, tzinfo=UTC))) == "expired_api_key"


def test_an_environment_that_is_not_active_or_gone_is_refused() -> None:
    assert code_of(judge_key(KEY, Owner(ORGANISATION, replace(LIVE, is_active=False)), CHAT, HERE, NOW)) == "disabled_api_key"
    assert code_of(judge_key(KEY, Owner(ORGANISATION, replace(LIVE, deleted_at=NOW)), CHAT, HERE, NOW)) == "disabled_api_key"
    assert code_of(judge_key(KEY, Owner(ORGANISATION, None), CHAT, HERE, NOW)) == "disabled_api_key"


def test_an_organisation_that_is_not_active_or_gone_is_refused() -> None:
    assert code_of(judge_key(KEY, Owner(replace(ORGANISATION, is_active=False), LIVE), CHAT, HERE, NOW)) == "disabled_api_key"
    assert code_of(judge_key(KEY, Owner(None, LIVE), CHAT, HERE, NOW)) == "disabled_api_key"


def test_a_personal_key_ends_with_its_membership_and_a_service_key_stays() -> None:
    member = Member(id="mem_1", organisation_id="org_default", email="a@b.example", name="A", role=Role.DEVELOPER, created_at=NOW)
    personal = replace(KEY, member_id=member.id)
    assert judge_key(personal, Owner(ORGANISATION, LIVE, member), CHAT, HERE, NOW) is None
    assert code_of(judge_key(personal, Owner(ORGANISATION, LIVE, replace(member, is_active=False)), CHAT, HERE, NOW)) == "disabled_api_key"
    assert code_of(judge_key(personal, Owner(ORGANISATION, LIVE), CHAT, HERE, NOW)) == "disabled_api_key"
    assert judge_key(replace(KEY, creator_id=member.id), Owner(ORGANISATION, LIVE), CHAT, HERE, NOW) is None


@pytest.mark.parametrize(
    ("role", "kind", "is_enough"),
    [
        (Role.OWNER, EnvironmentKind.LIVE, True),
        (Role.DEVELOPER, EnvironmentKind.SANDBOX, True),
        (Role.DEVELOPER, EnvironmentKind.LIVE, False),
        (Role.VIEWER, EnvironmentKind.SANDBOX, False),
    ],
)
def test_a_personal_key_administers_no_more_than_its_person_s_role(role: Role, kind: EnvironmentKind, *, is_enough: bool) -> None:
    member = Member(id="mem_1", organisation_id="org_default", email="a@b.example", name="A", role=role, created_at=NOW)
    personal = replace(KEY, member_id=member.id, scopes=frozenset({scopes.ADMIN_KEYS}))
    owner = Owner(ORGANISATION, replace(LIVE, kind=kind), member)
    denied = judge_key(personal, owner, ENDPOINTS["keys"], HERE, NOW)
    assert (denied is None) is is_enough
    if denied is not None:
        assert (denied.code, denied.http_status, denied.scope) == ("insufficient_scope", 403, scopes.ADMIN_KEYS)
        assert role.value in denied.message
    assert judge_key(personal, owner, ENDPOINTS["key"], HERE, NOW) is None
    service = replace(personal, member_id=None)
    assert judge_key(service, Owner(ORGANISATION, replace(LIVE, kind=kind)), ENDPOINTS["keys"], HERE, NOW) is None


@pytest.mark.parametrize(
    ("address", "networks", "is_inside"),
    [
        ("203.0.113.7", ("203.0.113.7",), True),
        ("203.0.113.7", ("203.0.113.0/24",), True),
        ("203.0.113.7", ("203.0.113.99/24",), True),
        ("203.0.113.7", ("198.51.100.0/24", "203.0.113.7/32"), True),
        ("203.0.114.7", ("203.0.113.0/24",), False),
        ("203.0.113.7", (), False),
        ("203.0.113.7", ("0.0.0.0/0",), True),
        ("2001:db8::1", ("0.0.0.0/0",), False),
        ("2001:db8::1", ("2001:db8::/32",), True),
        ("2001:0DB8:0:0:0:0:0:1", ("2001:db8::1",), True),
        ("2001:db9::1", ("2001:db8::/32",), False),
        ("203.0.113.7", ("::/0",), False),
        ("::ffff:203.0.113.7", ("203.0.113.0/24",), True),
        ("::ffff:cb00:7107", ("203.0.113.7",), True),
        ("::ffff:203.0.114.7", ("203.0.113.0/24",), False),
        ("", ("203.0.113.0/24",), False),
        ("localhost", ("127.0.0.0/8",), False),
        ("203.0.113.7:443", ("203.0.113.7",), False),
        ("[2001:db8::1]", ("2001:db8::/32",), False),
        ("203.0.113.007", ("203.0.113.7",), False),
        ("3405803783", ("203.0.113.7",), False),
        ("203.0.113.7, 10.0.0.1", ("203.0.113.7",), False),
        ("fe80::1%eth0", ("fe80::/10",), True),
    ],
)
def test_addresses_are_judged_by_what_they_are_however_they_are_spelt(address: str, networks: tuple[str, ...], *, is_inside: bool) -> None:
    assert code_of(judge(address=address, allowed_ips=networks)) == (None if is_inside else "ip_not_allowed")


@pytest.mark.parametrize("network", ["::ffff:203.0.113.0/120", "::ffff:203.0.113.7"])
def test_a_network_of_mapped_addresses_holds_their_ipv4_addresses(network: str) -> None:
    for address in ("203.0.113.7", "::ffff:203.0.113.7"):
        assert judge(address=address, allowed_ips=(network,)) is None
    assert code_of(judge(address="198.51.100.1", allowed_ips=(network,))) == "ip_not_allowed"


@pytest.mark.parametrize("network", ["not-a-network", "", "203.0.113.0/33", "203.0.113.0/24 ", "*"])
def test_a_stored_text_that_is_no_network_lets_nobody_in_and_breaks_nothing(network: str) -> None:
    assert code_of(judge(allowed_ips=(network,))) == "ip_not_allowed"
    assert judge(allowed_ips=(network, HERE)) is None


@pytest.mark.parametrize("path", [path for path, row in ENDPOINTS.items() if row.scope is not None])
def test_every_endpoint_needs_its_scope_and_no_other_will_do(path: str) -> None:
    row = ENDPOINTS[path]
    assert judge(endpoint=path, scopes=frozenset({row.scope})) is None
    enough = {row.scope, scopes.ADMIN_ALL} if str(row.scope).startswith("admin:") else {row.scope}
    for held in (frozenset(), frozenset(scopes.ALL_SCOPES) - enough, frozenset({scopes.ADMIN_ALL}) - enough):
        denied = judge(endpoint=path, scopes=held)
        assert denied is not None
        assert (denied.code, denied.http_status, denied.scope) == ("insufficient_scope", 403, row.scope)
        assert str(row.scope) in denied.message


def test_what_needs_any_valid_key_needs_no_scope() -> None:
    for path in ("key", "auth/key"):
        assert judge(endpoint=path, scopes=frozenset()) is None
        assert code_of(judge(endpoint=path, is_disabled=True)) == "disabled_api_key"


def test_a_key_that_is_restricted_to_endpoints_may_use_those_only() -> None:
    for restriction in ("chat/completions", "responses", "generateContent", "models"):
        for name, row in ENDPOINTS.items():
            allowed = judge(endpoint=name, endpoints=(restriction,), scopes=frozenset(scopes.ALL_SCOPES))
            assert code_of(allowed) == (None if row.path == restriction else "endpoint_not_allowed")
    assert judge(endpoint="v1beta/models", endpoints=("models",)) is None
    assert code_of(judge(endpoints=())) == "endpoint_not_allowed"


@pytest.mark.parametrize(
    ("models", "model", "is_allowed"),
    [
        (None, "openai/gpt-4o", True),
        (("openai/gpt-4o",), "openai/gpt-4o", True),
        (("openai/*",), "openai/gpt-4o", True),
        (("anthropic/claude-x", "openai/*"), "openai/gpt-4o", True),
        (("openai/*",), "openai/org/nested", True),
        (("openai/*",), "openai/ft:gpt-4o:org::1", True),
        ((), "openai/gpt-4o", False),
        (("openai/gpt-4o",), "openai/GPT-4o", False),
        (("openai/gpt-4o",), "openai/gpt-4o ", False),
        (("openai/gpt-4o",), "openai/gpt-4o-2024-08-06", False),
        (("openai/gpt-4o",), "openai/gpt-4", False),
        (("openai/gpt-4o",), "gpt-4o", False),
        (("gpt-4o",), "openai/gpt-4o", False),
        (("openai/*",), "openai2/gpt-4o", False),
        (("openai/*",), "OpenAI/gpt-4o", False),
        (("openai/*",), "azure/openai/gpt-4o", False),
        (("openai/gpt-*",), "openai/gpt-4o", False),
        (("*",), "openai/gpt-4o", False),
        (("*/gpt-4o",), "openai/gpt-4o", False),
        (("open*",), "openai/gpt-4o", False),
        (("/*",), "/gpt-4o", True),
    ],
)
def test_models_are_allowed_by_their_whole_id_or_their_vendor(models: tuple[str, ...] | None, model: str, *, is_allowed: bool) -> None:
    denied = judge_model(replace(KEY, models=models), model)
    assert (denied is None) is is_allowed
    if models is not None:
        assert is_model_allowed(models, model) is is_allowed
    if denied is not None:
        assert (denied.code, denied.http_status, denied.param) == ("model_not_allowed", 403, "model")


def test_a_long_list_of_models_makes_a_short_sentence() -> None:
    denied = judge_model(replace(KEY, models=tuple(f"openai/m{n}" for n in range(1000))), "openai/x")
    assert denied is not None
    assert "and 995 more" in denied.message
    assert len(denied.message) < 300


@pytest.mark.parametrize(
    ("count", "shown"), [(1, "a/0."), (2, "a/0, a/1."), (5, "a/0, a/1, a/2, a/3, a/4."), (6, "a/0, a/1, a/2, a/3, a/4 and 1 more.")]
)
def test_the_models_that_a_key_may_use_are_told(count: int, shown: str) -> None:
    denied = judge_model(replace(KEY, models=tuple(f"a/{n}" for n in range(count))), "openai/x")
    assert denied is not None
    assert denied.message.endswith(f"It is restricted to {shown}")


def test_no_refusal_shows_more_of_the_key_than_its_label() -> None:
    for _, changes in FAULTS:
        denied = judge(**changes)
        assert denied is not None
        assert "digest" not in denied.message
        assert KEY.digest.hex() not in denied.message


@pytest.mark.parametrize(
    ("ahead", "is_noticed"),
    [(timedelta(days=14), True), (timedelta(days=14, milliseconds=1), False), (timedelta(seconds=1), True), (-timedelta(days=1), True)],
)
def test_an_expiry_is_noticed_from_fourteen_days_before(ahead: timedelta, *, is_noticed: bool) -> None:
    notice = expiry_notice(replace(KEY, expires_at=NOW + ahead), int(NOW.timestamp() * 1000))
    assert (notice is not None) is is_noticed
    if notice is not None:
        assert notice.endswith("Z")
        assert datetime.fromisoformat(notice) <= NOW + ahead


def test_the_end_of_a_rotations_grace_is_always_noticed() -> None:
    rotated = replace(KEY, expires_at=NOW + timedelta(days=30), superseded_by="key_2")
    assert expiry_notice(rotated, int(NOW.timestamp() * 1000)) == "2026-04-28T01:30:00Z"
    assert expiry_notice(replace(rotated, expires_at=rotated.expires_at + MS), 0) == "2026-04-28T01:30:00Z"
    assert expiry_notice(replace(rotated, expires_at=None), 0) is None


def test_a_key_without_expiry_has_no_notice() -> None:
    assert expiry_notice(KEY, 0) is None
