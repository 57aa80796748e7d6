"""The operator's file of models, read and checked as the configuration is: all mistakes at once, or an overlay that is right."""

import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from anyrouter.control.catalogue import Catalogue
from anyrouter.control.overlay import ModelEntry, Overlay, find_mistakes
from anyrouter.core.catalogue import Tariff, split_variant
from anyrouter.settings.fields import Section
from anyrouter.settings.overlay_tables import ModelTable, PriceTable, is_alias, is_model_id
from anyrouter.settings.problems import Origins, Problem, SettingsError, describe, explain, nearest
from anyrouter.settings.upstreams import Upstream

MAX_BYTES = 4_000_000
PARTS = ("models", "prices", "aliases", "hidden")
_NEEDED = {
    "models": "must be an array of tables: [[models]]",
    "prices": 'must be a table of tables: [prices."vendor/name"]',
    "aliases": 'must be a table of texts: "other-name" = "vendor/name"',
    "hidden": 'must be a list of ids and patterns such as "vendor/*"',
}
SectionT = TypeVar("SectionT", bound=Section)


def read_overlay(path: Path, bundled: Catalogue, is_served: Callable[[str], bool]) -> Overlay:
    """What the file says. SettingsError has everything that is wrong with it.

    `is_served` says of an id whether an upstream of the operator's own has it, or may have it.
    """
    reader = _Reader(_read(path), Origins(str(path)))
    overlay = reader.read()
    broken = reader.broken
    for mistake in find_mistakes(overlay, bundled, lambda name: name in broken or is_served(name)):
        reader.add(mistake.path, mistake.text)
    if reader.problems:
        raise SettingsError(reader.problems)
    return overlay


def serves_beyond(bundled: Catalogue, upstreams: Sequence[Upstream]) -> Callable[[str], bool]:
    """Whether an upstream names an id, or takes any name of a vendor of which no model is bundled: a server of the operator's own."""
    named = {served.public for upstream in upstreams for served in upstream.models}
    known = {model.vendor for model in bundled.models.values()}

    def is_served(name: str) -> bool:
        vendor = name.partition("/")[0]
        return name in named or (vendor not in known and f"{vendor}/*" in named)

    return is_served


class _Reader:
    """Takes the file's tables apart. `broken` are the ids of models whose tables have mistakes: names that need no second complaint."""

    def __init__(self, raw: dict[str, Any], origins: Origins) -> None:
        self.raw, self.origins = raw, origins
        self.problems: list[Problem] = []
        self.broken: set[str] = set()

    def add(self, path: Sequence[object], text: str) -> None:
        array = self.raw.get("models")
        tables = array if isinstance(array, list) and path[0] == "models" else ()
        self.problems.append(Problem(origin=self.origins.of(path), setting=describe(path, tables), text=text))

    def read(self) -> Overlay:
        for name in self.raw:
            if name not in PARTS:
                self.add([name], f"is not known; {nearest(name, PARTS)}")
        return Overlay(
            models=tuple(self._models()),
            prices=dict(self._prices()),
            aliases=dict(self._aliases()),
            hidden=tuple(self._hidden()),
        )

    def _models(self) -> Iterator[ModelEntry]:
        seen = set[str]()
        for index, value in enumerate(self._part("models", list)):
            table = self._table(["models", index], ModelTable, value)
            said = value.get("id") if isinstance(value, dict) else None
            model_id = said if isinstance(said, str) else ""
            if table is not None and model_id in seen:
                self.add(["models", index, "id"], "is used twice")
            seen.add(model_id)
            tariff = self._tariff(["models", index, "price"], table.price) if table is not None and table.price is not None else None
            if table is None or (table.price is not None and tariff is None):
                self.broken.add(model_id)
            else:
                yield ModelEntry(**table.model_dump(exclude={"price"}), tariff=tariff)

    def _prices(self) -> Iterator[tuple[str, Tariff]]:
        for model_id, value in self._part("prices", dict).items():
            if not is_model_id(model_id):
                self.add(["prices", model_id], 'is not an id such as "vendor/name", in quotes')
                continue
            table = self._table(["prices", model_id], PriceTable, value)
            tariff = self._tariff(["prices", model_id], table) if table is not None else None
            if tariff is not None:
                yield model_id, tariff

    def _aliases(self) -> Iterator[tuple[str, str]]:
        for alias, target in self._part("aliases", dict).items():
            if not is_alias(alias):
                self.add(["aliases", alias], "is not a name: letters, digits and . _ : / @ + - are, without spaces and without a variant")
            elif not isinstance(target, str) or not is_alias(split_variant(target)[0]):
                self.add(["aliases", alias], "must be the name of a model in quotes, with or without a variant")
                self.broken.add(alias)
            else:
                yield alias, target

    def _hidden(self) -> Iterator[str]:
        for index, name in enumerate(self._part("hidden", list)):
            if isinstance(name, str) and name != "*" and is_alias(name.removesuffix("*").removesuffix("/")):
                yield name
            else:
                self.add(["hidden", index], 'must be an id, or the start of ids with a * behind it such as "vendor/*"')

    def _part(self, name: str, kind: type) -> Any:
        value = self.raw.get(name, kind())
        if isinstance(value, kind):
            return value
        self.add([name], _NEEDED[name])
        return kind()

    def _table(self, path: Sequence[object], model: type[SectionT], value: Any) -> SectionT | None:
        try:
            return model.model_validate(value)
        except ValidationError as error:
            self.problems += explain(error, path, model, self.origins, self.raw["models"] if path[0] == "models" else ())
            return None

    def _tariff(self, path: Sequence[object], table: PriceTable) -> Tariff | None:
        try:
            return table.make_tariff()
        except ValueError as error:
            self.add(path, str(error))
            return None


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            text = f"is larger than {MAX_BYTES // 1_000_000} MB"
        else:
            return tomllib.loads(content.decode("utf-8"))
    except OSError as error:
        text = f"cannot be read: {error.strerror or type(error).__name__}"
    except UnicodeDecodeError:
        text = "is not a text in UTF-8"
    except (ValueError, RecursionError) as error:  # also of a number with thousands of digits, or of a thousand brackets
        text = f"is not TOML: {error}"
    raise SettingsError([Problem(origin=str(path), setting="", text=text)]) from None
