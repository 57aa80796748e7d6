import pytest

from anyrouter.web.api.edge import plain_path


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
