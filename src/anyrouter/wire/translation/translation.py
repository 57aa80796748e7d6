"""One request on its way to an upstream of another dialect, and its reply on the way back.

    decoded = decode_request("openai", request)                         once; ClientError
    translation = decoded.encode_for("anthropic", model, created_s=…)   for each target that is tried; ClientError
    translation.encoded.body, .encoded.method, .warnings                what is sent
    translation.read_reply, .render_reply, .open_stream                 as of `wire.dialect.Dialect`, for the reply

Decoding costs about as much as the whole rest; a fallback encodes what was decoded for the first target.
"""

import msgspec

from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.usage import Usage
from anyrouter.wire.form.reply import Reply
from anyrouter.wire.form.request import Request
from anyrouter.wire.form.warnings import TranslationWarning, WarningCode, Warnings, warnings_shown
from anyrouter.wire.measure import measure
from anyrouter.wire.reply import CostFields, InvalidReply, Naming, Pricer, ReplyFacts
from anyrouter.wire.request import OWN_MEMBERS, InferenceRequest, refused
from anyrouter.wire.translation.codec import ClientRequest, Codec, EncodedRequest, ReplyContext, UpstreamModel
from anyrouter.wire.translation.registry import CODECS
from anyrouter.wire.translation.stream import TranslatedStream
from anyrouter.wire.utf8 import check_utf8

_BROKEN = (ValueError, msgspec.DecodeError, RecursionError)


def can_translate(client: str, upstream: str) -> bool:
    """Whether a client of the one dialect can be served by an upstream of the other."""
    one, other = CODECS.get(client), CODECS.get(upstream)
    return one is not None and one.decode_request is not None and other is not None and other.encode_request is not None


def decode_request(client: str, request: InferenceRequest) -> "DecodedRequest":
    """A judged request in the form. ClientError says which param cannot be used.

    What the gateway replaced in the request (a lowered max_tokens) is what is decoded.
    """
    values = request.members.values
    if request.replace:
        values = {**values, **{name: msgspec.Raw(value) for name, value in request.replace.items() if name in values}}
    judged = ClientRequest(values=values, model=request.model, is_streamed=request.is_streamed, is_usage_wanted=request.is_usage_wanted)
    return decode_client_request(CODECS[client], judged)


def decode_client_request(codec: Codec, request: ClientRequest) -> "DecodedRequest":
    """As `decode_request`, of a request whose members are at hand."""
    assert codec.decode_request is not None  # noqa: S101 -- `can_translate` was asked
    warnings = Warnings()
    try:
        form = codec.decode_request(request, warnings)
    except _BROKEN as error:
        raise refused("invalid_parameter", None, f"The body cannot be read: {str(error)[:200]}.") from None
    for name in form.extra:
        if name not in OWN_MEMBERS:
            warnings.add(WarningCode.UNKNOWN_PARAMETER, name, f"{name[:64]} is not known to this gateway; it was left out.")
    return DecodedRequest(codec, form, tuple(warnings.found.values()))


class DecodedRequest:
    """A client's request in the form, ready to be encoded for any number of targets."""

    __slots__ = ("_client", "form", "warnings")

    def __init__(self, client: Codec, form: Request, warnings: tuple[TranslationWarning, ...]) -> None:
        self._client, self.form, self.warnings = client, form, warnings

    def encode_for(self, upstream: str, model: UpstreamModel, *, created_s: int, is_requiring_parameters: bool = False) -> "Translation":
        """The request for one target. `created_s` is the Unix time of the request.

        ClientError when the target's dialect cannot say something that must not be left out, and, with `is_requiring_parameters`
        (the client's `provider.require_parameters`), when it would have to leave out or change anything: code `no_route`, the param
        of the first warning, all warnings in the metadata. Another target may take it.
        """
        codec, warnings = CODECS[upstream], Warnings()
        assert codec.encode_request is not None  # noqa: S101 -- `can_translate` was asked
        try:
            encoded = codec.encode_request(self.form, model, warnings)
        except _BROKEN as error:
            raise refused("invalid_parameter", None, f"The request cannot be translated: {str(error)[:200]}.") from None
        found = (*self.warnings, *warnings.found.values())
        if found and is_requiring_parameters:
            message = f"require_parameters is set, and the model's provider cannot take the request as it is: {found[0].message}"
            raise ClientError(Denied(code="no_route", param=found[0].param, message=message, metadata={"warnings": warnings_shown(found)}))
        return Translation(self._client, codec, self.form, encoded, found, created_s)


class Translation:
    """A pair of dialects for one request. Its functions are called as those of `wire.dialect.Dialect` are."""

    __slots__ = ("_client", "_created_s", "_request", "_upstream", "encoded", "name", "stream_type", "warnings")

    def __init__(  # noqa: PLR0917 -- one caller
        self,
        client: Codec,
        upstream: Codec,
        request: Request,
        encoded: EncodedRequest,
        warnings: tuple[TranslationWarning, ...],
        created_s: int,
    ) -> None:
        self.name, self.stream_type = client.name, upstream.stream_type
        self.encoded, self.warnings = encoded, warnings
        self._client, self._upstream, self._request, self._created_s = client, upstream, request, created_s

    def read_reply(self, _endpoint: str, body: bytes) -> tuple[Reply, ReplyFacts]:
        """The upstream's whole reply and its facts; InvalidReply when it is not one of the upstream's dialect."""
        assert self._upstream.decode_response is not None  # noqa: S101 -- an upstream's codec has it
        try:
            check_utf8(body)
            reply = self._upstream.decode_response(body)
        except InvalidReply:
            raise
        except (*_BROKEN, ClientError) as error:  # a refusal is meant for clients; what is shared with their side may raise one
            raise InvalidReply(f"the body is not a reply: {str(error)[:120]}") from None
        first = reply.candidates[0] if reply.candidates else None
        facts = ReplyFacts(
            usage=reply.usage,
            upstream_id=reply.id,
            finish_reason=None if first is None or first.finish is None else first.finish.value,
            native_finish_reason=None if first is None else first.native_finish,
            output_bytes=measure(body) if reply.usage is None else 0,
        )
        return reply, facts

    def render_reply(self, _endpoint: str, reply: Reply, naming: Naming, usage: Usage, cost: CostFields) -> list[bytes | memoryview]:
        """The reply for the client, with the id, model, provider, usage and cost that its dialect has room for."""
        assert self._client.encode_response is not None  # noqa: S101 -- a client's codec has it
        return [self._client.encode_response(reply, self._context(naming), usage, cost)]

    def open_stream(self, _endpoint: str, request: InferenceRequest, naming: Naming, pricer: Pricer) -> TranslatedStream:
        """A `StreamRewriter` from the upstream's dialect to the client's."""
        assert self._upstream.stream_decoder is not None  # noqa: S101 -- an upstream's codec has it
        assert self._client.stream_encoder is not None  # noqa: S101 -- a client's codec has it
        return TranslatedStream(
            decoder=self._upstream.stream_decoder(),
            encoder=self._client.stream_encoder(self._context(naming)),
            estimate_input=request.measured_input_tokens,
            pricer=pricer,
        )

    def _context(self, naming: Naming) -> ReplyContext:
        return ReplyContext(naming=naming, created_s=self._created_s, request=self._request, warnings=self.warnings)
