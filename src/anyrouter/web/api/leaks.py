"""POST /leaks/github: GitHub's reports of leaked keys. Off unless the operator wants it: then the path is not there."""

from starlette.requests import Request
from starlette.responses import Response

from anyrouter.control.leaks import KEY_HEADER, SIGNATURE_HEADER, LeakReport, Verdict
from anyrouter.core.errors import ClientError
from anyrouter.web.api.bodies import read_bytes
from anyrouter.web.api.changes import actor_of
from anyrouter.web.api.errors import no_path
from anyrouter.web.api.key_documents import TAG as KEYS_TAG
from anyrouter.web.api.ports import ApiPorts
from anyrouter.web.api.routes import Documented, Routes, json_reply

MAX_BODY_BYTES = 1_000_000

REPORT = Documented(
    summary="Report leaked keys, as GitHub",
    text="Takes the signed reports of GitHub's secret scanning partner program, where the operator has switched that on; elsewhere the "
    "path is not there. Keys that are reported are disabled, and their owners told. The headers `Github-Public-Key-Identifier` and "
    "`Github-Public-Key-Signature` sign the body's bytes.",
    tag=KEYS_TAG,
    reply=None,
    example=None,
    content={
        "application/json": {
            "schema": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "token_raw": {"type": "string"},
                        "token_type": {"type": "string"},
                        "label": {"enum": ["true_positive", "false_positive"]},
                    },
                    "required": ["token_raw", "token_type", "label"],
                },
            },
            "example": [{"token_raw": "ar-live-…", "token_type": "anyrouter_api_key", "label": "true_positive"}],
        }
    },
    request=LeakReport,
    request_example=[
        {
            "token": "ar-live-…",
            "type": "anyrouter_api_key",
            "url": "https://github.com/octo/cat/blob/main/.env",
            "source": "content",
        }
    ],
    takes_many=True,
    can_miss=True,
)


class LeakRoutes:
    """The route over leak reports."""

    def __init__(self, ports: ApiPorts) -> None:
        self._leaks = ports.leaks

    def add_to(self, routes: Routes) -> None:
        """Put the route on."""
        routes.change("POST leaks/github", self.report, REPORT)

    async def report(self, request: Request) -> Response:
        """POST /leaks/github."""
        if self._leaks is None:
            raise ClientError(no_path())
        body = await read_bytes(request, most=MAX_BODY_BYTES)
        headers = request.headers
        verdicts: list[Verdict] = await self._leaks.report(actor_of(request), headers.get(KEY_HEADER), headers.get(SIGNATURE_HEADER), body)
        return json_reply(verdicts)
