import pytest
from pydantic import ValidationError

from anyrouter.core.tenancy import Role
from anyrouter.settings.sso import SsoSettings

GOOD = {"issuer": "https://id.example.org", "client_id": "anyrouter"}


def test_there_is_none_unless_an_issuer_is_named() -> None:
    assert SsoSettings().rules is None


def test_what_is_set_is_what_the_rules_say() -> None:
    rules = SsoSettings(**GOOD, allowed_domains=("Example.ORG",), default_role="viewer", name="Example ID").rules  # type: ignore[arg-type]
    assert rules is not None
    assert (rules.issuer, rules.client_id, rules.name) == ("https://id.example.org", "anyrouter", "Example ID")
    assert (rules.domains, rules.default_role) == (frozenset({"example.org"}), Role.VIEWER)


@pytest.mark.parametrize("issuer", ["http://localhost:9000", "http://127.0.0.1:9000", "https://id.example.org/realms/main/"])
def test_plain_http_is_for_this_machine_and_the_issuer_is_kept_to_the_letter(issuer: str) -> None:
    assert SsoSettings(issuer=issuer, client_id="a").issuer == issuer


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"issuer": "http://id.example.org"}, "must be https"),
        ({"issuer": "http://192.0.2.7"}, "must be https"),
        ({"issuer": None}, "belong together"),
        ({"client_id": None}, "belong together"),
        ({"client_id": "with space"}, "client_id"),
        ({"client_secret_variable": "A", "client_secret_file": "b"}, "keep one"),
        ({"allowed_domains": ("@example.org",)}, "without @"),
        ({"scopes": ("email",)}, "openid"),
        ({"scopes": ("openid", "a b")}, "without spaces"),
        ({"default_role": "owner"}, "default_role"),
        ({"name": ""}, "name"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_to_do(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SsoSettings.model_validate({**GOOD, **changes})
