"""The models that upstreams say they have: their own lists, read again and again. Knows no HTTP.

A program on one's own machine has the models that were loaded into it, which no price list knows. Of them only what the list says
is known: the name, and where the program tells it how long a context is.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import msgspec
import structlog

from anyrouter.control.catalogue import MAX_NAME_LENGTH, guess_category
from anyrouter.core.catalogue import Model, split_variant
from anyrouter.core.errors import GatewayError
from anyrouter.core.preset import MARK

MAX_MODELS = 2000  # of one upstream
MAX_BYTES = 8_000_000
_log = structlog.get_logger(__name__)


class UnreadableList(ValueError):
    """What came is no list of models. The message holds nothing of it."""


class ModelLists(Protocol):
    """Asks an upstream for its list of models."""

    async def fetch(self, upstream_id: str) -> bytes:
        """The reply's body; UpstreamError when there is none, or when it is no success."""


class _Row(msgspec.Struct, frozen=True):
    """What is read of an entry. `max_model_len` is vLLM's name for the context that it serves."""

    id: str
    created: float | None = None
    max_model_len: int | None = None


class _List(msgspec.Struct, frozen=True):
    data: list[msgspec.Raw]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListState:
    """How the last look at an upstream's list went. `error` is None when it went well; `models` counts those that are known of it."""

    models: int
    looked_at: datetime
    error: str | None = None


def parse_model_list(body: bytes, vendor: str) -> tuple[Model, ...]:
    """The models of a list in OpenAI's form, under a vendor's name; UnreadableList.

    Entries without a usable name are left out: one with spaces, beyond ASCII, or that could be taken for a variant or a preset. Of
    those with one name the first counts, and of more than `MAX_MODELS` the first ones.
    """
    try:
        entries = msgspec.json.decode(body, type=_List).data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableList("it did not answer with a list of models") from error
    models: dict[str, Model] = {}
    for entry in entries[:MAX_MODELS]:
        model = _read_entry(entry, vendor)
        if model is not None:
            models.setdefault(model.id, model)
    return tuple(models.values())


def _read_entry(entry: msgspec.Raw, vendor: str) -> Model | None:
    try:
        row = msgspec.json.decode(entry, type=_Row, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    name = row.id.lstrip("/")  # llama.cpp's is the path of the file
    model_id = f"{vendor}/{name}"
    is_usable = name.isascii() and name.isprintable() and not set(name) & {" ", "*"} and len(model_id) <= MAX_NAME_LENGTH
    if not name or not is_usable or split_variant(name)[1] is not None or MARK in name:
        return None
    return Model(
        id=model_id,
        vendor=vendor,
        upstream_name=row.id,
        name=row.id,
        category=guess_category(model_id.lower()),
        created=int(row.created) if row.created and 0 < row.created < 2**40 else None,
        context_length=row.max_model_len if row.max_model_len and row.max_model_len > 0 else None,
    )


class Discovery:
    """The lists of some upstreams, by id, each under its vendor's name. A look that fails leaves the last list in place."""

    def __init__(self, vendors: Mapping[str, str], lists: ModelLists, clock: Callable[[], datetime]) -> None:
        self._vendors, self._lists, self._clock = dict(vendors), lists, clock
        self.models: Mapping[str, tuple[Model, ...]] = {}
        self.states: dict[str, ListState] = {}

    async def look(self) -> bool:
        """Look at every list, all at once; whether anything is different now."""
        before = self.models
        found = await asyncio.gather(*(self._look_at(upstream_id) for upstream_id in self._vendors))
        self.models = {upstream_id: models for upstream_id, models in zip(self._vendors, found, strict=True) if models}
        return self.models != before

    async def keep_looking(self, interval_s: float, on_change: Callable[[], None]) -> None:
        """Look now and every `interval_s` seconds, and tell when something is different."""
        while self._vendors:
            if await self.look():
                on_change()
            await asyncio.sleep(interval_s)

    async def _look_at(self, upstream_id: str) -> tuple[Model, ...]:
        known, last = self.models.get(upstream_id, ()), self.states.get(upstream_id)
        try:
            models = parse_model_list(await self._lists.fetch(upstream_id), self._vendors[upstream_id])
        except (GatewayError, UnreadableList) as error:
            if last is None or last.error is None:  # once, not every minute
                _log.warning("models_not_discovered", upstream=upstream_id, reason=str(error), kept=len(known))
            told = error.public if isinstance(error, GatewayError) else str(error)
            self.states[upstream_id] = ListState(models=len(known), looked_at=self._clock(), error=told)
            return known
        if models != known:
            _log.info("models_discovered", upstream=upstream_id, models=len(models))
        self.states[upstream_id] = ListState(models=len(models), looked_at=self._clock())
        return models
