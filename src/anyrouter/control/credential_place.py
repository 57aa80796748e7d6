"""Where a tenant's credential leads: the provider's address with the account's variables in it, or one of the tenant's own."""

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.provider import Provider
from anyrouter.policy.addresses import judge_url
from anyrouter.providers.address import UnusableVariableError, expand_base_url, read_variables

_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_REGION_VARIABLES = ("region", "location")


class CredentialPlace(NamedTuple):
    """`base_url` is the tenant's own address, None for the provider's; `host` is what the secret is sealed for."""

    base_url: str | None
    variables: dict[str, str]
    region: str | None
    host: str


def find_place(
    provider: Provider,
    *,
    base_url: str | None,
    variables: Mapping[str, str],
    region: str | None,
    known: Mapping[str, str],
    allowed_hosts: Collection[str],
) -> CredentialPlace:
    """The place, judged. `known` are variables that are known where `variables` do not say them. ClientError `unprocessable`.

    The provider's own address is judged too: that of a program on one's own machine is the operator's to allow. A region that is one of
    the variables of the address need only be said once.
    """
    own = {row.name: row for row in provider.variables}
    name = next((name for name in _REGION_VARIABLES if name in own), None)
    if region is not None and not _REGION.fullmatch(region):
        raise _refusal("region", "region must be the name of a region such as eu or us-east-1")
    given = {**variables, **({name: region} if name is not None and region is not None and name not in variables else {})}
    try:
        values = read_variables(provider, given, environ={}, known=known, has_own_address=base_url is not None)
    except UnusableVariableError as problem:
        row = own.get(problem.name)
        reason = problem if row is None else f"is missing, or is not what {provider.name} takes: {row.text}"
        raise _refusal(f"variables.{problem.name}", f"variables.{problem.name} {reason}") from None
    address = base_url if base_url is not None else expand_base_url(provider, values)
    if not address:
        raise _refusal("base_url", f"base_url is missing: {provider.name} has no address of its own")
    judged = judge_url(address, param="base_url", allowed_hosts=allowed_hosts)
    if isinstance(judged, Denied):
        raise ClientError(judged)
    return CredentialPlace(
        base_url=None if base_url is None else judged.url,
        variables=values,
        region=region if region is not None else values.get(name or ""),
        host=judged.place,
    )


def locate(provider: Provider, base_url: str | None, variables: Mapping[str, str]) -> str:
    """The base URL of a place that was judged."""
    return base_url if base_url is not None else expand_base_url(provider, variables)


def _refusal(param: str, message: str) -> ClientError:
    return ClientError(Denied(code="unprocessable", param=param, message=f"{message}."))
