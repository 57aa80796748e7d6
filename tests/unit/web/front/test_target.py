import pytest

from anyrouter.policy.endpoints import ENDPOINTS
from anyrouter.web.front.target import Target, plain_path, read_target

GENERATE, STREAM = b":generateContent", b":streamGenerateContent"


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/v1/models", b"/v1/models"),
        (b"/v1/models/", b"/v1/models"),
        (b"/v1/models//", b"/v1/models/"),
        (b"/v1/models?a=/b/", b"/v1/models"),
        (b"/v1/models#a", b"/v1/models"),
        (b"/v1/m%6Fdels%2F", b"/v1/models"),
        (b"http://h/v1/models?x", b"/v1/models"),
        (b"http://h", b""),
        (b"http://h?/v1/models", b""),
        (b"*", b""),
        (b"/", b""),
        (b"/a%zz", b"/a%zz"),
    ],
)
def test_a_path_is_found_in_every_form_of_a_target(target: bytes, path: bytes) -> None:
    assert plain_path(target) == path


@pytest.mark.parametrize(("path", "endpoint"), [(b"/v1/responses", "responses"), (b"/api/v1/chat%2Fcompletions/?a", "chat/completions")])
def test_a_path_without_a_model_in_it_is_its_endpoint(path: bytes, endpoint: str) -> None:
    assert read_target(path) == Target(endpoint)


@pytest.mark.parametrize("version", [b"v1beta", b"v1", b"v1alpha"])
@pytest.mark.parametrize(
    ("written", "model"),
    [
        (b"gemini-2.5-flash", "gemini-2.5-flash"),
        (b"google/gemini-2.5-flash", "google/gemini-2.5-flash"),
        (b"google%2Fgemini-2.5-flash", "google/gemini-2.5-flash"),
        (b"google%2fgemini%2D2.5-flash", "google/gemini-2.5-flash"),
        (b"meta/llama/3.1:8b", "meta/llama/3.1:8b"),
        (b"openai/gpt-4o:nitro", "openai/gpt-4o:nitro"),
        (b"@preset/writer", "@preset/writer"),
        (b"%40preset%2Fwriter", "@preset/writer"),
        (b"a%252Fb", "a%2Fb"),
        (b"a+b", "a+b"),
        (b"a%20b", "a b"),
        (b"x:generateContent", "x:generateContent"),
        (b"m%C3%BCller/eins", "m\u00fcller/eins"),
        (b"m\xc3\xbcller/eins", "m\u00fcller/eins"),
        (b"../../v1/chat/completions", "../../v1/chat/completions"),
        (b"x" * 256, "x" * 256),
        (b"%C3%BC" * 256, "\u00fc" * 256),
    ],
)
def test_a_path_of_gemini_s_names_its_model_in_any_spelling(version: bytes, written: bytes, model: str) -> None:
    path = b"/%b/models/%b" % (version, written)
    assert read_target(path + GENERATE) == Target("generateContent", model)
    assert read_target(path + b"%3AgenerateContent/") == Target("generateContent", model)
    assert read_target(b"http://host:80" + path + STREAM + b"?alt=sse") == Target("streamGenerateContent", model)


@pytest.mark.parametrize(
    "path",
    [
        b"/v1beta/models/x:countTokens",
        b"/v1beta/models/x:embedContent",
        b"/v1beta/models/x:batchGenerateContent",
        b"/v1beta/models/x:GenerateContent",
        b"/v1beta/models/x:generateContent:",
        b"/v1beta/models/x:generateContentx",
        b"/v1beta/models/x:generateContent//",
        b"/v1beta/models/xgenerateContent",
        b"/v1beta/models/:generateContent",
        b"/v1beta/models:generateContent",
        b"/v1beta/models/x",
        b"/v1beta/tunedModels/x:generateContent",
        b"/v1beta1/models/x:generateContent",
        b"/v2/models/x:generateContent",
        b"/V1beta/models/x:generateContent",
        b"//v1beta/models/x:generateContent",
        b"/x/v1beta/models/x:generateContent",
        b"/api/v1beta/models/x:generateContent",
        b"/api/v1/models/x:generateContent",
        b"/v1/v1/models/x:generateContent",
        b"/v1beta/models/x%0a:generateContent",
        b"/v1beta/models/x%0d%0aX:%20y:generateContent",
        b"/v1beta/models/%00:generateContent",
        b"/v1beta/models/%7f:generateContent",
        b"/v1beta/models/\xe2\x80\xae:generateContent",
        b"/v1beta/models/%ff:generateContent",
        b"/v1beta/models/%c0%ae:generateContent",
        b"/v1beta/models/%ed%a0%80:generateContent",
        b"/v1beta/models/" + b"x" * 257 + b":generateContent",
        b"/v1beta/models/x?:generateContent",
        b"/v1beta/models/x#:generateContent",
    ],
)
def test_what_names_no_model_and_no_method_of_ours_is_no_inference(path: bytes) -> None:
    assert read_target(path) is None


@pytest.mark.parametrize(
    ("query", "is_array"),
    [
        (b"", True),
        (b"?", True),
        (b"?alt=sse", False),
        (b"?alt=json", True),
        (b"?alt=", True),
        (b"?alt", True),
        (b"?alt=SSE", True),
        (b"?alt=sse1", True),
        (b"?xalt=sse", True),
        (b"?key=alt=sse", True),
        (b"?key=ar-live-MARKER&alt=sse", False),
        (b"?alt=sse&key=ar-live-MARKER", False),
        (b"?%61lt=s%73e", False),
        (b"?$alt=sse", False),
        (b"?$alt=json;enum-encoding=int", True),
        (b"?alt=json&alt=sse", False),
        (b"?alt=sse&alt=json", True),
        (b"?a=b?alt=sse", True),
        (b"?a&alt=sse#alt=json", False),
        (b"#?alt=sse", True),
        (b"?alt=sse" + b"&x=1" * 3000, False),
    ],
)
def test_a_stream_is_an_array_unless_events_are_asked_for(query: bytes, *, is_array: bool) -> None:
    assert read_target(b"/v1/models/x:streamGenerateContent" + query) == Target("streamGenerateContent", "x", is_array)
    assert read_target(b"/v1/models/x:generateContent" + query) == Target("generateContent", "x")


def test_every_row_of_inference_is_found_at_its_public_path() -> None:
    for row in ENDPOINTS.values():
        found = read_target(row.public_path.replace("{model}", "openai/gpt-4o").encode())
        assert (found is not None) is row.is_inference
        if found is not None:
            assert (found.endpoint, found.model) == (row.path, "openai/gpt-4o" if "{model}" in row.public_path else None)
