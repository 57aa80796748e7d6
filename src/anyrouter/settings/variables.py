"""Settings from environment variables: `ANYROUTER_<SECTION>__<KEY>`.

A variable of that prefix that means nothing is an error, so that a misspelt limit is not silently no limit. What Kubernetes
puts into every container beside a service of the name `anyrouter…` is left alone.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

from anyrouter.core.secret import Secret
from anyrouter.settings.problems import Origins, Problem, dotted_names, nearest
from anyrouter.settings.sections import ARRAYS, SECTIONS
from anyrouter.storage.kek import KEK_VARIABLE
from anyrouter.storage.pepper import PEPPER_VARIABLE

PREFIX = "ANYROUTER_"
DATA_DIR_VARIABLE = "ANYROUTER_DATA_DIR"
CONFIG_VARIABLE = "ANYROUTER_CONFIG"
_OTHERS = (DATA_DIR_VARIABLE, CONFIG_VARIABLE, PEPPER_VARIABLE, KEK_VARIABLE)
_KUBERNETES = re.compile(
    r"ANYROUTER_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)", re.ASCII
)
_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def variable_of(section: str, key: str | None = None) -> str:
    """The variable that sets a setting, or a whole array of tables."""
    return PREFIX + section.upper() + (f"__{key.upper()}" if key is not None else "")


def known_variables() -> tuple[str, ...]:
    """Every variable that means something to the gateway, the providers' own aside."""
    settings = [variable_of(*name.split(".")) for name in dotted_names()]
    return (*_OTHERS, *settings, *(variable_of(array) for array in ARRAYS))


def apply_variables(
    raw: dict[str, Any], environ: Mapping[str, str], origins: Origins, *, credential_variables: Collection[str]
) -> Iterator[Problem]:
    """Put the variables' values over those of the file in `raw`, note them in `origins`, and yield what is wrong.

    An empty variable counts as unset. `credential_variables` are names that upstreams refer to.
    """
    known = {variable_of(*name.split(".")): name.split(".") for name in dotted_names()}
    arrays = {variable_of(array): array for array in ARRAYS}
    for name in sorted(environ):
        text = environ[name]
        if not name.startswith(PREFIX) or name in {*_OTHERS, *credential_variables} or not text:
            continue
        try:
            if name in known:
                section, key = known[name]
                table = raw.setdefault(section, {})
                if isinstance(table, dict):  # else the file's mistake is reported by itself
                    table[key] = _value(SECTIONS[section].model_fields[key].annotation, text)
                origins.note((section, key), name)
            elif name in arrays:
                raw[arrays[name]] = _tables(text)
                origins.note((arrays[name],), name)
            elif not _is_from_kubernetes(name, text):
                yield Problem(origin=name, setting="", text=f"no such setting; {_nearest(name)}")
        except ValueError as error:
            yield Problem(origin=name, setting="", text=str(error))


def _nearest(name: str) -> str:
    without_section = [known for known in known_variables() if known.endswith(f"__{name.removeprefix(PREFIX)}")]
    return nearest(name, without_section or known_variables())


def _is_from_kubernetes(name: str, text: str) -> bool:
    return _KUBERNETES.fullmatch(name) is not None or (name.endswith("_PORT") and text.startswith(("tcp://", "udp://", "sctp://")))


def _tables(text: str) -> list[Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, list):
        raise ValueError("must be a JSON array of tables")  # noqa: TRY004 -- one kind of error for every bad value
    return value


def _value(annotation: Any, text: str) -> Any:
    """The text as what the annotation asks for; ValueError says what that is. Bounds are checked later, with the file's."""
    kinds = set(_kinds(annotation))
    if bool in kinds:
        if text.strip().lower() not in _BOOLEANS:
            raise ValueError("must be true or false")
        return _BOOLEANS[text.strip().lower()]
    if int in kinds or float in kinds:
        number = int if int in kinds else float
        try:
            return number(text)
        except ValueError:
            raise ValueError("must be a whole number" if number is int else "must be a number") from None
    if tuple in kinds:
        return _list(text)
    return Secret(text) if Secret in kinds else text


def _list(text: str) -> list[Any]:
    if text.lstrip().startswith("["):
        return _tables(text)
    return [item.strip() for item in text.split(",") if item.strip()]


def _kinds(annotation: Any) -> Iterator[type]:
    origin = get_origin(annotation)
    if origin in {Union, UnionType}:
        for part in get_args(annotation):
            yield from _kinds(part)
    elif origin is tuple:
        yield tuple
    elif hasattr(annotation, "__metadata__"):
        yield from _kinds(annotation.__origin__)
    elif isinstance(annotation, type):
        yield annotation
