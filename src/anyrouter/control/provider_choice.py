"""Choosing a provider to enter a credential for: finding it by words, and what it wants to be told. Pure."""

from collections.abc import Iterable

from anyrouter.core.provider import AuthKind, Provider, Variable
from anyrouter.providers.address import needed_variables

_KINDS = {
    AuthKind.HEADER: "an API key",
    AuthKind.SIGV4: "an access key with its secret",
    AuthKind.SERVICE_ACCOUNT: "a service account's key (a JSON file)",
}
REGION_VARIABLES = ("region", "location")


def find_providers(providers: Iterable[Provider], words: str) -> list[Provider]:
    """Those in whose id, name or vendors every word occurs, in their order."""
    wanted = words.lower().split()
    return [row for row in providers if all(word in _text(row) for word in wanted)]


def describe_needs(provider: Provider) -> str:
    """What must be entered, as the end of a sentence."""
    needs = [" or ".join(text for kind, text in _KINDS.items() if kind in provider.auth)]
    needs += [row.text for row in provider.variables if is_asked(provider, row) and row.default is None]
    if not (provider.base_url or provider.base_url_template) or provider.is_local:
        needs.append("the server's address")
    return needs[0] if len(needs) == 1 else f"{', '.join(needs[:-1])} and {needs[-1]}"


def is_asked(provider: Provider, variable: Variable) -> bool:
    """Whether the provider's own address needs the variable. A service account's key tells its project itself."""
    is_told = AuthKind.SERVICE_ACCOUNT in provider.auth and variable.name == "project"
    return variable.name in needed_variables(provider) and not is_told


def has_region_variable(provider: Provider) -> bool:
    """Whether the region is a part of the address."""
    return any(row.name in REGION_VARIABLES for row in provider.variables)


def _text(provider: Provider) -> str:
    return " ".join((provider.id, provider.name, *provider.vendors)).lower()
