"""The models that this gateway knows: genai-prices' rows as `vendor/name`, with integer tariffs and published facts.

A provider's rows are found under its id in genai-prices and listed under its first vendor, in lower case. Left out are
aggregators and clouds, which repeat other makers' models: they have no row in `providers`, so adding one there adds its models.
Of a maker's rows those are left out that it merely resells: another maker's names. Not listed, but resolved, are names that mean
no model of its own API: with a slash or a colon (an aggregator's way to write), and the prefixes of fine-tunes' names.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from difflib import SequenceMatcher
from typing import Any

import msgspec

from anyrouter.control.model_facts import ModelFacts, list_parameters, read_facts
from anyrouter.control.name_match import Predicate, compile_clause
from anyrouter.control.price_data import PriceRow, read_price_data
from anyrouter.control.tariffs import FREE, make_tariff, next_change, select_prices
from anyrouter.core.catalogue import Model
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
_LEAST_LIKENESS = 0.35  # of 1: below it a suggestion is more puzzling than none
_RANKED_CLOSELY = 10  # of hundreds: the exact comparison costs a hundred times the first one


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

    `valid_until` is when the first known price changes (aware UTC; None: no change is announced): load a new one then.
    """

    __slots__ = ("_bare", "_judged", "_rules", "_trigrams", "models", "valid_until")

    def __init__(
        self,
        models: Iterable[Model],
        *,
        rules: Mapping[str, Sequence[NameRule]] | None = None,
        valid_until: datetime | None = None,
    ) -> None:
        self.models: Mapping[str, Model] = {model.id: model for model in models}
        self.valid_until = valid_until
        self._rules = dict(rules or {})
        self._bare: dict[str, list[Model]] = {}
        for model in self.models.values():
            self._bare.setdefault(model.id.partition("/")[2], []).append(model)
        self._judged: dict[str, Model | None] = {}
        self._trigrams: list[tuple[str, frozenset[str], frozenset[str]]] | None = None

    def resolve(self, name: str) -> Model | None:
        """The model that a request's `model` means, or None.

        An id as listed gives its row. Another of the vendor's own names for a row ("openai/gpt-4o-2024-08-06") gives that row's
        price and facts under the asked name, in `id` and `upstream_name`. A name without a vendor gives what it would with one,
        if exactly one vendor has it.
        """
        model = self.models.get(name)
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
        if self._trigrams is None:
            self._trigrams = [(model_id, _list_trigrams(model_id), _list_trigrams(model_id.partition("/")[2])) for model_id in self.models]
        asked = name[:MAX_NAME_LENGTH].lower()
        wanted, is_bare = _list_trigrams(asked), "/" not in asked
        scored = [(_likeness(wanted, bare if is_bare else whole), model_id) for model_id, whole, bare in self._trigrams]
        alike = sorted((row for row in scored if row[0] >= _LEAST_LIKENESS), key=lambda row: (-row[0], row[1]))[:_RANKED_CLOSELY]
        ranked = sorted((model_id for _, model_id in alike), key=lambda model_id: -SequenceMatcher(None, asked, model_id).ratio())
        return ranked[:limit]

    def find_row(self, vendor: str, name: str) -> Model | None:
        """The vendor's row that one of its own names means, as it is in the catalogue."""
        lowered = name.lower()
        return next((rule.model for rule in self._rules.get(vendor, ()) if rule.matches(lowered)), None)

    def _judge(self, name: str) -> Model | None:
        vendor, slash, rest = name.partition("/")
        if slash and vendor in self._rules:
            return self._match(vendor, rest)
        exact = self._bare.get(name, ())
        if exact or slash:
            return exact[0] if len(exact) == 1 else None
        matched = [model for model in (self._match(vendor, name) for vendor in self._rules) if model is not None]
        return matched[0] if len(matched) == 1 else None

    def _match(self, vendor: str, name: str) -> Model | None:
        row = self.find_row(vendor, name)
        return None if row is None else msgspec.structs.replace(row, id=f"{vendor}/{name}", upstream_name=name)


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
    return Catalogue(models.values(), rules=rules, valid_until=min(changes, default=None))


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
        category=known.category or _guess_category(model_id),
        description=description or None,
        context_length=max(lengths, default=None),
        max_output_tokens=known.max_output_tokens,
        capabilities=known.capabilities,
        input_modalities=known.input_modalities,
        output_modalities=known.output_modalities,
        supported_parameters=list_parameters(known.capabilities),
        tariff=make_tariff(select_prices(row["prices"], now), is_deprecated=bool(row.get("deprecated"))),
    )


def _guess_category(model_id: str) -> str:
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


def _list_trigrams(text: str) -> frozenset[str]:
    padded = f"  {text} "
    return frozenset(padded[start : start + 3] for start in range(len(padded) - 2))


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    return 2 * len(one & other) / (len(one) + len(other))
