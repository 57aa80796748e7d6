"""The table of endpoints: which scope each needs and which dialect its errors speak. A route without a row does not build."""

from dataclasses import dataclass

from anyrouter.core import scopes


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What is served at a path, by one method.

    `path` is the public path below /api/v1 without its first slash. `scope` None: any valid key. `is_public`: no key at all.
    """

    path: str
    scope: str | None
    dialect: str = "openai"
    is_inference: bool = False
    is_public: bool = False
    changes_by: str | None = None  # the method of a row that changes something of the organisation's

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.changes_by or ("POST" if self.is_inference else "GET")

    @property
    def name(self) -> str:
        """What the row is called in the table: its path, behind its method where it changes something."""
        return self.path if self.changes_by is None else f"{self.changes_by} {self.path}"


_ROWS = (
    Endpoint(path="chat/completions", scope=scopes.COMPLETIONS_WRITE, is_inference=True),
    Endpoint(path="completions", scope=scopes.COMPLETIONS_WRITE, is_inference=True),
    Endpoint(path="embeddings", scope=scopes.EMBEDDINGS_WRITE, is_inference=True),
    Endpoint(path="messages", scope=scopes.COMPLETIONS_WRITE, dialect="anthropic", is_inference=True),
    Endpoint(path="messages/count_tokens", scope=scopes.COMPLETIONS_WRITE, dialect="anthropic", is_inference=True),
    Endpoint(path="models", scope=scopes.MODELS_READ),
    Endpoint(path="models/count", scope=scopes.MODELS_READ),
    Endpoint(path="models/{model}", scope=scopes.MODELS_READ),
    Endpoint(path="models/{model}/endpoints", scope=scopes.MODELS_READ),
    Endpoint(path="providers", scope=scopes.MODELS_READ),
    Endpoint(path="presets", scope=scopes.MODELS_READ),
    Endpoint(path="presets", scope=scopes.ADMIN_ALL, changes_by="POST"),
    Endpoint(path="presets/{slug}", scope=scopes.MODELS_READ),
    Endpoint(path="presets/{slug}", scope=scopes.ADMIN_ALL, changes_by="PATCH"),
    Endpoint(path="presets/{slug}", scope=scopes.ADMIN_ALL, changes_by="DELETE"),
    Endpoint(path="presets/{slug}/chat/completions", scope=scopes.ADMIN_ALL, changes_by="POST"),
    Endpoint(path="presets/{slug}/messages", scope=scopes.ADMIN_ALL, changes_by="POST"),
    Endpoint(path="presets/{slug}/responses", scope=scopes.ADMIN_ALL, changes_by="POST"),
    Endpoint(path="generation", scope=scopes.USAGE_READ),
    Endpoint(path="generation/{id}", scope=scopes.USAGE_READ),
    Endpoint(path="credits", scope=scopes.USAGE_READ),
    Endpoint(path="activity", scope=scopes.USAGE_READ),
    Endpoint(path="key", scope=None),
    Endpoint(path="auth/key", scope=None),
    Endpoint(path="health", scope=None, is_public=True),
    Endpoint(path="livez", scope=None, is_public=True),
    Endpoint(path="readyz", scope=None, is_public=True),
    Endpoint(path="openapi.json", scope=None, is_public=True),
    Endpoint(path="metrics", scope=None, is_public=True),
)
ENDPOINTS = {row.name: row for row in _ROWS}
INFERENCE_PATHS = {f"{base}/{row.path}".encode(): row.path for row in _ROWS if row.is_inference for base in ("/api/v1", "/v1")}
