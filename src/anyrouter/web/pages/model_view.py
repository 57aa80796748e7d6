"""The catalogue as an organisation sees it, and which targets a model has. Without I/O."""

from collections.abc import Sequence

from anyrouter.core.catalogue import Model
from anyrouter.core.tenancy import Environment
from anyrouter.policy.health import TargetKey
from anyrouter.policy.route import Upstream, find_candidates
from anyrouter.web.api.ports import ControlPorts
from anyrouter.web.api.reach import Reach, ReachableModel
from anyrouter.web.pages.model_lines import ModelLine, merge_lines

_MAX_KEPT = 64  # organisations
_Rows = tuple[tuple[ReachableModel, ...], ...]


class ModelView:
    """Lines of models, kept for each organisation as long as what its environments reach is the same."""

    def __init__(self, ports: ControlPorts) -> None:
        self._ports = ports
        self._reach = Reach(snapshot=ports.snapshot, catalogue=ports.catalogue, public_environment=lambda: None, is_hidden=ports.is_hidden)
        self._kept: dict[tuple[tuple[str, ...], bool], tuple[_Rows, dict[str, ModelLine]]] = {}

    def list(self, environments: Sequence[Environment], *, is_whole: bool = False) -> dict[str, ModelLine]:
        """By id, the models that requests of any of the environments reach. `is_whole`: and all others of the catalogue."""
        active = [row for row in environments if row.is_active]
        rows = tuple(self._reach.list_environment(row) for row in active)
        name = (tuple(row.id for row in active), is_whole)
        kept = self._kept.get(name)
        if kept is not None and all(old is new for old, new in zip(kept[0], rows, strict=True)):
            return kept[1]
        lines = merge_lines(list(zip(active, rows, strict=True)), self._ports.catalogue() if is_whole else None)
        found = {line.model.id: line for line in lines}
        if len(self._kept) >= _MAX_KEPT:
            self._kept.clear()
        self._kept[name] = (rows, found)
        return found

    def find(self, environments: Sequence[Environment], name: str) -> ModelLine | None:
        """One model by any name that a request may use for it, also one that no environment reaches."""
        line = self.list(environments, is_whole=True).get(name)
        if line is not None:
            return line
        snapshot = self._ports.snapshot()
        model = snapshot.resolve(name)
        if model is None:
            return None
        active = [row for row in environments if row.is_active]
        reached = [(row, self._reach_one(row, model)) for row in active]
        return merge_lines([pair for pair in reached if pair[1][0].upstreams], {model.id: model})[0]

    def has_route(self, environment: Environment, name: str) -> bool:
        """Whether requests of an environment may ask for a name; of one that nobody knows only asking can tell."""
        snapshot = self._ports.snapshot()
        model = snapshot.resolve(name)
        return model is None or bool(find_candidates(snapshot, environment, model.id))

    def has_provider(self, environment: Environment) -> bool:
        """Whether requests of an environment reach anything."""
        return any(row.serves(environment) for row in self._ports.snapshot().list_upstreams(environment))

    def _reach_one(self, environment: Environment, model: Model) -> tuple[ReachableModel]:
        upstreams = tuple(find_candidates(self._ports.snapshot(), environment, model.canonical_id or model.id))
        return (ReachableModel(model=model, upstreams=upstreams),)


def find_target(model: Model, upstream: Upstream) -> TargetKey:
    """What the gateway knows an upstream by where it is asked for a model."""
    name = upstream.upstream_name(model.canonical_id or model.id, model) or ""
    return upstream.id, name if upstream.byok is None else f"seal {upstream.byok.seal_version}"  # an account does as a whole
