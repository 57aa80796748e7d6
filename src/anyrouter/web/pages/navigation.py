"""Where one can go: the places of the dashboard, and which of them a visitor may see. Pure."""

from dataclasses import dataclass

from anyrouter.core.scopes import ADMIN_BILLING, ADMIN_BYOK, ADMIN_KEYS, ADMIN_ORG, MODELS_READ, USAGE_READ
from anyrouter.policy.rights import Rights, may


@dataclass(frozen=True, slots=True)
class Place:
    """A page in the navigation. `scope` is what its visitors need, empty for everybody."""

    title: str
    path: str
    scope: str = ""
    is_setting: bool = False
    is_current: bool = False


PLACES = (
    Place("Home", "/dashboard"),
    Place("API keys", "/dashboard/keys", ADMIN_KEYS),
    Place("Usage", "/dashboard/usage", USAGE_READ),
    Place("Activity", "/dashboard/activity", USAGE_READ),
    Place("Models", "/dashboard/models", MODELS_READ),
    Place("Playground", "/dashboard/playground", "completions:write"),
    Place("BYOK", "/dashboard/settings/byok", ADMIN_BYOK, is_setting=True),
    Place("Environments", "/dashboard/settings/environments", ADMIN_ORG, is_setting=True),
    Place("Presets", "/dashboard/settings/presets", ADMIN_KEYS, is_setting=True),
    Place("Members", "/dashboard/settings/members", ADMIN_ORG, is_setting=True),
    Place("Credits", "/dashboard/settings/credits", ADMIN_BILLING, is_setting=True),
    Place("Limits", "/dashboard/settings/limits", ADMIN_BILLING, is_setting=True),
    Place("Webhooks", "/dashboard/settings/webhooks", ADMIN_ORG, is_setting=True),
    Place("Audit log", "/dashboard/settings/audit", ADMIN_ORG, is_setting=True),
    Place("Upstreams", "/dashboard/settings/upstreams", USAGE_READ, is_setting=True),
    Place("Organisation", "/dashboard/settings", is_setting=True),
    Place("Profile", "/dashboard/settings/profile", is_setting=True),
)


def list_places(rights: Rights, path: str) -> tuple[Place, ...]:
    """The places that the visitor may see, the one that `path` belongs to marked."""
    current = max((place.path for place in PLACES if _is_within(path, place.path)), key=len, default="")
    return tuple(
        Place(place.title, place.path, place.scope, place.is_setting, place.path == current)
        for place in PLACES
        if not place.scope or may(rights, place.scope)
    )


def _is_within(path: str, place: str) -> bool:
    return path == place or (path.startswith(place + "/") and place != "/dashboard")
