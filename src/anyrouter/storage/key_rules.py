"""Why a store refuses a change of keys: in the same words over every store."""

from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import Denied

NO_KEY = Denied(code="not_found", message="There is no such key.")
CHANGED_KEY = Denied(code="etag_mismatch", message="The key was changed meanwhile. Read it again, and decide on what it is now.")
ROTATED_MEANWHILE = Denied(
    code="rotation_in_progress",
    message="Somebody else has just rotated or changed this key. Look at it again; if it was rotated, the new key is there.",
)
LAST_ADMIN_KEY = Denied(
    code="unprocessable",
    message="This would leave the organisation without a key that can manage keys. Make another one first.",
)


def taken_name(key: ApiKey) -> Denied:
    """Another key of the environment is called that."""
    return Denied(code="duplicate_name", message=f"a key named {key.name!r} exists in the environment {key.environment}", param="name")


def too_many(most: int) -> Denied:
    """The organisation has as many keys as it may."""
    return Denied(
        code="unprocessable",
        message=f"The organisation has {most} keys already, which is the most that it may have. Delete some that are not used any more.",
        metadata={"limit": most},
    )
