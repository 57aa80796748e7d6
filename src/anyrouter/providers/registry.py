"""The table of providers. Adding one is a row in compatible.toml, or a file of its own where a row does not say enough."""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from anyrouter.core.provider import Provider
from anyrouter.providers.amazon import BEDROCK
from anyrouter.providers.anthropic import ANTHROPIC
from anyrouter.providers.azure import AZURE_DEPLOYMENTS, AZURE_FOUNDRY, AZURE_FOUNDRY_ANTHROPIC, AZURE_OPENAI
from anyrouter.providers.google import GOOGLE, VERTEX, VERTEX_ANTHROPIC
from anyrouter.providers.openai import OPENAI, OPENAI_COMPATIBLE
from anyrouter.providers.row import Row
from anyrouter.providers.sandbox import ANY_VENDOR, SANDBOX, SANDBOX_MAKERS


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    provider: list[Row]


def read_rows(text: str) -> list[Provider]:
    """The providers of a table in TOML; msgspec.ValidationError names the row and the key that is wrong."""
    table = msgspec.convert(tomllib.loads(text), _Table)
    return [row.complete() for row in table.provider]


_COMPATIBLE = read_rows(Path(__file__).with_name("compatible.toml").read_text(encoding="utf-8"))
_ROWS = (
    OPENAI,
    ANTHROPIC,
    GOOGLE,
    *_COMPATIBLE,
    BEDROCK,
    VERTEX,
    VERTEX_ANTHROPIC,
    AZURE_OPENAI,
    AZURE_DEPLOYMENTS,
    AZURE_FOUNDRY,
    AZURE_FOUNDRY_ANTHROPIC,
    OPENAI_COMPATIBLE,
    SANDBOX,
    *SANDBOX_MAKERS,
)
PROVIDERS: Mapping[str, Provider] = MappingProxyType({row.id: row for row in _ROWS})


def find_provider(vendor: str) -> Provider | None:
    """The provider that a vendor's models come from by default; None for a vendor of the operator's own."""
    return next((row for row in PROVIDERS.values() if vendor in row.vendors), None)


def select_rows(rows: Iterable[Provider], vendor: str) -> tuple[Provider, ...]:
    """Those of an upstream's rows that serve a vendor: the ones that name it, else the ones that take any."""
    candidates = tuple(rows)
    return tuple(row for row in candidates if vendor in row.vendors) or tuple(row for row in candidates if ANY_VENDOR in row.vendors)


def name_provider(provider_id: str) -> str:
    """What a person reads for a provider's id; the id itself for one that is not here any more."""
    provider = PROVIDERS.get(provider_id)
    return provider_id if provider is None else provider.name
