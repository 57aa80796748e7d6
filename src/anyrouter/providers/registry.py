"""The table of providers. Adding one is a row in compatible.toml, or a file of its own where a row does not say enough."""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from anyrouter.core.provider import Provider
from anyrouter.providers.anthropic import ANTHROPIC
from anyrouter.providers.openai import DIALECT, OPENAI, OPENAI_COMPATIBLE
from anyrouter.providers.sandbox import ANY_VENDOR, SANDBOX, SANDBOX_ANTHROPIC


def _read_row(row: Mapping[str, Any]) -> Provider:
    fields = dict(row)
    endpoints = fields.pop("endpoints")
    fields["vendors"] = tuple(fields["vendors"])
    return Provider(dialect=DIALECT, paths={path: f"/{path}" for path in endpoints}, **fields)


def _read_compatible() -> list[Provider]:
    rows = tomllib.loads(Path(__file__).with_name("compatible.toml").read_text(encoding="utf-8"))
    return [_read_row(row) for row in rows["provider"]]


PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {row.id: row for row in (OPENAI, ANTHROPIC, *_read_compatible(), OPENAI_COMPATIBLE, SANDBOX, SANDBOX_ANTHROPIC)}
)


def find_provider(vendor: str) -> Provider | None:
    """The provider that a vendor's models come from by default; None for a vendor of the operator's own."""
    return next((row for row in PROVIDERS.values() if vendor in row.vendors), None)


def select_rows(rows: Iterable[Provider], vendor: str) -> tuple[Provider, ...]:
    """Those of an upstream's rows that serve a vendor: the ones that name it, else the ones that take any."""
    candidates = tuple(rows)
    return tuple(row for row in candidates if vendor in row.vendors) or tuple(row for row in candidates if ANY_VENDOR in row.vendors)
