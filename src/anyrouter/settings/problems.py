"""What is wrong with a configuration, in sentences. No value is ever repeated: it may be a secret in the wrong place."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from anyrouter.settings.fields import UPSTREAM_ID
from anyrouter.settings.sections import ARRAYS, SECTIONS

_TEXTS = {
    "bool_type": "must be true or false",
    "dict_type": "must be a table",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "missing": "is missing",
    "model_attributes_type": "must be a table",
    "model_type": "must be a table",
    "string_type": "must be a text in quotes",
    "string_too_short": "must not be empty",
    "tuple_type": "must be a list",
}
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_ID = re.compile(r"[a-z0-9][A-Za-z0-9._:/@+-]*/[A-Za-z0-9._:/@+-]+|" + UPSTREAM_ID.pattern, re.ASCII)
_CREDENTIAL_KEYS = {"credential", "credentials", "api_key", "apikey", "key", "token", "secret", "password", "authorization"}
LITERAL_CREDENTIAL = (
    "a credential does not belong in this file, which gets copied, backed up and committed; put it into a variable and name that here "
    '(credential_variable = "…"), or into a file of its own (credential_file = "…")'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong: where it was said (a file, a variable, a flag), which setting, and what about it."""

    origin: str
    setting: str
    text: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.setting}: {self.text}" if self.setting else f"{self.origin}: {self.text}"


class SettingsError(Exception):
    """The configuration cannot be used. `problems` has all that is wrong with it, not just the first thing."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UnusableUpstreamError(ValueError):
    """What is wrong with one key of an upstream."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(text)
        self.key = key


class Origins:
    """Remembers who said what: by the path of a setting, the variable or flag that overrode the file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._by_path: dict[tuple[str, ...], str] = {}

    def note(self, path: tuple[str, ...], origin: str) -> None:
        """Say that `origin` set the setting at `path`."""
        self._by_path[path] = origin

    def of(self, path: Sequence[object]) -> str:
        """Who set the setting at `path`, or what it is in."""
        names = tuple(str(step) for step in path)
        for length in range(len(names), 0, -1):
            if names[:length] in self._by_path:
                return self._by_path[names[:length]]
        return self.file


def nearest(name: str, known: Iterable[str]) -> str:
    """A clause that names the known name closest to `name`."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"the nearest known one is {difflib.get_close_matches(name, names, n=1, cutoff=0.0)[0]}"


def dotted_names() -> tuple[str, ...]:
    """Every setting that a variable can set, as `section.key`."""
    return tuple(f"{section}.{key}" for section, model in SECTIONS.items() for key in model.model_fields)


def unknown_name(name: str, path: Sequence[object], model: type[BaseModel] | None) -> str:
    """What to say of a name that nothing knows, in the table `model` (None: the file's top level)."""
    if path and path[0] == "upstreams" and name.lower() in _CREDENTIAL_KEYS:
        return LITERAL_CREDENTIAL
    known = [*model.model_fields] if model is not None else [*SECTIONS, *ARRAYS]
    if not difflib.get_close_matches(name, known, n=1):
        elsewhere = [dotted for dotted in dotted_names() if dotted.partition(".")[2] == name]
        if elsewhere:
            return f"is not known here; did you mean {elsewhere[0]}?"
    return f"is not known; {nearest(name, known)}"


def describe(path: Sequence[object], tables: Sequence[Any] = ()) -> str:
    """A setting's path for people: `server.port`, `upstreams["local"].priority` (the id, not the number), `prices."openai/gpt-4o"`."""
    parts: list[str] = []
    for step in path:
        if isinstance(step, int):
            table = tables[step] if len(parts) == 1 and step < len(tables) else None
            name = (table.get("id") or table.get("slug")) if isinstance(table, Mapping) else None
            parts[-1] += f'["{name}"]' if isinstance(name, str) and _ID.fullmatch(name) else f"[{step}]"
        else:
            parts.append(_key(str(step)))
    return ".".join(parts)


def _key(text: str) -> str:
    if not text.isprintable():
        return ascii(text)
    return f'"{text}"' if _ID.fullmatch(text) and not _BARE_KEY.fullmatch(text) else text


def explain(
    error: ValidationError, path: Sequence[object], model: type[BaseModel], origins: Origins, tables: Sequence[Any] = ()
) -> list[Problem]:
    """The problems of a table at `path` that pydantic refused. Nothing of the input is in them."""
    found = []
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        where = [*path, *item["loc"]]
        if item["type"] == "extra_forbidden":
            text = unknown_name(str(item["loc"][-1]), where, _model_at(model, item["loc"][:-1]))
        else:
            text = _text_of(item["type"], item["msg"])
        found.append(Problem(origin=origins.of(where), setting=describe(where, tables), text=text))
    return found


def _text_of(kind: str, message: str) -> str:
    if kind in _TEXTS:
        return _TEXTS[kind]
    return message.removeprefix("Value error, ").replace("Input should be a valid", "must be a").replace("Input should be", "must be")


def _model_at(model: type[BaseModel], loc: Sequence[object]) -> type[BaseModel]:
    """The table that a path leads to. Numbers are places in lists of tables."""
    for step in loc:
        if isinstance(step, str) and step in model.model_fields:
            model = next(_tables_of(model.model_fields[step].annotation), model)
    return model


def _tables_of(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _tables_of(part)
