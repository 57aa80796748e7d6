"""The key service as the operator uses it."""

from collections.abc import Mapping
from typing import Any

from anyrouter.control.keys import KeyService
from anyrouter.core.apikey import ApiKey
from anyrouter.core.audit import OPERATOR
from anyrouter.policy.rights import OPERATOR_RIGHTS

WHO: dict[str, Any] = {"actor": OPERATOR, "rights": OPERATOR_RIGHTS}
SEES: dict[str, Any] = {"rights": OPERATOR_RIGHTS}


class OperatorKeys:
    """Every method of `KeyService`, with the operator as who asks."""

    def __init__(self, service: KeyService) -> None:
        self.service = service

    async def create(self, **fields: Any) -> tuple[ApiKey, str]:
        return await self.service.create(**{**WHO, **fields})

    async def show(self, key_id: str, **options: Any) -> ApiKey:
        return await self.service.show(key_id, **{**SEES, **options})

    async def list(self, **options: Any) -> list[ApiKey]:
        return await self.service.list(**{**SEES, **options})

    async def change(self, key_id: str, changes: Mapping[str, Any], **options: Any) -> ApiKey:
        return await self.service.change(key_id, changes, **{**WHO, **options})

    async def disable(self, key_id: str, **options: Any) -> ApiKey:
        return await self.service.disable(key_id, **{**WHO, **options})

    async def enable(self, key_id: str, **options: Any) -> ApiKey:
        return await self.service.enable(key_id, **{**WHO, **options})

    async def delete(self, key_id: str, **options: Any) -> ApiKey:
        return await self.service.delete(key_id, **{**WHO, **options})

    async def rotate(self, key_id: str, **options: Any) -> tuple[ApiKey, str]:
        return await self.service.rotate(key_id, **{**WHO, **options})
