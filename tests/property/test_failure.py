"""Whatever an upstream says, and wherever it quotes a credential: the client gets a well-formed error without it."""

import json
import string
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from anyrouter.core.errors import CODES, Denied, UpstreamStatus
from anyrouter.policy.attempt import judge
from anyrouter.policy.route import Target, Upstream
from anyrouter.providers.registry import PROVIDERS
from anyrouter.wire.failure import read_failure, render_failure, render_stream_failure, scrub

printable = "".join(letter for letter in string.printable if letter.isprintable() and letter not in ' "\\')
credentials = st.text(printable, min_size=12, max_size=60).map(lambda text: "MARKER" + text)
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
spellings = st.sampled_from(
    [
        lambda secret: secret,
        lambda secret: json.dumps(secret)[1:-1],
        lambda secret: secret.replace("/", "\\/"),
        lambda secret: quote(secret, safe=""),
        lambda secret: "".join(f"\\u{ord(letter):04X}" for letter in secret),
        lambda secret: f"Bearer {secret}",
        lambda secret: f"https://x.test/?key={secret}",
    ]
)
codes = st.sampled_from([302, 400, 401, 403, 404, 408, 413, 418, 422, 429, 500, 503, 529])


def target(credential: str) -> Target:
    upstream = Upstream(
        id="a", provider=PROVIDERS["openai"], scheme="https", host="upstream.test", port=443, base_path="", credential=credential
    )
    return Target(upstream=upstream, model="openai/gpt-4o", upstream_model="gpt-4o", tariff=None)


@st.composite
def bodies(draw: st.DrawFn, credential: str) -> bytes:
    """An error body that quotes the credential once, somewhere, in some spelling."""
    spelt = draw(spellings)(credential)
    before = draw(st.integers(0, 40) | st.integers(1900, 2010) | st.integers(4000, 4100)) * "w"
    text = f"{draw(texts)}{before}{draw(st.sampled_from([' ', '', '=', ': ']))}{spelt} {draw(texts)}"
    shape = draw(st.sampled_from(["openai", "plain", "detail", "html", "param"]))
    if shape == "openai":
        return json.dumps({"error": {"message": text, "code": text}}).encode()
    if shape == "param":
        return json.dumps({"error": {"message": "x", "param": text}}, ensure_ascii=False).encode()
    if shape == "html":
        return text.encode()
    return json.dumps({"error" if shape == "plain" else "detail": text}).encode()


@settings(deadline=None, max_examples=150)
@given(credentials, codes, st.data())
def test_a_quoted_credential_never_reaches_the_client(credential: str, status: int, data: st.DataObject) -> None:
    body = data.draw(bodies(credential))
    denied = judge(target(credential), UpstreamStatus("x", status=status, body=body)).denied
    for dialect in ("openai", "anthropic"):
        for told in (render_failure(dialect, denied, "req-1"), render_stream_failure(dialect, denied, "req-1", "gen-1", "m")):
            assert b"MARKER" not in told
            assert b"\\u004d\\u0041\\u0052\\u004b" not in told.lower()


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(sorted(CODES)), texts, texts | st.none(), st.dictionaries(texts, texts | st.integers() | st.none(), max_size=3))
def test_every_refusal_is_rendered_as_json_in_both_dialects(
    code: str, message: str, param: str | None, metadata: dict[str, object]
) -> None:
    denied = Denied(code=code, message=message, param=param, metadata=metadata)
    error = json.loads(render_failure("openai", denied, "req-1"))["error"]
    assert (error["message"], error["code"], error["param"], error["metadata"]["request_id"]) == (message, code, param, "req-1")
    assert json.loads(render_failure("anthropic", denied, "req-1"))["error"]["message"] == message
    for dialect in ("openai", "anthropic"):
        event = render_stream_failure(dialect, denied, "req-1", "gen-1", "m")
        assert event.endswith(b"\n\n")
        assert event.count(b"\n\n") == 1


@settings(deadline=None, max_examples=150)
@given(
    st.binary()
    | st.recursive(st.none() | st.integers() | texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner)).map(
        lambda value: json.dumps({"error": value}).encode()
    )
)
def test_any_error_body_is_read_without_failing(body: bytes) -> None:
    message, code, param = read_failure(body)
    for part in (message, code, param):
        assert part is None or 0 < len(part) <= 2000


@settings(deadline=None, max_examples=200)
@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=200), st.lists(credentials, max_size=2))
def test_scrubbing_twice_changes_nothing_more(text: str, secrets: list[str]) -> None:
    once = scrub(text, tuple(secrets))
    assert scrub(once, tuple(secrets)) == once
