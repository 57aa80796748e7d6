"""Where a provider is asked: base URLs with an account's variables in them, paths with a model's name in them.

Whatever comes into an address from outside is checked (variables, by the row's patterns) or percent-encoded (models' names), so that
no name can lead to another path or host than its row says.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote

from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.provider import Format, Provider

MODEL = "model"
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_UNRESERVED = "-._~@"  # beside letters and digits; @ stands before some models' dates


class UnusableVariableError(ValueError):
    """A variable of an address is missing, or is not what its row wants. `name` is the variable's; the message does not repeat values."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


def select_format(provider: Provider, dialect: str, *, has_own_address: bool = False) -> tuple[str, Format] | None:
    """The wire format in which a client of `dialect` is served best: its own where the provider speaks it, else the native one.

    `has_own_address`: the operator gave a base URL of their own; formats that live at another address are not there.
    """
    formats = {name: row for name, row in provider.formats.items() if row.base_url is None or not has_own_address}
    name = dialect if dialect in formats else next(iter(formats), None)
    return None if name is None else (name, formats[name])


def needed_variables(provider: Provider, *, has_own_address: bool = False) -> frozenset[str]:
    """The names of the variables that the provider's addresses and paths have in them, and of the region that signatures name."""
    templates = [text for row in provider.formats.values() for text in _templates(row, has_own_address=has_own_address)]
    if not has_own_address:
        templates.append(provider.base_url_template)
    names = {name for text in templates for name in _PLACEHOLDER.findall(text)} - {MODEL}
    return frozenset(names | ({"region"} if provider.signing_service is not None else set()))


def read_variables(
    provider: Provider,
    given: Mapping[str, str],
    *,
    environ: Mapping[str, str],
    known: Mapping[str, str] | None = None,
    has_own_address: bool = False,
) -> dict[str, str]:
    """The values of the provider's variables: `given` by the operator, else `known` from the credential, else from the environment.

    UnusableVariableError for one that is missing, not the provider's, or not of its pattern.
    """
    rows = {row.name: row for row in provider.variables}
    for name in given:
        if name not in rows:
            raise UnusableVariableError(name, f"is not a variable of {provider.name}; it has {', '.join(rows) or 'none'}")
    values, needed = {}, needed_variables(provider, has_own_address=has_own_address)
    for name, row in rows.items():
        usual = next((environ[variable] for variable in row.environment if environ.get(variable)), None)
        value = given.get(name) or (known or {}).get(name) or usual or row.default
        if value is not None:
            if not re.fullmatch(row.pattern, value, re.ASCII):
                raise UnusableVariableError(name, f"is not what {provider.name} takes: {row.text}")
            values[name] = value
        elif name in needed:
            usual_names = f" (or the variable {row.environment[0]})" if row.environment else ""
            raise UnusableVariableError(name, f"is missing{usual_names}: {row.text}")
    return values


def expand_base_url(provider: Provider, variables: Mapping[str, str]) -> str:
    """The provider's base URL for these variables; empty for a provider that has no address of its own."""
    if not provider.base_url_template:
        return provider.base_url
    exceptions = (provider.base_url_exceptions.get(f"{name}={value}") for name, value in variables.items())
    return _fill(next((text for text in exceptions if text), provider.base_url_template), variables)


def render_path(template: str, *, model: str, variables: Mapping[str, str]) -> str:
    """A format's path for a model of the upstream: its name is one segment, whatever is in it.

    ClientError `model_not_found` for a name that no encoding makes a segment: dots alone.
    """
    if not model.strip("."):
        raise ClientError(Denied(code="model_not_found", param="model", message="There is no model of such a name."))
    return _fill(template, {**variables, MODEL: quote(model, safe=_UNRESERVED, errors="replace")})


def name_model(provider: Provider, name: str) -> str:
    """The upstream's full name of a model, from the short one under which its prices are listed."""
    return name if "/" in name else provider.model_prefix + name


def _templates(row: Format, *, has_own_address: bool) -> list[str]:
    if row.base_url is not None and has_own_address:
        return []
    return [text for text in (row.path, row.stream_path, row.count_tokens_path, row.base_url) if text]


def _fill(template: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda found: values[found[1]], template)
