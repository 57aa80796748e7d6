import pytest

from anyrouter.web.api.edge import gemini_path, plain_path


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("/api/v1/models", "/api/v1/models"),
        ("/api/v1/models/", "/api/v1/models"),
        ("/v1/models", "/api/v1/models"),
        ("/v1/models/", "/api/v1/models"),
        ("/v1/models/openai/gpt-4o/endpoints/", "/api/v1/models/openai/gpt-4o/endpoints"),
        ("/health", "/api/v1/health"),
        ("/livez/", "/api/v1/livez"),
        ("/readyz", "/api/v1/readyz"),
        ("/metrics", "/api/v1/metrics"),
        ("/", "/"),
        # One slash is nothing, two are another path.
        ("/api/v1/models//", "/api/v1/models/"),
        ("//v1/models", "//v1/models"),
        # Nothing else is a spelling of a path of ours.
        ("/v1", "/v1"),
        ("/V1/models", "/V1/models"),
        ("/key", "/key"),
        ("/v1/v1/models", "/api/v1/v1/models"),
        ("/api/v1/../v1/models", "/api/v1/../v1/models"),
        ("", ""),
    ],
)
def test_a_path_has_one_form(path: str, plain: str) -> None:
    assert plain_path(path) == plain


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("/v1beta/models", "/v1beta/models"),
        ("/v1beta/models/", "/v1beta/models"),
        ("/v1beta/models//", "/v1beta/models/"),
        ("/v1alpha/models/google/x", "/v1beta/models/google/x"),
        ("/v1beta/models/google/x:countTokens", "/v1beta/models/google/x:countTokens"),
        ("/v1beta/files", "/v1beta/files"),
        ("/v1beta", None),
        ("/v1beta/", None),
        ("/v1beta1/models", None),
        ("/V1beta/models", None),
        ("//v1beta/models", None),
        ("v1beta/models", None),
        ("/api/v1beta/models", None),
        ("/v2/models", None),
        ("/v1alpha/../v1/key", "/v1beta/../v1/key"),
        ("", None),
        ("/", None),
    ],
)
@pytest.mark.parametrize("has_gemini_key", [True, False])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_path_of_gemini_s_has_one_form(path: str, plain: str | None, method: str, *, has_gemini_key: bool) -> None:
    assert gemini_path(path, method, has_gemini_key=has_gemini_key) == plain


@pytest.mark.parametrize(
    ("path", "method", "without", "with_key"),
    [
        ("/v1/models", "GET", None, "/v1beta/models"),
        ("/v1/models/", "HEAD", None, "/v1beta/models"),
        ("/v1/models/google/x:floor", "GET", None, "/v1beta/models/google/x:floor"),
        (
            "/v1/models/google/x:generateContent",
            "POST",
            "/v1beta/models/google/x:generateContent",
            "/v1beta/models/google/x:generateContent",
        ),
        (
            "/v1/models/google/x:generateContent",
            "OPTIONS",
            "/v1beta/models/google/x:generateContent",
            "/v1beta/models/google/x:generateContent",
        ),
        ("/v1/models/google/x", "POST", None, "/v1beta/models/google/x"),
        ("/v1/modelsx", "GET", None, None),
        ("/v1/key", "GET", None, None),
        ("/v1/responses:x", "POST", None, None),
        ("/v1/", "GET", None, None),
        ("/v1", "GET", None, None),
        ("/api/v1/models", "GET", None, None),
        ("/api/v1/models/google/x:generateContent", "POST", None, None),
    ],
)
def test_what_both_apis_have_below_v1_is_gemini_s_by_its_header_or_its_methods(
    path: str, method: str, without: str | None, with_key: str | None
) -> None:
    assert gemini_path(path, method, has_gemini_key=False) == without
    assert gemini_path(path, method, has_gemini_key=True) == with_key
