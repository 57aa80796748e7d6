"""What every dialect's request has in common: the members that the gateway judges, its own members, and members it refuses."""

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.usage import estimate_tokens
from anyrouter.wire.measure import measure
from anyrouter.wire.members import Members, NotJson

# Read by the gateway (now or by its routing) and never sent on.
OWN_MEMBERS = frozenset({"provider", "models", "route", "session_id", "transforms", "usage", "preset", "plugins"})
# They would redirect the request or carry another credential: CVE material at other gateways.
REFUSED_MEMBERS = frozenset({"api_base", "base_url", "api_key", "extra_headers", "organization"})
MAX_MODEL_LENGTH = 256
_NOTHING_ADDED: dict[str, bytes] = {}


class InferenceRequest(msgspec.Struct, kw_only=True):
    """A request's body, judged: what is asked of which model. `replace`, `remove` and `append` are edits besides the model's."""

    members: Members
    model: str
    is_streamed: bool
    is_usage_wanted: bool  # whether the client asked for usage in its stream
    estimated_input_tokens: int
    replace: dict[str, bytes]
    remove: frozenset[str]
    append: dict[str, bytes]

    def measured_input_tokens(self) -> int:
        """The estimate for the ledger, from the prompt's text alone; `estimated_input_tokens` is the quick one, from its JSON."""
        size = measure(self.members.text)
        return estimate_tokens(size) if size else self.estimated_input_tokens

    def encode(
        self,
        upstream_model: bytes,
        *,
        is_asking_usage: bool = True,
        added: Mapping[str, bytes] = _NOTHING_ADDED,
        removed: frozenset[str] = frozenset(),
    ) -> list[bytes | memoryview]:
        """The body for an upstream, `upstream_model` being a JSON string; parts to send one after the other.

        `is_asking_usage` false: the upstream refuses `stream_options`, and none are sent. `added` (JSON) are members that the upstream
        wants in every body, `removed` those that it has in its path instead.
        """
        if added or removed:
            known = self.members.values
            replace = {"model": upstream_model, **self.replace, **{name: value for name, value in added.items() if name in known}}
            append = {**self.append, **{name: value for name, value in added.items() if name not in known}}
            for name in removed:
                replace.pop(name, None)
                append.pop(name, None)
            return self.members.edit(replace, self.remove | removed, append)
        if not (self.replace or self.remove or self.append) and (
            is_asking_usage or not self.is_streamed
        ):  # nearly every request: the model's name and nothing else
            return self.members.replace("model", upstream_model)
        replace, remove, append = {"model": upstream_model, **self.replace}, self.remove, self.append
        if not is_asking_usage and self.is_streamed:
            remove = remove | {"stream_options"}
            append = {name: value for name, value in append.items() if name != "stream_options"}
            replace.pop("stream_options", None)
        if "model" in append:
            append = {**append, "model": upstream_model}
        return self.members.edit(replace, remove, append)


def read_members(body: bytes) -> Members:
    """The body's members; ClientError says why it cannot be used."""
    try:
        members = Members(body)
    except NotJson as error:
        raise refused("invalid_json", None, f"{str(error)[0].upper()}{str(error)[1:]}. Send one JSON object.") from None
    if not REFUSED_MEMBERS.isdisjoint(members.values):
        name = next(name for name in members.values if name in REFUSED_MEMBERS)
        raise refused(
            "invalid_parameter",
            name,
            f"{name} is not accepted in a request: upstream addresses and credentials are configured by the operator. Remove it.",
        )
    return members


def read_model(members: Members) -> str:
    """The model that is asked for: `model`, else the first of `models`."""
    raw = members.raw("model")
    if raw is not None:
        return _decode_name(raw)
    if "models" in members.values:
        names = members.decode("models")
        if isinstance(names, list) and names and isinstance(names[0], str):
            return _checked(names[0])
    raise refused("missing_parameter", "model", "model is missing. Name one, such as openai/gpt-4o-mini; GET /models lists them.")


@lru_cache(maxsize=1024)
def _decode_name(raw: bytes) -> str:
    """A model's name as it stands in the text: clients ask for few models many times."""
    try:
        name = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):  # a number out of range
        name = None
    if not isinstance(name, str):
        raise refused("invalid_parameter", "model", "model must be a string such as openai/gpt-4o-mini.")
    return _checked(name)


def read_flag(members: Members, name: str) -> bool:
    """A boolean member; absent and null are false."""
    raw = members.raw(name)
    if raw is None or raw in (b"false", b"null"):
        return False
    if raw == b"true":
        return True
    raise refused("invalid_parameter", name, f"{name} must be true or false.")


def need(members: Members, name: str, endpoint: str) -> None:
    """Refuse a request in which a member is absent or null."""
    if members.raw_is_missing(name):
        raise refused("missing_parameter", name, f"{name} is missing. POST /{endpoint} needs it.")


def estimate_input(members: Members, names: tuple[str, ...]) -> int:
    """An estimate from the size of the members that hold the prompt: UTF-8 bytes of their JSON / 4."""
    values, size = members.values, 0
    for name in names:
        if name in values:
            size += len(memoryview(values[name]))
    return estimate_tokens(size)


def _checked(name: str) -> str:
    if not name or len(name) > MAX_MODEL_LENGTH or not name.isprintable():
        raise refused("invalid_parameter", "model", f"model must have 1 to {MAX_MODEL_LENGTH} printable characters.")
    return name


def refused(code: str, param: str | None, message: str) -> ClientError:
    """A refusal to raise."""
    return ClientError(Denied(code=code, param=param, message=message))
