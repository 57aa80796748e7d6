"""What the OpenAPI document says of the routes over environments."""

from typing import Any

from anyrouter.web.api.environment_replies import EnvironmentChange, EnvironmentCreation, EnvironmentReply, EnvironmentsReply
from anyrouter.web.api.preset_replies import DeletedReply
from anyrouter.web.api.routes import Documented

TAG = "Environments"

_ENVIRONMENT: dict[str, Any] = {
    "id": "env_0192f0c4a7e87a1b8c3d4e5f60718293",
    "slug": "staging",
    "name": "Staging",
    "kind": "live",
    "is_active": True,
    "rate_limit_rpm": 600,
    "rate_limit_tpm": None,
    "concurrency": 50,
    "budget_policy": None,
    "is_managed": False,
    "workspace_id": "org_default",
}

ENVIRONMENTS = Documented(
    summary="List environments",
    text="The organisation's, by slug.",
    tag=TAG,
    reply=EnvironmentsReply,
    example={"data": [_ENVIRONMENT], "next_cursor": None},
)
ENVIRONMENT = Documented(
    summary="Show an environment", text="One environment.", tag=TAG, reply=EnvironmentReply, example={"data": _ENVIRONMENT}, can_miss=True
)
CREATE = Documented(
    summary="Make an environment",
    text="Nothing is shared with others: keys, provider credentials, limits, budgets, usage and cached replies are its own. Slug and kind "
    "never change.",
    tag=TAG,
    reply=EnvironmentReply,
    example={"data": _ENVIRONMENT},
    request=EnvironmentCreation,
    request_example={"slug": "staging", "kind": "live", "rate_limit_rpm": 600, "concurrency": 50},
    status=201,
)
CHANGE = Documented(
    summary="Change an environment",
    text="Replaces what is named, within a second everywhere. With `is_active` false its keys are refused until it is true again. One that "
    "the gateway's configuration file declares is changed there: 409 `managed_by_file`.",
    tag=TAG,
    reply=EnvironmentReply,
    example={"data": _ENVIRONMENT},
    request=EnvironmentChange,
    request_example={"rate_limit_rpm": 1200},
    can_miss=True,
)
DELETE = Documented(
    summary="Delete an environment",
    text="Its keys are refused from now on, for good; its usage stays on record, and its slug stays taken. `live` and `test` always exist.",
    tag=TAG,
    reply=DeletedReply,
    example={"deleted": True},
    can_miss=True,
)
