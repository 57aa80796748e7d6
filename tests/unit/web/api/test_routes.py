import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from anyrouter.policy.endpoints import ENDPOINTS
from anyrouter.web.api.access import Guard
from anyrouter.web.api.account_documents import KEY
from anyrouter.web.api.app import create_api
from anyrouter.web.api.ports import ApiPorts
from anyrouter.web.api.routes import Routes


async def handler() -> None:
    """Never called: the routes are only put on."""


def test_a_route_without_a_row_does_not_build(ports: ApiPorts) -> None:
    with pytest.raises(LookupError, match="no row"):
        Routes(APIRouter(), ports).get("locks", handler, KEY)
    without_key = {path: row for path, row in ENDPOINTS.items() if path != "key"}
    with pytest.raises(LookupError, match="key"):
        Routes(APIRouter(), ports, table=without_key).get("key", handler, KEY)


def test_every_row_of_the_table_has_its_route_and_every_route_its_row(ports: ApiPorts) -> None:
    served = {route.name for route in create_api(ports).routes if isinstance(route, APIRoute) and route.path != "/"}
    assert served == set(ENDPOINTS)


def test_every_route_that_needs_a_key_has_a_guard_and_public_ones_have_none(ports: ApiPorts) -> None:
    for route in create_api(ports).routes:
        if not isinstance(route, APIRoute) or route.name not in ENDPOINTS or ENDPOINTS[route.name].is_inference:
            continue
        guards = [type(dependency.call) for dependency in route.dependant.dependencies]
        is_guarded = not ENDPOINTS[route.name].is_public or route.name == "health"
        assert guards == ([Guard] if is_guarded else []), route.name
