"""genai-prices' table of prices as plain dicts, read from the installed package without importing it.

Importing it costs half a second and 90 MB: its types are pydantic's, and it brings an HTTP client for updates that are not wanted
here. Its data module is one expression of constructor calls with keywords, so its code runs here with `dict` in place of every
constructor: 10 ms and 5 MB, no network. Should a release be made in another way, the package is imported after all and its
objects are turned into the same dicts: slower, never wrong.

This module knows the form of the data, nothing of tariffs and vendors.
"""

import builtins
import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from importlib.machinery import PathFinder
from types import CodeType, ModuleType
from typing import Any

_PACKAGE = "genai_prices"
_MODULE = "genai_prices.data"

PriceRow = dict[str, Any]


class UnreadablePriceDataError(Exception):
    """The data module is not of the form that can be read without importing the package."""


def read_price_data() -> list[PriceRow]:
    """A row for each provider: `id`, `models` [{`id`, `match`, `prices`, `name`, …}] and, on some, `model_match`."""
    try:
        return run_data_module()
    except UnreadablePriceDataError:
        return import_data_module()


def run_data_module() -> list[PriceRow]:
    """The data module's rows without the package's imports; UnreadablePriceDataError when it has another form than known."""
    code = _find_code()
    names = _Names()
    try:
        # The same code that an import of the package would run, installed by the operator.
        exec(code, {"__builtins__": {**vars(builtins), "__import__": _import_absolute}}, names)  # noqa: S102 -- see above
    except Exception as error:
        raise UnreadablePriceDataError(str(error)) from error
    providers = dict(names).get("providers")
    if not isinstance(providers, list) or not all(_is_provider(row) for row in providers):
        raise UnreadablePriceDataError("no list of providers with models")
    return providers


def import_data_module() -> list[PriceRow]:
    """The same rows, from the imported package."""
    providers = importlib.import_module(_MODULE).providers
    return [_flatten(provider) for provider in providers]


class _Names(dict[str, Any]):
    """The module's names; one that is neither defined nor built in is a constructor, and makes a dict of its keywords."""

    def __missing__(self, name: str) -> type[dict[str, Any]]:
        if name.startswith("__") or hasattr(builtins, name):
            raise KeyError(name)
        return dict


def _find_code() -> CodeType:
    package = importlib.util.find_spec(_PACKAGE)
    if package is None:
        raise ModuleNotFoundError(_PACKAGE)
    spec = PathFinder.find_spec(_MODULE, package.submodule_search_locations)
    get_code = getattr(spec.loader if spec else None, "get_code", None)
    code = get_code(_MODULE) if get_code else None
    if not isinstance(code, CodeType):
        raise UnreadablePriceDataError("no code")
    return code


def _import_absolute(
    name: str,
    namespace: Mapping[str, object] | None = None,
    local: Mapping[str, object] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    if level:  # the package's own types, for which `dict` stands
        module = ModuleType(name)
        module.__dict__["__all__"] = ()
        return module
    return __import__(name, namespace, local, fromlist or (), level)


def _is_provider(row: object) -> bool:
    return (
        isinstance(row, dict)
        and isinstance(row.get("models"), list)
        and all(isinstance(model, dict) and {"id", "match", "prices"} <= model.keys() for model in row["models"])
    )


def _flatten(value: Any) -> Any:
    if isinstance(value, list):
        return [_flatten(item) for item in value]
    if type(value).__module__.startswith(_PACKAGE):
        return {key: _flatten(item) for key, item in vars(value).items() if item is not None and not key.startswith("_")}
    return value
