"""What the operator says about models: rows of their own, prices, aliases, what is not to be shown. Knows no file.

It is laid over the models that come with the release and those that upstreams were found to have: each layer wins over those
below it, `overlay` over `discovered` over `bundled`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from anyrouter.control.catalogue import Catalogue
from anyrouter.control.model_facts import list_parameters
from anyrouter.core.catalogue import Model, Tariff, split_variant


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """What is said of one model. None: not said, so what is known of it otherwise stays."""

    id: str
    upstream_name: str | None = None
    name: str | None = None
    description: str | None = None
    category: str | None = None
    created: int | None = None
    context_length: int | None = None
    max_output_tokens: int | None = None
    capabilities: tuple[str, ...] | None = None
    input_modalities: tuple[str, ...] | None = None
    output_modalities: tuple[str, ...] | None = None
    supported_parameters: tuple[str, ...] | None = None
    tariff: Tariff | None = None

    def apply(self, known: Model | None) -> Model:
        """The row, made of `known` and what is said here."""
        said = {name: value for name in self.__slots__ if (value := getattr(self, name)) is not None}
        if self.capabilities is not None and self.supported_parameters is None:
            said["supported_parameters"] = list_parameters(self.capabilities)
        return msgspec.structs.replace(known or _unknown_model(self.id), **said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """All that is said. `aliases` lead to ids or to other aliases, with or without a variant; `hidden` are ids and `vendor/start*`."""

    models: tuple[ModelEntry, ...] = ()
    prices: Mapping[str, Tariff] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()


NO_OVERLAY = Overlay()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """What makes no sense, and where: the path of keys."""

    path: tuple[str | int, ...]
    text: str


def compose(bundled: Catalogue, overlay: Overlay = NO_OVERLAY, discovered: Collection[Model] = ()) -> Catalogue:
    """One catalogue of the three. `overlay` is taken as it is: `find_mistakes` says beforehand what would have no effect.

    A price of a model that is not listed is kept for its name, without listing it.
    """
    later = [{model_id: bundled.models[model_id] for model_id in layer} for layer in bundled.later]
    behind = {model_id for layer in later for model_id in layer}
    rows = {model_id: model for model_id, model in bundled.models.items() if model_id not in behind}
    later.append({model.id: model for model in discovered if model.id not in bundled.models})
    for entry in overlay.models:
        layer = next((layer for layer in later if entry.id in layer), rows)
        layer[entry.id] = entry.apply(layer.get(entry.id) or bundled.resolve(entry.id))
    unlisted: dict[str, Model] = {}
    for model_id, tariff in overlay.prices.items():
        layer = next((layer for layer in (rows, *later) if model_id in layer), unlisted)
        row = layer.get(model_id) or bundled.resolve(model_id) or _unknown_model(model_id)
        layer[model_id] = msgspec.structs.replace(row, tariff=tariff)
    own_vendors = {model.vendor for layer in (rows, *later, unlisted) for model in layer.values()}
    return Catalogue(
        list(rows.values()),
        rules=dict.fromkeys(own_vendors - bundled.rules.keys(), ()) | bundled.rules,
        valid_until=bundled.valid_until,
        unlisted=list(unlisted.values()),
        aliases={alias: target for alias in overlay.aliases if (target := _follow(overlay.aliases, alias)[1]) is not None},
        is_hidden=_make_predicate(overlay.hidden),
        later=[list(layer.values()) for layer in later],
    )


def find_mistakes(overlay: Overlay, bundled: Catalogue, is_served: Callable[[str], bool]) -> Iterator[Mistake]:
    """What refers to nothing. `is_served` says of an id that an upstream of the operator's own has it, or may have it."""
    known = compose(bundled, Overlay(models=overlay.models))

    def is_known(name: str) -> bool:
        base = split_variant(name)[0]
        return known.resolve(base) is not None or is_served(base)

    described = {entry.id for entry in overlay.models if entry.tariff is not None}
    for model_id in overlay.prices:
        if model_id in described:
            yield Mistake(path=("prices", model_id), text="has its price in [[models]] already: keep one")
        elif not is_known(model_id):
            text = f"is not known{_hint(known, model_id)}; a model of your own has its price in [[models]]"
            yield Mistake(path=("prices", model_id), text=text)
    for alias, target in overlay.aliases.items():
        chain, end = _follow(overlay.aliases, alias)
        if end is None:
            yield Mistake(path=("aliases", alias), text=f"leads in a circle: {' -> '.join(chain)}")
        elif split_variant(target)[0] not in overlay.aliases and not is_known(target):
            yield Mistake(path=("aliases", alias), text=f"means a model that is not known{_hint(known, target)}")
    for index, name in enumerate(overlay.hidden):
        if not name.endswith("*") and name not in overlay.aliases and not is_known(name):
            yield Mistake(path=("hidden", index), text=f"is not known{_hint(known, name)}")


def _follow(aliases: Mapping[str, str], alias: str) -> tuple[list[str], str | None]:
    """The names on the way from an alias, and what it means in the end, with the first variant on the way; None for a circle."""
    chain, variant = [alias], None
    while chain[-1] in aliases:
        name, ending = split_variant(aliases[chain[-1]])
        variant = variant or ending
        chain.append(name)
        if name in chain[:-1]:
            return chain, None
    return chain, chain[-1] if variant is None else f"{chain[-1]}:{variant}"


def _make_predicate(patterns: Collection[str]) -> Callable[[str], bool]:
    exact = {pattern for pattern in patterns if not pattern.endswith("*")}
    starts = tuple(pattern.removesuffix("*") for pattern in patterns if pattern.endswith("*"))
    return lambda name: name in exact or (bool(starts) and name.startswith(starts))


def _hint(known: Catalogue, name: str) -> str:
    nearest = known.find_nearest(name, 1)
    return f"; did you mean {nearest[0]}?" if nearest else ""


def _unknown_model(model_id: str) -> Model:
    vendor, _, name = model_id.partition("/")
    return Model(id=model_id, vendor=vendor, upstream_name=name, name=name)
