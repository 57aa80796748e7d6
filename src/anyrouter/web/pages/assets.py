"""The style sheet and the scripts: read once, named by what is in them, so that browsers may keep them for good."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

from anyrouter.core.errors import ClientError, Denied

ROOT = "/static/"
_KINDS = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent."""

    body: bytes
    kind: str


class Assets:
    """All files below `static/`, by their address: `/static/<hash of all of them>/<name>`. Modules import each other by `./name.js`."""

    def __init__(self) -> None:
        found = {entry.name: entry.read_bytes() for entry in sorted(files(__package__).joinpath("static").iterdir(), key=lambda e: e.name)}
        digest = hashlib.sha256(b"\0".join(name.encode() + b"\0" + body for name, body in found.items())).hexdigest()[:12]
        self._prefix = f"{ROOT}{digest}/"
        self._assets: Mapping[str, Asset] = {
            name: Asset(body, _KINDS[kind]) for name, body in found.items() if (kind := name.rpartition(".")[2]) in _KINDS
        }

    def url(self, name: str) -> str:
        """The address of a file; KeyError when there is none."""
        if name not in self._assets:
            raise KeyError(name)
        return self._prefix + name

    async def serve(self, request: Request) -> Response:
        """GET /static/…: what was built in, and nothing else."""
        asset = self._assets.get(request.path_params["name"])
        if asset is None:
            raise ClientError(Denied(code="not_found", message="There is no such file."))
        is_current = f"{ROOT}{request.path_params['digest']}/" == self._prefix
        return Response(asset.body, media_type=asset.kind, headers={"cache-control": _FOREVER if is_current else "no-cache"})
