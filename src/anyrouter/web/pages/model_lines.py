"""Models as the pages show them: what is known of each, who serves it where. Pure. What nobody knows is None, and said to be unknown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from anyrouter.core.catalogue import Model, PriceTier, Tariff
from anyrouter.core.money import NANO
from anyrouter.core.tenancy import Environment
from anyrouter.policy.route import Upstream
from anyrouter.providers.registry import find_provider
from anyrouter.web.api.reach import ReachableModel

_CENTS = 2
_NAMES = {
    "chat": "chat",
    "tool_use": "tools",
    "parallel_tool_use": "parallel tools",
    "json_schema": "structured output",
    "prompt_caching": "prompt caching",
    "pdf_input": "PDF input",
    "audio_input": "audio input",
    "video_input": "video input",
    "audio_output": "audio output",
    "responses": "Responses API",
    "ocr": "OCR",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """An upstream that serves a model, and the slugs of the environments whose requests may go there."""

    upstream: Upstream
    environments: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLine:
    """A model, and who serves it, best first; nobody where the organisation cannot reach it."""

    model: Model
    vendor: str
    served: tuple[Served, ...] = ()

    @property
    def name(self) -> str:
        """What a person reads."""
        return self.model.name

    @property
    def environments(self) -> tuple[str, ...]:
        """The slugs of all environments that reach it."""
        return tuple(dict.fromkeys(slug for row in self.served for slug in row.environments))

    @property
    def providers(self) -> tuple[str, ...]:
        """The names of the providers that serve it."""
        return tuple(dict.fromkeys(row.upstream.provider.name for row in self.served))

    @property
    def provider_ids(self) -> frozenset[str]:
        """By what a filter finds it: who made it, and who serves it."""
        return frozenset({self.model.vendor, *(row.upstream.provider.id for row in self.served)})

    @property
    def capabilities(self) -> tuple[str, ...] | None:
        """Its abilities in words; None where nobody knows."""
        found = self.model.capabilities
        return None if found is None else tuple(name_capability(ability) for ability in found)

    @property
    def is_real(self) -> bool:
        """Whether somebody besides the simulated provider serves it."""
        return any(not row.upstream.is_sandbox for row in self.served)

    @property
    def is_chat(self) -> bool:
        """Whether one can talk with it. Where its abilities are unknown, a model that makes text is taken for one."""
        found = self.model.capabilities
        return "chat" in found if found is not None else self.model.category == "text"


def name_capability(ability: str) -> str:
    """An ability in words."""
    return _NAMES.get(ability) or ability.replace("_", " ")


def merge_lines(
    reached: Sequence[tuple[Environment, Sequence[ReachableModel]]], catalogue: Mapping[str, Model] | None = None
) -> tuple[ModelLine, ...]:
    """One line for each model that any of the environments reaches, and one for each other of the catalogue, where that is given."""
    models: dict[str, Model] = {}
    served: dict[str, dict[tuple[str, str], tuple[Upstream, list[str]]]] = {}
    for environment, rows in reached:
        for row in rows:
            models.setdefault(row.model.id, row.model)
            upstreams = served.setdefault(row.model.id, {})
            for upstream in row.upstreams:
                # One that speaks two dialects is two rows of one id.
                slugs = upstreams.setdefault((upstream.id, upstream.provider.name), (upstream, []))[1]
                if environment.slug not in slugs:
                    slugs.append(environment.slug)
    for name, model in (catalogue or {}).items():
        models.setdefault(name, model)
    return tuple(
        ModelLine(
            model=model,
            vendor=name_vendor(model.vendor),
            served=tuple(Served(upstream=upstream, environments=tuple(slugs)) for upstream, slugs in served.get(name, {}).values()),
        )
        for name, model in models.items()
    )


def name_vendor(vendor: str) -> str:
    """Who made a model, by name."""
    found = find_provider(vendor)
    return vendor if found is None or found.id != vendor else found.name


def price(nanousd: int | None) -> str | None:
    """An amount in USD, exact to the nano-dollar, with two decimals at least; None where nobody knows it."""
    if nanousd is None:
        return None
    whole, part = divmod(nanousd, NANO)
    digits = f"{part:09d}".rstrip("0").ljust(_CENTS, "0")
    return f"${whole:,}.{digits}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceLine:
    """What a million tokens cost from a size of the request on, as texts; a cache price that is not set apart is the input's."""

    above_tokens: int
    input: str | None
    output: str | None
    cache_read: str | None
    cache_write: str | None


def list_prices(tariff: Tariff | None) -> tuple[PriceLine, ...]:
    """The prices of a model, and those that hold for longer requests; nothing where nobody knows."""
    if tariff is None:
        return ()
    return (_price_line(0, tariff), *(_price_line(tier.above_tokens, tier) for tier in tariff.tiers))


def _price_line(above_tokens: int, rates: Tariff | PriceTier) -> PriceLine:
    return PriceLine(
        above_tokens=above_tokens,
        input=price(rates.input_nanousd),
        output=price(rates.output_nanousd),
        cache_read=price(rates.cache_read_nanousd),
        cache_write=price(rates.cache_write_nanousd),
    )


def read_created(model: Model) -> datetime | None:
    """When it came out; None where nobody knows."""
    return None if not model.created else datetime.fromtimestamp(model.created, UTC)
