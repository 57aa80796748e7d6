"""Presets: named defaults for requests, kept for an environment and asked for by `@preset/slug`.

Compatibility law: slugs are in clients' programs; a stored preset is never given another meaning.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

MARK = "@preset/"
SLUG = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """What a request does not say itself. Times are aware UTC.

    `members` are top-level members of a request's body, each with its value as JSON text, as they are written in `dialect` (a name of
    a wire format). `version` starts at 1 and rises with every change.
    """

    id: str
    organisation_id: str
    environment_id: str
    slug: str
    name: str
    members: Mapping[str, bytes]
    created_at: datetime
    updated_at: datetime
    description: str | None = None
    system_prompt: str | None = None
    dialect: str = "openai"
    version: int = 1


class PresetTable:
    """The presets of every environment, found by environment and slug. Immutable: a change makes a new one."""

    __slots__ = ("_by_place",)

    def __init__(self, presets: Iterable[Preset] = ()) -> None:
        self._by_place = {(preset.environment_id, preset.slug): preset for preset in presets}

    def find(self, environment_id: str, slug: str) -> Preset | None:
        """The preset of that slug in that environment."""
        return self._by_place.get((environment_id, slug))

    def __len__(self) -> int:
        return len(self._by_place)


def split_preset(model: str) -> tuple[str, str | None]:
    """A request's `model` without the preset that it names, and the preset's slug.

    `@preset/slug` gives ("", slug), `openai/gpt-4o@preset/slug` gives ("openai/gpt-4o", slug), anything else (model, None). The slug
    is as it was written: whether it is one is found out by looking for it.
    """
    name, mark, slug = model.partition(MARK)
    return (name, slug) if mark else (model, None)
