"""How the sources of models beside the bundled ones are: for operators."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from anyrouter.control.discovery import ListState


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueState:
    """The operator's file of models, and upstreams' own lists by upstream.

    `overlay_read_at` is when the file was last right and taken (aware UTC; None: there is none), `overlay_problems` what is wrong with
    it now, without its path.
    """

    overlay_read_at: datetime | None = None
    overlay_problems: tuple[str, ...] = ()
    lists: Mapping[str, ListState] = field(default_factory=dict)
