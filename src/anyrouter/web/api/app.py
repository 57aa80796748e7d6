"""The reading API as one ASGI application: everything that is not an inference POST.

It knows no server and no settings; who builds it hands it its ports.
"""

from fastapi import FastAPI
from starlette.responses import Response

from anyrouter.core.errors import ClientError, Denied
from anyrouter.policy.endpoints import ENDPOINTS
from anyrouter.web.api.account import AccountRoutes
from anyrouter.web.api.audit import AuditRoutes
from anyrouter.web.api.byok import ByokRoutes
from anyrouter.web.api.catalogue import CatalogueRoutes
from anyrouter.web.api.edge import ROOT, Edge
from anyrouter.web.api.environments import EnvironmentRoutes
from anyrouter.web.api.errors import add_handlers
from anyrouter.web.api.gemini_models import GeminiModelRoutes
from anyrouter.web.api.health import HealthRoutes
from anyrouter.web.api.key_usage import KeyUsageRoutes
from anyrouter.web.api.keys import KeyRoutes
from anyrouter.web.api.leaks import LeakRoutes
from anyrouter.web.api.metrics import MetricsRoutes
from anyrouter.web.api.money import MoneyRoutes
from anyrouter.web.api.openapi import OpenApiRoutes
from anyrouter.web.api.organisation import OrganisationRoutes
from anyrouter.web.api.ports import ApiPorts
from anyrouter.web.api.presets import PresetRoutes
from anyrouter.web.api.reach import Reach
from anyrouter.web.api.routes import Routes, json_reply
from anyrouter.web.api.usage import UsageRoutes
from anyrouter.web.api.webhooks import WebhookRoutes
from anyrouter.wire.request import MAX_MODEL_LENGTH


def create_api(ports: ApiPorts) -> FastAPI:
    """The application. Nothing is asked of the ports before the first request; LookupError for a route without its row."""
    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    routes = Routes(app.router, ports)
    reach = Reach(
        snapshot=ports.snapshot, catalogue=ports.catalogue, public_environment=ports.public_environment, is_hidden=ports.is_hidden
    )
    for area in (
        CatalogueRoutes(ports, reach),
        GeminiModelRoutes(ports, reach),
        PresetRoutes(ports),
        UsageRoutes(ports),
        AccountRoutes(ports),
        KeyRoutes(ports),
        KeyUsageRoutes(ports),
        MoneyRoutes(ports),
        ByokRoutes(ports),
        EnvironmentRoutes(ports),
        OrganisationRoutes(ports),
        AuditRoutes(ports),
        WebhookRoutes(ports),
        LeakRoutes(ports),
        HealthRoutes(ports, reach),
        MetricsRoutes(ports),
        OpenApiRoutes(ports, routes),
    ):
        area.add_to(routes)
    for row in ENDPOINTS.values():
        if row.is_inference:
            routes.refuse_posts(row.path, _refuse_post if row.root_path is None else _refuse_model)
    app.add_api_route("/", _show_way, methods=["GET"], include_in_schema=False)
    add_handlers(app)
    app.add_middleware(Edge, ports=ports)
    return app


async def _show_way() -> Response:
    """GET /: where things are, for whoever opens the address in a browser."""
    return json_reply({"name": "AnyRouter", "api": ROOT, "openapi": f"{ROOT}/openapi.json", "health": f"{ROOT}/health"})


async def _refuse_post() -> Response:
    raise ClientError(Denied(code="not_found", message="Inference is served at the plain spelling of its path: without percent-encoding."))


async def _refuse_model() -> Response:
    raise ClientError(
        Denied(
            code="model_not_found",
            param="model",
            message=f"There is no such model: a model's name has at most {MAX_MODEL_LENGTH} printable characters.",
        )
    )
