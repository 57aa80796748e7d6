"""The models that this gateway knows: genai-prices' rows as `vendor/name`, with integer tariffs and published facts.

A provider's rows are found under its id in genai-prices and listed under its first vendor, in lower case. Left out are
aggregators and clouds, which repeat other makers' models: they have no row in `providers`, so adding one there adds its models.
Of a maker's rows those are left out that it merely resells: another maker's names. Not listed, but resolved, are names that mean
no model of its own API: with a slash or a colon (an aggregator's way to write), and the prefixes of fine-tunes' names.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from anyrouter.control.model_facts import ModelFacts, list_parameters, read_facts
from anyrouter.control.name_match import Predicate, compile_clause
from anyrouter.control.nearest_names import NearestNames
from anyrouter.control.price_data import PriceRow, read_price_data
from anyrouter.control.tariffs import FREE, make_tariff, next_change, select_prices
from anyrouter.core.catalogue import Model, split_variant
from anyrouter.core.provider import Provider
from anyrouter.providers.registry import PROVIDERS
from anyrouter.providers.sandbox import SANDBOX_MODELS
from anyrouter.providers.sandbox import VENDOR as SANDBOX_VENDOR

MAX_NAME_LENGTH = 256
_MAX_REMEMBERED = 4096
_CATEGORY_WORDS = {
    "embed": "embedding",
    "image": "image",
    "-tts": "audio",
    "tts-": "audio",
    "whisper": "audio",
    "transcribe": "audio",
    "audio": "audio",
    "realtime": "audio",
    "voice": "audio",
    "orpheus": "audio",
}
_LATEST = "-latest"


class NameRule:
    """A row of a vendor and the names that mean it. The predicate is made when it is first asked: most never are."""

    __slots__ = ("_clause", "_matches", "model")

    def __init__(self, model: Model, clause: Mapping[str, Any]) -> None:
        self.model = model
        self._clause = clause
        self._matches: Predicate | None = None

    def matches(self, name: str) -> bool:
        """Whether a name in lower case means this row."""
        if self._matches is None:
            self._matches = compile_clause(self._clause)
        return self._matches(name)


class Catalogue:
    """The models by public id, and what other names mean. Immutable but for a bounded memory of names already judged.

    `models` are all rows, `listed` those that are shown: without those that `is_hidden`, with one for each alias. `valid_until` is when
    the first known price changes (aware UTC; None: no change is announced): load a new one then.
    """

    __slots__ = (
        "_bare",
        "_judged",
        "_known",
        "_nearest",
        "_rows",
        "_vendors",
        "is_hidden",
        "later",
        "listed",
        "models",
        "rules",
        "valid_until",
    )

    def __init__(
        self,
        models: Collection[Model],
        *,
        rules: Mapping[str, Sequence[NameRule]] | None = None,
        valid_until: datetime | None = None,
        unlisted: Collection[Model] = (),
        aliases: Mapping[str, str] | None = None,
        is_hidden: Callable[[str], bool] = lambda _: False,
        later: Sequence[Collection[Model]] = (),
    ) -> None:
        """Make it of rows and of what leads to them.

        `unlisted` rows are found by their id alone. `later` ones, layer by layer, take no bare name from those before them. `aliases`
        lead to real names.
        """
        self.is_hidden = is_hidden
        self.later = tuple(tuple(model.id for model in layer) for layer in later)
        rows = {model.id: model for layer in (models, *later) for model in layer}
        self.rules = dict(rules or {})
        self.valid_until = valid_until
        self._judged: dict[str, Model | None] = {}
        self._rows = {model.id: model for model in unlisted} | rows
        self._known = self._rows
        layers = (tuple(model.id for model in models), *self.later)
        self._bare = _index_bare(layers)
        self._vendors = _rank_vendors(self.rules, layers)
        meanings = {alias: self._stand_for(target) for alias, target in (aliases or {}).items()}
        self.models: Mapping[str, Model] = _note_aliases(rows, meanings)
        self._rows |= self.models
        self._judged.clear()
        self._known = self._rows | {alias: self._stand_for(target) for alias, target in (aliases or {}).items()}
        self._judged.clear()
        listed = (*self.models.values(), *(_list_alias(alias, model) for alias, model in meanings.items()))
        self.listed: Mapping[str, Model] = {model.id: model for model in listed if not is_hidden(model.id)}
        self._nearest = NearestNames(self.listed)

    def resolve(self, name: str) -> Model | None:
        """The model that a request's `model` means, or None.

        An id as listed gives its row, an alias that of the model that it stands for. Another of the vendor's own names for a row
        ("openai/gpt-4o-2024-08-06") gives that row's price and facts under the asked name, in `id` and `upstream_name`; `-latest`
        behind a row's name gives the row, unless the vendor itself has such a name. A name without a vendor gives what it would with
        one, if exactly one vendor has it. A variant behind any of them ("openai/gpt-4o:floor") is noted in the row.
        """
        model = self._known.get(name)
        if model is not None:
            return model
        if name in self._judged:
            return self._judged[name]
        if not _is_name(name):
            return None
        model = self._judge(name)
        if len(self._judged) >= _MAX_REMEMBERED:
            del self._judged[next(iter(self._judged))]
        self._judged[name] = model
        return model

    def find_nearest(self, name: str, limit: int = 3) -> list[str]:
        """Up to `limit` listed ids that look like `name`, the most alike first; for the text of an error."""
        return self._nearest.find(name, limit)

    def find_row(self, vendor: str, name: str) -> Model | None:
        """The vendor's row that one of its own names means, as it is in the catalogue."""
        lowered = name.lower()
        row = next((rule.model for rule in self.rules.get(vendor, ()) if rule.matches(lowered)), None)
        return None if row is None else self._rows.get(row.id, row)

    def _judge(self, name: str) -> Model | None:
        base, variant = split_variant(name)
        if variant is not None:
            model = self.resolve(base)
            return None if model is None else msgspec.structs.replace(model, variant=variant)
        vendor, slash, rest = name.partition("/")
        if slash and vendor in self.rules:
            return self._match(vendor, rest)
        exact = self._bare.get(name, ())
        if exact or slash:
            return self._rows[exact[0]] if len(exact) == 1 else None
        for vendors in self._vendors:
            matched = [model for model in (self._match(vendor, name) for vendor in vendors) if model is not None]
            if matched:
                return matched[0] if len(matched) == 1 else None
        return None

    def _match(self, vendor: str, name: str) -> Model | None:
        row = self.find_row(vendor, name)
        if row is not None:
            return msgspec.structs.replace(row, id=f"{vendor}/{name}", upstream_name=name, aliases=())
        return self._known.get(f"{vendor}/{name.removesuffix(_LATEST)}") if name.endswith(_LATEST) else None

    def _stand_for(self, target: str) -> Model:
        """The model that an alias means. An upstream may have one that is not known here: then nothing is known of it but its name."""
        model = self.resolve(target)
        if model is not None:
            return model
        model_id, variant = split_variant(target)
        vendor, _, name = model_id.partition("/")
        return Model(id=model_id, vendor=vendor, upstream_name=name, name=name, variant=variant)


def _index_bare(layers: Sequence[Iterable[str]]) -> dict[str, list[str]]:
    """Ids by their names without the vendor: of the first layer that has such a name."""
    index: dict[str, list[str]] = {}
    for layer in reversed(layers):
        found: dict[str, list[str]] = {}
        for model_id in layer:
            found.setdefault(model_id.partition("/")[2], []).append(model_id)
        index |= found
    return index


def _rank_vendors(vendors: Iterable[str], layers: Sequence[Iterable[str]]) -> list[list[str]]:
    """The vendors by the first layer that has a model of theirs; those without models are in the first."""
    ranks: dict[str, int] = {}
    for rank, layer in enumerate(layers):
        for model_id in layer:
            ranks.setdefault(model_id.partition("/")[0], rank)
    return [[vendor for vendor in vendors if ranks.get(vendor, 0) == rank] for rank in range(len(layers))]


def _note_aliases(rows: Mapping[str, Model], meanings: Mapping[str, Model]) -> dict[str, Model]:
    noted = dict(rows)
    for alias, meant in meanings.items():
        row = noted.get(meant.id)
        if row is not None and alias != meant.id:
            noted[meant.id] = msgspec.structs.replace(row, aliases=(*row.aliases, alias))
    return noted


def _list_alias(alias: str, model: Model) -> Model:
    return msgspec.structs.replace(model, id=alias, canonical_id=model.id, aliases=())


def load_catalogue(
    now: datetime,
    *,
    extra: Sequence[Model] = (),
    read_prices: Callable[[], list[PriceRow]] = read_price_data,
) -> Catalogue:
    """The catalogue with the prices that hold at `now` (aware).

    `extra` are the operator's own rows; one with a known id replaces it. `read_prices` gives genai-prices' rows.
    """
    prices = {row["id"]: row for row in read_prices()}
    facts = read_facts().models
    makers = {row.id: compile_clause(prices[row.id]["model_match"]) for row in _list_makers(prices)}
    models: dict[str, Model] = {}
    rules: dict[str, list[NameRule]] = {SANDBOX_VENDOR: []}
    changes = []
    for provider in PROVIDERS.values():
        for row in prices.get(provider.id, {"models": ()})["models"]:
            if _is_resold(row["id"], provider, makers):
                continue
            model = _make_model(row, provider, facts, now)
            rules.setdefault(model.vendor, []).append(NameRule(model, row["match"]))
            change = next_change(row["prices"], now)
            changes += [change] if change else []
            if _is_listed(row["id"], provider):
                models[model.id] = model
    models |= {model.id: model for model in (*_list_sandbox_models(), *extra)}
    for vendor in {model.vendor for model in extra}:
        rules.setdefault(vendor, [])
    resellers = {vendor for provider in PROVIDERS.values() if provider.is_found_last for vendor in provider.vendors}
    return Catalogue(
        [model for model in models.values() if model.vendor not in resellers],
        rules=rules,
        valid_until=min(changes, default=None),
        later=[[model for model in models.values() if model.vendor in resellers]],
    )


def _list_makers(prices: Mapping[str, PriceRow]) -> Iterator[Provider]:
    for provider in PROVIDERS.values():
        if not provider.is_host and prices.get(provider.id, {}).get("model_match"):
            yield provider


def _is_resold(name: str, provider: Provider, makers: Mapping[str, Predicate]) -> bool:
    """Whether another maker's names, and not the provider's own, include this one."""
    lowered = name.lower()
    claims = [maker for maker, is_name in makers.items() if is_name(lowered)]
    return not provider.is_host and bool(claims) and provider.id not in claims


def _is_listed(name: str, provider: Provider) -> bool:
    return provider.is_host or not (set(name) & {"/", ":"} or name.endswith("-"))


def _make_model(row: PriceRow, provider: Provider, facts: Mapping[str, ModelFacts], now: datetime) -> Model:
    name: str = row["id"]
    vendor = provider.vendors[0]
    model_id = f"{vendor}/{name.lower()}"
    known = facts.get(model_id, ModelFacts())
    description = (row.get("description") or "").strip()
    # Sources count differently (with the reply, or the prompt alone): the larger one refuses no request that would have fit.
    lengths = [length for length in (row.get("context_window"), known.context_length) if length]
    return Model(
        id=model_id,
        vendor=vendor,
        upstream_name=name,
        name=row.get("name") or name,
        category=known.category or guess_category(model_id),
        description=description or None,
        context_length=max(lengths, default=None),
        max_output_tokens=known.max_output_tokens,
        capabilities=known.capabilities,
        input_modalities=known.input_modalities,
        output_modalities=known.output_modalities,
        supported_parameters=list_parameters(known.capabilities),
        tariff=make_tariff(select_prices(row["prices"], now), is_deprecated=bool(row.get("deprecated"))),
    )


def guess_category(model_id: str) -> str:
    """By the words that makers put into names; a filter wants some category, and most models without facts are text models."""
    return next((category for word, category in _CATEGORY_WORDS.items() if word in model_id), "text")


def _list_sandbox_models() -> Iterator[Model]:
    for name, description in SANDBOX_MODELS.items():
        yield Model(
            id=f"{SANDBOX_VENDOR}/{name}",
            vendor=SANDBOX_VENDOR,
            upstream_name=name,
            name=f"Sandbox: {name}",
            description=description,
            capabilities=("chat", "tool_use", "json_schema"),
            input_modalities=("text",),
            output_modalities=("text",),
            supported_parameters=list_parameters(("chat", "tool_use", "json_schema")),
            tariff=FREE,
        )


def _is_name(name: str) -> bool:
    return 0 < len(name) <= MAX_NAME_LENGTH and name.isascii() and name.isprintable() and " " not in name
