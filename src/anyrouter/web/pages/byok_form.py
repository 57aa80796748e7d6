"""What the forms about a provider credential say: its secret, its place, and who may use it. No I/O; no text of a secret goes back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anyrouter.control.provider_choice import has_region_variable
from anyrouter.core.apikey import ApiKey
from anyrouter.core.byok import ProviderCredential
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.provider import Provider
from anyrouter.web.pages.forms import Fields

SECRET_FIELDS = ("key", "service_account", "access_key_id", "secret_access_key", "session_token")
PLACE_FIELDS = ("base_url", "region")
OTHER_FIELDS = ("name", "models", "allowed_keys", "standing", "sort_order", "weight", "zdr")
VARIABLE = "variable-"
NAMES = {"is_retaining": "zdr", "is_fallback": "standing", "always_use": "standing"}
_PARTS = ("access_key_id", "secret_access_key", "session_token")
_STANDINGS: Mapping[str, dict[str, bool]] = {
    "helped": {"is_fallback": False, "always_use": False},
    "fallback": {"is_fallback": True, "always_use": False},
    "alone": {"always_use": True},
}
_ZDR: Mapping[str, bool | None] = {"": None, "yes": False, "no": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChoice:
    """An API key that may be named for a credential. `is_gone`: it was deleted, the credential still names it."""

    id: str
    name: str
    label: str
    is_chosen: bool
    is_gone: bool = False


def list_fields(provider: Provider) -> tuple[str, ...]:
    """The names of all fields of a form about a credential of that provider."""
    return (*SECRET_FIELDS, *PLACE_FIELDS, *OTHER_FIELDS, *(VARIABLE + row.name for row in provider.variables))


def list_names(provider: Provider) -> dict[str, str]:
    """The forms' names of what the service calls otherwise."""
    return NAMES | {f"variables.{row.name}": VARIABLE + row.name for row in provider.variables}


def keep_values(provider: Provider, form: Fields) -> dict[str, str]:
    """What was typed, to be shown again. Never a secret."""
    return {name: form.text(name) for name in list_fields(provider) if name not in SECRET_FIELDS and name != "allowed_keys"}


def read_secret_fields(form: Fields) -> str | dict[str, object]:
    """The secret in one of its forms. ClientError when there is none, or two."""
    texts = [text for name in ("key", "service_account") if (text := form.text(name))]
    parts: dict[str, object] = {name: text for name in _PARTS if (text := form.text(name))}
    if len(texts) + bool(parts) > 1:
        raise _refusal("key", "two credentials are given. Fill in one of the ways, and leave the others empty")
    if not texts and not parts:
        raise ClientError(Denied(code="missing_parameter", param="key", message="key: the credential itself is missing."))
    return texts[0] if texts else parts


def read_settings(provider: Provider, form: Fields) -> dict[str, Any]:
    """Everything but the secret, by the record's names."""
    standing, zdr = form.text("standing", "helped"), form.text("zdr")
    if standing not in _STANDINGS or zdr not in _ZDR:
        raise _refusal("standing", "choose one of the answers")
    fields: dict[str, Any] = {**_STANDINGS[standing], "is_retaining": _ZDR[zdr], **read_place(provider, form)}
    fields["models"] = form.text("models").replace(",", " ").split() or None
    fields["allowed_keys"] = form.list("allowed_keys") or None
    if (name := form.optional("name")) is not None:
        fields["name"] = name
    for number in ("sort_order", "weight"):
        if (value := form.whole(number)) is not None:
            fields[number] = value
    return fields


def read_place(provider: Provider, form: Fields) -> dict[str, Any]:
    """Where it leads. A region that is a part of the address is one of the variables."""
    variables = {row.name: text for row in provider.variables if (text := form.text(VARIABLE + row.name))}
    place: dict[str, Any] = {"base_url": form.optional("base_url"), "variables": variables}
    return place if has_region_variable(provider) else place | {"region": form.optional("region")}


def drop_same_place(credential: ProviderCredential, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields without the place where that is as it was: it need not be judged again."""
    same = fields["base_url"] == credential.base_url and fields["variables"] == dict(credential.variables)
    if same and fields.get("region", credential.region) == credential.region:
        return {name: value for name, value in fields.items() if name not in {"base_url", "variables", "region"}}
    return fields


def show_values(credential: ProviderCredential) -> dict[str, str]:
    """A credential as its form shows it at first."""
    zdr = {None: "", False: "yes", True: "no"}[credential.is_retaining]
    return {
        "name": credential.name,
        "base_url": credential.base_url or "",
        "region": credential.region or "",
        "models": "\n".join(credential.models or ()),
        "standing": "alone" if credential.always_use else "fallback" if credential.is_fallback else "helped",
        "sort_order": str(credential.sort_order),
        "weight": str(credential.weight),
        "zdr": zdr,
        **{VARIABLE + name: value for name, value in credential.variables.items()},
    }


def list_key_choices(keys: Sequence[ApiKey], chosen: Sequence[str]) -> list[KeyChoice]:
    """The newest key of each rotation, and those that are chosen and not among them."""
    newest = {key.rotation_group: key for key in keys}  # the oldest come first
    known = {key.id for key in keys} | newest.keys()
    rows = [
        KeyChoice(
            id=key.id,
            name=key.name,
            label=key.label,
            is_chosen=not {key.rotation_group, key.id}.isdisjoint(chosen),
            is_gone=key.deleted_at is not None,
        )
        for key in newest.values()
    ]
    return rows + [KeyChoice(id=key_id, name=key_id, label="", is_chosen=True, is_gone=True) for key_id in chosen if key_id not in known]


def _refusal(param: str, reason: str) -> ClientError:
    return ClientError(Denied(code="unprocessable", param=param, message=f"{param}: {reason}."))
