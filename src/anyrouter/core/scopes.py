"""Scopes: what a key may do. Compatibility law: stored with every key; a scope is never renamed or given a wider meaning."""

COMPLETIONS_WRITE = "completions:write"
EMBEDDINGS_WRITE = "embeddings:write"
MODELS_READ = "models:read"
USAGE_READ = "usage:read"
ADMIN_ALL = "admin:*"
ADMIN_KEYS = "admin:keys"
ADMIN_BYOK = "admin:byok"
ADMIN_ORG = "admin:org"
ADMIN_BILLING = "admin:billing"

DEFAULT_SCOPES = (COMPLETIONS_WRITE, EMBEDDINGS_WRITE, MODELS_READ, USAGE_READ)
ADMIN_SCOPES = (ADMIN_ALL, ADMIN_KEYS, ADMIN_BYOK, ADMIN_ORG, ADMIN_BILLING)
ALL_SCOPES = DEFAULT_SCOPES + ADMIN_SCOPES


def grants(scopes: frozenset[str], needed: str) -> bool:
    """Whether a key that holds `scopes` may do what `needed` names. `admin:*` holds every admin scope and nothing else."""
    return needed in scopes or (ADMIN_ALL in scopes and needed.startswith("admin:"))


def is_admin(scopes: frozenset[str]) -> bool:
    """Whether any of the scopes is an admin scope."""
    return any(scope.startswith("admin:") for scope in scopes)


def parse(values: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """The scopes in the documented order, without repetitions; ValueError names what is not a scope. None means the default four."""
    if not values:
        return DEFAULT_SCOPES
    unknown = [value for value in values[: len(ALL_SCOPES) + 1] if value not in ALL_SCOPES]
    if unknown:
        raise ValueError(f"unknown scope {unknown[0][:40]!r}; scopes are {', '.join(ALL_SCOPES)}")
    if len(values) > len(ALL_SCOPES):
        raise ValueError(f"{len(values)} scopes given; there are only {len(ALL_SCOPES)}")
    return tuple(scope for scope in ALL_SCOPES if scope in values)
