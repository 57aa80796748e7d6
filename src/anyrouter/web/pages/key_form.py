"""The form of a key: what was typed, what the service is asked for, and what is wrong with it. Pure.

Texts are kept as they were typed, so that a form with a mistake is shown as it was. Names are those of the form's fields.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from anyrouter.control.key_checks import check_addresses, check_fields, check_models, check_name, refusal
from anyrouter.core import scopes
from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import ClientError
from anyrouter.core.money import to_usd_string
from anyrouter.web.pages.forms import Fields

PRESETS: Mapping[str, tuple[str, ...]] = {
    "inference": scopes.DEFAULT_SCOPES,
    "read": (scopes.MODELS_READ, scopes.USAGE_READ),
    "admin": (scopes.ADMIN_ALL,),
}
CUSTOM = "custom"
KEEP, NEVER, DATE = "keep", "never", "date"
SPANS = (("30d", "30 days"), ("90d", "90 days"), ("365d", "1 year"))
# By the service's name where the form has another.
FORM_NAMES = {"expires_at": "expiry", "member_id": "kind"}
_NUMBERS = ("rate_limit_rpm", "rate_limit_tpm", "rate_limit_rpd", "concurrency")
_LISTS = ("scopes", "models", "endpoints", "providers")
_SEPARATORS = re.compile(r"[\s,;]+")
_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?", re.ASCII)
_MAX_ENTRIES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyForm:
    """What stands in each field. Lists are ticked boxes; `models_more` are models that were typed. Times are UTC."""

    name: str = ""
    environment: str = ""
    kind: str = "service"
    preset: str = "inference"
    scopes: tuple[str, ...] = scopes.DEFAULT_SCOPES
    models: tuple[str, ...] = ()
    models_more: str = ""
    model_search: str = ""
    endpoints: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    regions: str = ""
    allowed_ips: str = ""
    expiry: str = "90d"
    expires_on: str = ""
    not_before: str = ""
    rate_limit_rpm: str = ""
    rate_limit_tpm: str = ""
    rate_limit_rpd: str = ""
    concurrency: str = ""
    limit: str = ""
    limit_reset: str = "monthly"
    budget_policy: str = ""
    tags: str = ""
    version: str = ""


def read_key_form(said: Fields) -> KeyForm:
    """The form as it was sent."""
    texts = {row.name: said.text(row.name) for row in fields(KeyForm) if row.name not in _LISTS}
    return KeyForm(**texts, **{name: tuple(dict.fromkeys(said.list(name)[:_MAX_ENTRIES])) for name in _LISTS})  # type: ignore[arg-type]


def is_search(said: Fields) -> bool:
    """Whether models are looked for: by the button for it, or by Enter, which is pressed in the search where no script takes it."""
    return said.has("find_models") or (said.has("enter") and bool(said.text("model_search")))


def form_of(key: ApiKey) -> KeyForm:
    """The form that says what the key is."""
    held = tuple(scope for scope in scopes.ALL_SCOPES if scope in key.scopes)
    numbers = {name: _text(getattr(key, name)) for name in _NUMBERS}
    return KeyForm(
        name=key.name,
        environment=key.environment,
        kind=key.kind.value,
        preset=next((name for name, preset in PRESETS.items() if preset == held), CUSTOM),
        scopes=held,
        models=key.models or (),
        endpoints=key.endpoints or (),
        providers=key.providers or (),
        regions=", ".join(key.regions or ()),
        allowed_ips="\n".join(key.allowed_ips or ()),
        expiry=KEEP,
        expires_on=_local(key.expires_at),
        not_before=_local(key.not_before),
        limit="" if key.limit_nanousd is None else to_usd_string(key.limit_nanousd),
        limit_reset=key.limit_reset.value if key.limit_nanousd is not None else "monthly",
        budget_policy="" if key.budget_policy is None else key.budget_policy.value,
        tags=", ".join(key.tags),
        version=str(key.version),
        **numbers,
    )


def read_wishes(form: KeyForm, now: datetime) -> tuple[dict[str, Any], dict[str, str]]:
    """What the service is asked for, by its names, each checked for itself; and what is wrong, by the form's names."""
    wishes: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name, read in _READERS.items():
        try:
            value = read(form)
            if name == "name":
                check_name(value)
            elif value is not _UNSAID:
                check_fields({name: value}, now)
        except ClientError as error:
            errors[FORM_NAMES.get(name, name)] = say(error)
        else:
            if value is not _UNSAID:
                wishes[name] = value
    return wishes, errors


def find_changes(key: ApiKey, wishes: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Those of the wishes that are not so already: what is left out of a change is left as it is."""
    changes: dict[str, Any] = {}
    for name, value in wishes.items():
        checked = {"name": check_name(value)} if name == "name" else check_fields({name: value}, now)
        if name == "limit_reset" and key.limit_nanousd is None and wishes.get("limit") is None:
            continue  # the period of no budget
        if any(getattr(key, attribute) != wanted for attribute, wanted in checked.items()):
            changes[name] = value
    return changes


def list_differences(mine: KeyForm, now: KeyForm) -> list[tuple[str, str, str]]:
    """Where two forms differ: the field, what is in the first, what is in the second."""
    rows = []
    for row in fields(KeyForm):
        one, other = (_shown(getattr(form, row.name)) for form in (mine, now))
        if row.name not in {"version", "preset", "model_search", "expiry"} and one != other:
            rows.append((row.name.replace("_", " "), one, other))
    return rows


def say(error: ClientError) -> str:
    """A refusal as a sentence at its field, where its name stands already."""
    text = error.denied.message
    param = error.denied.param or ""
    text = text.removeprefix(f"{param}: ")
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


_UNSAID = object()


def _read_scopes(form: KeyForm) -> tuple[str, ...]:
    chosen = PRESETS.get(form.preset, form.scopes)
    if not chosen:
        raise refusal("scopes", "a key without any scope could do nothing; choose at least one")
    return chosen


def _read_models(form: KeyForm) -> tuple[str, ...] | None:
    typed = _split(form.models_more)
    _check_each(typed, check_models)
    return tuple(dict.fromkeys((*form.models, *typed))) or None


def _read_addresses(form: KeyForm) -> list[str] | None:
    entries = _split(form.allowed_ips)
    _check_each(entries, check_addresses)
    return entries or None


def _read_expiry(form: KeyForm) -> Any:
    if form.expiry == KEEP:
        return _UNSAID
    if form.expiry == NEVER:
        return None
    if form.expiry != DATE:
        return form.expiry
    if not form.expires_on:
        raise refusal("expires_at", "choose the day and the time at which the key ends")
    return _read_moment("expires_at", form.expires_on)


def _read_beginning(form: KeyForm) -> str | None:
    return _read_moment("not_before", form.not_before) if form.not_before else None


def _read_moment(param: str, text: str) -> str:
    found = _LOCAL.fullmatch(text)
    if found is None:
        raise refusal(param, "a day and a time are needed, such as 2030-01-31T12:00")
    return f"{text}{'' if found[1] else ':00'}Z"


def _read_number(name: str) -> Callable[[KeyForm], int | None]:
    return lambda form: Fields([(name, getattr(form, name))]).whole(name)


def _read_tags(form: KeyForm) -> list[str]:
    return [tag.strip() for tag in re.split(r"[,\n]", form.tags) if tag.strip()]


_READERS: Mapping[str, Callable[[KeyForm], Any]] = {
    "name": lambda form: form.name,
    "scopes": _read_scopes,
    "models": _read_models,
    "endpoints": lambda form: form.endpoints or None,
    "providers": lambda form: form.providers or None,
    "regions": lambda form: _split(form.regions) or None,
    "allowed_ips": _read_addresses,
    "expires_at": _read_expiry,
    "not_before": _read_beginning,
    **{name: _read_number(name) for name in _NUMBERS},
    "limit": lambda form: form.limit.removeprefix("$").replace(",", "").strip() or None,
    "limit_reset": lambda form: form.limit_reset or None,
    "budget_policy": lambda form: form.budget_policy or None,
    "tags": _read_tags,
}


def _check_each(entries: Sequence[str], check: Callable[[Sequence[str]], object]) -> None:
    """As `check` does, and the refusal names the entry itself: where boxes and lines are mixed, nobody can count."""
    for entry in entries:
        try:
            check([entry])
        except ClientError as error:
            raise refusal(
                error.denied.param or "",
                say(error).replace("Entry 1", f"\N{LEFT DOUBLE QUOTATION MARK}{entry[:60]}\N{RIGHT DOUBLE QUOTATION MARK}", 1),
            ) from None


def _split(text: str) -> list[str]:
    return [part for part in _SEPARATORS.split(text, _MAX_ENTRIES) if part]


def _text(value: int | None) -> str:
    return "" if value is None else str(value)


def _local(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")


def _shown(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)
