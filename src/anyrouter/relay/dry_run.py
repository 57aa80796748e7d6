"""POST /route: which request its body is, what bounds its answer, and who else could have served it. Nothing is sent or counted.

The body is that of any inference path. Which one, its members say:

    contents    generateContent, the model in `model`
    messages    messages if it has what only Anthropic's API has (or its version's header), else chat/completions
    input       embeddings for a model that makes them, else responses
    prompt      completions
"""

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from anyrouter.core.catalogue import Model
from anyrouter.policy.candidate import Exclusion, Selection
from anyrouter.policy.model_list import list_models
from anyrouter.policy.route import Target
from anyrouter.relay.call import RequestHead
from anyrouter.wire.members import Members
from anyrouter.wire.output_limit import read_output_limit
from anyrouter.wire.request import InferenceRequest, read_members, read_model

ROUTE = "route"
_ONLY_ANTHROPIC = frozenset({"anthropic_beta", "anthropic_version", "container", "mcp_servers", "stop_sequences", "system", "thinking"})
_ONLY_EMBEDDINGS = frozenset({"dimensions", "encoding_format", "input_type"})


def rehearse(head: RequestHead, body: bytes, resolve: Callable[[str], Model | None]) -> RequestHead:
    """The head that the request would have at its own path. ClientError when the body cannot be used at any."""
    members = read_members(body)
    endpoint = _find_endpoint(members, head.headers, resolve)
    return replace(head, endpoint=endpoint, model=read_model(members) if endpoint == "generateContent" else None)


def _find_endpoint(members: Members, headers: Mapping[bytes, bytes], resolve: Callable[[str], Model | None]) -> str:
    if not members.raw_is_missing("contents"):
        return "generateContent"
    if not members.raw_is_missing("messages"):
        is_anthropic = b"anthropic-version" in headers or any(not members.raw_is_missing(name) for name in _ONLY_ANTHROPIC)
        return "messages" if is_anthropic or b'"input_schema"' in (members.raw("tools") or b"") else "chat/completions"
    if not members.raw_is_missing("input"):
        model = members.text_of("model")
        known = None if model is None else resolve(model)
        is_embedding = not _ONLY_EMBEDDINGS.isdisjoint(members.values) or (known is not None and known.category == "embedding")
        return "embeddings" if is_embedding else "responses"
    return "chat/completions" if members.raw_is_missing("prompt") else "completions"


def bound_output(endpoint: str, request: InferenceRequest) -> int | None:
    """The most tokens that the answers can have by the request's own word; None without one."""
    limit = read_output_limit(request.members, endpoint)
    return None if limit.tokens is None else limit.tokens * limit.choices


def list_unreached(selection: Selection, names: list[tuple[Target, ...]], reason: str) -> tuple[Exclusion, ...]:
    """The targets of the request's models that are neither tried nor left out yet: what keeps them out is `reason`."""
    told = {(one.target.upstream.id, one.target.model) for one in selection.candidates}
    told |= {(one.upstream, one.model) for one in selection.excluded}
    found = dict.fromkeys((target.upstream.id, target.model) for targets in names for target in targets)
    return tuple(Exclusion(upstream=upstream, model=model, reason=reason) for upstream, model in found if (upstream, model) not in told)


def list_names(request: InferenceRequest) -> tuple[str, ...]:
    """The models that the request names."""
    return list_models(request.members, request.model)
