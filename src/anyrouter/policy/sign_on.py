"""What the operator wants of single sign-on: at which provider, as which client, and who may come that way. Pure."""

from dataclasses import dataclass, field

from anyrouter.core.tenancy import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOnRules:
    """`name` is what people know the provider by. `domains` None: every address. `default_role` None: only who is expected may come."""

    issuer: str
    client_id: str
    name: str
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    domains: frozenset[str] | None = None
    default_role: Role | None = None

    def allows(self, email: str) -> bool:
        """Whether a person with that verified address may come."""
        return bool(email) and (self.domains is None or email.rpartition("@")[2] in self.domains)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOnAnswer:
    """What the provider sent a browser back with. Every text may be anything, and is empty where there was none."""

    state: str = field(repr=False)
    code: str = field(repr=False)
    issuer: str
    error: str
