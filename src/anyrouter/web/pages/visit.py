"""One request for a page: what the edge knows of it, and who is signed in."""

from dataclasses import dataclass
from datetime import datetime

from starlette.types import Scope

from anyrouter.control.sessions import Visitor
from anyrouter.core.audit import Actor, ActorKind
from anyrouter.core.tenancy import Environment, EnvironmentKind, Role
from anyrouter.policy.rights import Rights, rights_of_role

_SCOPE_KEY = "anyrouter.page_visit"


@dataclass(slots=True, kw_only=True)
class PageVisit:
    """`address` is the client's, behind trusted proxies. `origin` is ours as the browser sees it (`http://localhost:8080`).

    `token` is the session cookie's text, None without one. `visitor` is whose session that is, `environments` are those of the visitor's
    organisation that are not deleted. `is_fresh`: the visitor has proved to be there a moment ago.
    """

    request_id: str
    now: datetime
    address: str
    user_agent: str
    origin: str
    is_secure: bool
    theme: str = "auto"
    token: str | None = None
    visitor: Visitor | None = None
    is_fresh: bool = False
    environments: tuple[Environment, ...] = ()

    @property
    def member_visitor(self) -> Visitor:
        """Who is signed in. Only for routes whose guard lets nobody else through."""
        assert self.visitor is not None  # noqa: S101 -- the guard's guarantee
        return self.visitor

    @property
    def organisation_id(self) -> str:
        """The visitor's organisation: everything that a page shows or does is within it."""
        return self.member_visitor.member.organisation_id

    @property
    def role(self) -> Role:
        """The visitor's role, as it is now."""
        return self.member_visitor.member.role

    @property
    def rights(self) -> Rights:
        """What the visitor may give and do: those of the role."""
        member = self.member_visitor.member
        sandboxes = frozenset(row.id for row in self.environments if row.kind is EnvironmentKind.SANDBOX)
        return rights_of_role(
            member.role, organisation_id=member.organisation_id, member_id=member.id, sandbox_ids=sandboxes, is_fresh=self.is_fresh
        )

    @property
    def actor(self) -> Actor:
        """The visitor as the audit log names who acts."""
        member = self.member_visitor.member
        return Actor(
            kind=ActorKind.MEMBER,
            id=member.id,
            label=member.email,
            address=self.address,
            user_agent=self.user_agent or None,
            request_id=self.request_id,
        )


def begin(scope: Scope, visit: PageVisit) -> None:
    """Put the visit where everything that sees this scope finds it."""
    scope[_SCOPE_KEY] = visit


def visit_of(scope: Scope) -> PageVisit:
    """The visit that the edge has begun."""
    visit = scope[_SCOPE_KEY]
    assert isinstance(visit, PageVisit)  # noqa: S101 -- narrows what ASGI types as Any
    return visit
