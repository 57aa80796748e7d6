"""One HTTP request, read to its end: what the endpoints are asked with. Knows nothing of sockets or of the providers' formats."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

MAX_QUERY_FIELDS = 20

_BEARER = re.compile(r"bearer\s+\S", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request. Names of headers are in lower case; `target` is the path and what follows it."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path, without a query, still percent-encoded."""
        return self.target.split("?", 1)[0]

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters, decoded, the last of each name; empty when there are too many to be meant."""
        try:
            return {name: values[-1] for name, values in parse_qs(self.target.partition("?")[2], max_num_fields=MAX_QUERY_FIELDS).items()}
        except ValueError:
            return {}

    def has_bearer(self) -> bool:
        """Whether there is an `Authorization: Bearer …`."""
        return bool(_BEARER.match(self.headers.get("authorization", "")))

    def has_header(self, name: str) -> bool:
        """Whether the header is there and not blank."""
        return bool(self.headers.get(name, "").strip())
