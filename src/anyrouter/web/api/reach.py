"""What of the catalogue a caller can reach: the rule of routing, asked for every model instead of one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from anyrouter.core.catalogue import Model
from anyrouter.core.tenancy import Environment
from anyrouter.policy.authorize import is_model_allowed
from anyrouter.policy.route import Snapshot, Upstream, find_candidates, select_upstreams
from anyrouter.relay.call import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachableModel:
    """A model and the upstreams that serve it to the one who asks, best first; at least one."""

    model: Model
    upstreams: tuple[Upstream, ...]


class Reach:
    """Judges by the routing snapshot of the moment, which is replaced as a whole; answers for an environment are kept as long as it.

    `catalogue` gives the models by id, `public_environment` whose models the public sees. Also listed are the models that an
    upstream names and the catalogue does not know, unless `is_hidden`. A row of an alias is judged by the model that is really called.
    """

    def __init__(
        self,
        *,
        snapshot: Callable[[], Snapshot],
        catalogue: Callable[[], Mapping[str, Model]],
        public_environment: Callable[[], Environment | None],
        is_hidden: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._snapshot, self._catalogue, self._public_environment = snapshot, catalogue, public_environment
        self._is_hidden = is_hidden
        self._kept: dict[Environment, tuple[ReachableModel, ...]] = {}
        self._kept_for: tuple[Snapshot, Mapping[str, Model]] | None = None

    def list(self, principal: Principal | None) -> tuple[ReachableModel, ...]:
        """The models that the principal's environment and key can reach; None: the public's view."""
        environment = self._public_environment() if principal is None else principal.environment
        if environment is None:
            return ()
        rows = self._list_environment(environment)
        if principal is None or not self._is_restricted(principal):
            return rows
        return tuple(seen for row in rows if (seen := _seen_by(principal, row)) is not None)

    def list_environment(self, environment: Environment) -> tuple[ReachableModel, ...]:
        """The models that requests of an environment can reach, whatever keys restrict."""
        return self._list_environment(environment)

    def _is_restricted(self, principal: Principal) -> bool:
        key = principal.key
        restrictions = (key.models, key.providers, key.regions)
        return restrictions != (None, None, None) or principal.environment.id in self._snapshot().tenants

    def find(self, principal: Principal | None, name: str) -> ReachableModel | None:
        """One of them, by any name that a request may use for it.

        A name that nobody knows is not there, even where an upstream would be asked for it because it takes any name.
        """
        environment = self._public_environment() if principal is None else principal.environment
        snapshot = self._snapshot()
        model = self._catalogue().get(name) or snapshot.resolve(name) or _named_model(snapshot, name)
        if environment is None or model is None:
            return None
        upstreams = tuple(find_candidates(snapshot, environment, model.canonical_id or model.id))
        if not upstreams:
            return None
        row = ReachableModel(model=model, upstreams=upstreams)
        return row if principal is None else _seen_by(principal, row)

    def _list_environment(self, environment: Environment) -> tuple[ReachableModel, ...]:
        snapshot, models = self._snapshot(), self._catalogue()
        if self._kept_for is None or self._kept_for[0] is not snapshot or self._kept_for[1] is not models:
            self._kept, self._kept_for = {}, (snapshot, models)
        rows = self._kept.get(environment)
        if rows is None:
            rows = self._kept[environment] = self._judge_all(snapshot, models, environment)
        return rows

    def _judge_all(self, snapshot: Snapshot, models: Mapping[str, Model], environment: Environment) -> tuple[ReachableModel, ...]:
        named = dict.fromkeys(name for upstream in snapshot.upstreams for name in upstream.models if name not in models)
        shown = (name for name in named if not self._is_hidden(name))
        unlisted = (model for name in shown if (model := snapshot.resolve(name) or _named_model(snapshot, name)) is not None)
        rows = []
        for model in (*models.values(), *unlisted):
            upstreams = tuple(find_candidates(snapshot, environment, model.canonical_id or model.id))
            if upstreams:
                rows.append(ReachableModel(model=model, upstreams=upstreams))
        return tuple(rows)


def _seen_by(principal: Principal, row: ReachableModel) -> ReachableModel | None:
    key = principal.key
    if key.models is not None and not is_model_allowed(key.models, row.model.canonical_id or row.model.id):
        return None
    if key.providers is None and key.regions is None and not any(upstream.byok for upstream in row.upstreams):
        return row
    upstreams = select_upstreams(key, row.upstreams)
    return replace(row, upstreams=upstreams) if upstreams else None


def _named_model(snapshot: Snapshot, name: str) -> Model | None:
    """A model of which nothing is known but that an upstream has it."""
    if name.endswith("/*") or not any(name in upstream.models for upstream in snapshot.upstreams):
        return None
    vendor, _, rest = name.partition("/")
    return Model(id=name, vendor=vendor, upstream_name=rest or name, name=rest or name)
