"""Every case of every dialect, translated to every dialect that can take it, is as the file beside it says.

A case is `<dialect>/request_*.json` (what a client of that dialect sends), `reply_*.json` or `stream_*.sse` (`stream_*.bin` for a binary
stream: what an upstream of that dialect answers). `<case>.<target>.snap` is what becomes of it: for a request the upstream's body and
the warnings, or the refusal; for the other two what a client of the target's dialect gets.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.usage import NO_USAGE
from anyrouter.wire.form.request import Request
from anyrouter.wire.form.warnings import warnings_shown
from anyrouter.wire.reply import CostFields, Naming
from anyrouter.wire.translation.codec import ClientRequest, ReplyContext, UpstreamModel
from anyrouter.wire.translation.registry import CODECS
from anyrouter.wire.translation.stream import TranslatedStream
from anyrouter.wire.translation.translation import decode_client_request

HERE = Path(__file__).parent
CASES = sorted(path for path in HERE.glob("*/*") if path.suffix in {".json", ".sse", ".bin"} and path.parent.name in CODECS)
NAMING = Naming(b'"gen-0123456789ab0123456789abcdef0123"', b'"vendor/model"', b'"Provider"')
COST = CostFields(cost=b"0.00042")
CREATED_S = 1_700_000_000
MIN_CASES = 25


def targets_of(case: Path) -> list[str]:
    codec = CODECS[case.parent.name]
    if case.name.startswith("request_"):
        return [name for name, target in CODECS.items() if target.encode_request and codec.decode_request]
    return [name for name, target in CODECS.items() if target.encode_response and codec.decode_response]


PAIRS = [(case, target) for case in CASES for target in targets_of(case)]


def snap_of(case: Path, target: str) -> Path:
    return case.with_name(f"{case.stem}.{target}.snap")


def pretty(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def translate_request(dialect: str, target: str, text: bytes, *, is_streamed: bool) -> str:
    values = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    told = json.loads(text)
    request = ClientRequest(
        values=values,
        model=told.get("model", "vendor/model"),
        is_streamed=told.get("stream") is True or is_streamed,
        is_usage_wanted=bool((told.get("stream_options") or {}).get("include_usage")),
    )
    try:
        decoded = decode_client_request(CODECS[dialect], request)
        model = UpstreamModel(name="upstream-model", max_output_tokens=8192)
        translation = decoded.encode_for(target, model, created_s=CREATED_S)
    except ClientError as error:
        denied: Denied = error.denied
        return "refused " + pretty({"code": denied.code, "param": denied.param, "message": denied.message})
    method = "" if translation.encoded.method is None else f"method {translation.encoded.method}\n"
    warnings = "".join(f"warning {json.dumps(row, ensure_ascii=False)}\n" for row in warnings_shown(translation.warnings))
    return method + "body " + pretty(json.loads(translation.encoded.body)) + warnings


def context_of(target: str, *, is_streamed: bool) -> ReplyContext:
    request = Request(dialect=target, model="vendor/model", messages=[], is_streamed=is_streamed, is_usage_wanted=True)
    return ReplyContext(naming=NAMING, created_s=CREATED_S, request=request)


def translate_reply(dialect: str, target: str, text: bytes) -> str:
    decode, encode = CODECS[dialect].decode_response, CODECS[target].encode_response
    assert decode is not None
    assert encode is not None
    reply = decode(text)
    return pretty(json.loads(encode(reply, context_of(target, is_streamed=False), reply.usage or NO_USAGE, COST)))


def translate_stream(dialect: str, target: str, pieces: list[bytes]) -> str:
    decoder, encoder = CODECS[dialect].stream_decoder, CODECS[target].stream_encoder
    assert decoder is not None
    assert encoder is not None
    stream = TranslatedStream(
        decoder=decoder(),
        encoder=encoder(context_of(target, is_streamed=True)),
        estimate_input=lambda: 7,
        pricer=lambda _usage: COST,
    )
    out = b"".join([*map(stream.feed, pieces), stream.eof()])
    if stream.failure is not None:
        out += stream.fail(Denied(code="upstream_error", message="The upstream reported an error."), "req-1")
    elif not stream.is_done:
        out += b": cut\n"
    return out.decode()


def translate(case: Path, target: str) -> str:
    dialect, text = case.parent.name, case.read_bytes()
    if case.name.startswith("request_"):
        return translate_request(dialect, target, text, is_streamed="streamed" in case.stem)
    if case.name.startswith("reply_"):
        return translate_reply(dialect, target, text)
    assert case.name.startswith("stream_"), "a case is called request_, reply_ or stream_ something"
    whole = translate_stream(dialect, target, [text])
    assert translate_stream(dialect, target, [text[at : at + 1] for at in range(len(text))]) == whole
    return whole


@pytest.mark.parametrize(("case", "target"), PAIRS, ids=[f"{case.parent.name}/{case.stem}->{target}" for case, target in PAIRS])
def test_a_case_is_translated_as_its_golden_file_says(case: Path, target: str, *, is_updating: bool) -> None:
    found, snap = translate(case, target), snap_of(case, target)
    if is_updating:
        snap.write_text(found, encoding="utf-8", newline="")
    assert snap.exists(), "a new case: run pytest tests/golden --update-golden, and read what it writes"
    assert found == snap.read_bytes().decode()


def test_no_golden_file_is_left_over() -> None:
    expected = {snap_of(case, target) for case, target in PAIRS}
    assert set(HERE.glob("*/*.snap")) - expected == set()


@pytest.mark.parametrize("dialect", sorted(CODECS))
def test_every_dialect_has_its_cases(dialect: str) -> None:
    assert len([case for case in CASES if case.parent.name == dialect]) >= MIN_CASES
