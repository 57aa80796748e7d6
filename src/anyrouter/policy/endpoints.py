"""The table of endpoints: which scope each needs and which dialect its errors speak. A route without a row does not build."""

from dataclasses import dataclass

from anyrouter.core import scopes


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What is served at a path, by one method.

    `path` is the public path below /api/v1 without its first slash, and what a key's restriction to endpoints names. A row with
    `root_path` is served there instead: Gemini's clients find their paths at the root. `scope` None: any valid key. `is_public`: no key
    at all.
    """

    path: str
    scope: str | None
    dialect: str = "openai"
    is_inference: bool = False
    is_public: bool = False
    changes_by: str | None = None  # the method of a row that changes something of the organisation's
    root_path: str | None = None
    is_dry: bool = False  # takes the requests of the inference rows, and sends none

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.changes_by or ("POST" if self.is_inference else "GET")

    @property
    def name(self) -> str:
        """What the row is called in the table, in the ledger and in metrics.

        Its path, behind its method where it changes something; the whole path of a row that has another's `path` in another dialect.
        """
        if self.changes_by is not None:
            return f"{self.changes_by} {self.path}"
        return self.path if self.root_path is None or self.is_inference else self.root_path[1:]

    @property
    def is_control(self) -> bool:
        """Whether the row manages something: it changes what is an organisation's, or only administrators may read it."""
        return self.changes_by is not None or (self.scope is not None and self.scope.startswith("admin:"))

    @property
    def public_path(self) -> str:
        """The path as clients know it, with its placeholders."""
        return self.root_path or f"/api/v1/{self.path}"


_ROWS = (
    Endpoint(path="chat/completions", scope=scopes.COMPLETIONS_WRITE, is_inference=True),
    Endpoint(path="completions", scope=scopes.COMPLETIONS_WRITE, is_inference=True),
    Endpoint(path="embeddings", scope=scopes.EMBEDDINGS_WRITE, is_inference=True),
    Endpoint(path="messages", scope=scopes.COMPLETIONS_WRITE, dialect="anthropic", is_inference=True),
    Endpoint(path="messages/count_tokens", scope=scopes.COMPLETIONS_WRITE, dialect="anthropic", is_inference=True),
    Endpoint(path="responses", scope=scopes.COMPLETIONS_WRITE, dialect="responses", is_inference=True),
    Endpoint(path="route", scope=scopes.COMPLETIONS_WRITE, is_inference=True, is_dry=True),
    *(
        Endpoint(
            path=method,
            scope=scopes.COMPLETIONS_WRITE,
            dialect="gemini",
            is_inference=True,
            root_path=f"/v1beta/models/{{model}}:{method}",
        )
        for method in ("generateContent", "streamGenerateContent")
    ),
    Endpoint(path="models", scope=scopes.MODELS_READ),
    Endpoint(path="models/count", scope=scopes.MODELS_READ),
    Endpoint(path="models/{model}", scope=scopes.MODELS_READ),
    Endpoint(path="models/{model}/endpoints", scope=scopes.MODELS_READ),
    Endpoint(path="models", scope=scopes.MODELS_READ, dialect="gemini", root_path="/v1beta/models"),
    Endpoint(path="models/{model}", scope=scopes.MODELS_READ, dialect="gemini", root_path="/v1beta/models/{model}"),
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
    Endpoint(path="credits/grants", scope=scopes.ADMIN_BILLING, changes_by="POST"),
    Endpoint(path="credits/transactions", scope=scopes.ADMIN_BILLING),
    Endpoint(path="budgets", scope=scopes.ADMIN_BILLING),
    Endpoint(path="budgets", scope=scopes.ADMIN_BILLING, changes_by="POST"),
    Endpoint(path="budgets/{id}", scope=scopes.ADMIN_BILLING),
    Endpoint(path="budgets/{id}", scope=scopes.ADMIN_BILLING, changes_by="PATCH"),
    Endpoint(path="budgets/{id}", scope=scopes.ADMIN_BILLING, changes_by="DELETE"),
    Endpoint(path="byok", scope=scopes.ADMIN_BYOK),
    Endpoint(path="byok", scope=scopes.ADMIN_BYOK, changes_by="POST"),
    Endpoint(path="byok/{id}", scope=scopes.ADMIN_BYOK),
    Endpoint(path="byok/{id}", scope=scopes.ADMIN_BYOK, changes_by="PATCH"),
    Endpoint(path="byok/{id}", scope=scopes.ADMIN_BYOK, changes_by="DELETE"),
    Endpoint(path="byok/{id}/test", scope=scopes.ADMIN_BYOK, changes_by="POST"),
    Endpoint(path="activity", scope=scopes.USAGE_READ),
    Endpoint(path="audit", scope=scopes.ADMIN_ORG),
    Endpoint(path="webhooks", scope=scopes.ADMIN_ORG),
    Endpoint(path="webhooks", scope=scopes.ADMIN_ORG, changes_by="POST"),
    Endpoint(path="webhooks/{id}", scope=scopes.ADMIN_ORG),
    Endpoint(path="webhooks/{id}", scope=scopes.ADMIN_ORG, changes_by="PATCH"),
    Endpoint(path="webhooks/{id}", scope=scopes.ADMIN_ORG, changes_by="DELETE"),
    Endpoint(path="webhooks/{id}/test", scope=scopes.ADMIN_ORG, changes_by="POST"),
    Endpoint(path="webhooks/{id}/deliveries", scope=scopes.ADMIN_ORG),
    Endpoint(path="environments", scope=scopes.ADMIN_ORG),
    Endpoint(path="environments", scope=scopes.ADMIN_ORG, changes_by="POST"),
    Endpoint(path="environments/{slug}", scope=scopes.ADMIN_ORG),
    Endpoint(path="environments/{slug}", scope=scopes.ADMIN_ORG, changes_by="PATCH"),
    Endpoint(path="environments/{slug}", scope=scopes.ADMIN_ORG, changes_by="DELETE"),
    Endpoint(path="org", scope=scopes.ADMIN_ORG),
    Endpoint(path="org", scope=scopes.ADMIN_ORG, changes_by="PATCH"),
    Endpoint(path="org/members", scope=scopes.ADMIN_ORG),
    Endpoint(path="org/members/{id}", scope=scopes.ADMIN_ORG, changes_by="PATCH"),
    Endpoint(path="org/members/{id}", scope=scopes.ADMIN_ORG, changes_by="DELETE"),
    Endpoint(path="org/invitations", scope=scopes.ADMIN_ORG),
    Endpoint(path="org/invitations", scope=scopes.ADMIN_ORG, changes_by="POST"),
    Endpoint(path="org/invitations/{id}", scope=scopes.ADMIN_ORG, changes_by="DELETE"),
    Endpoint(path="keys", scope=scopes.ADMIN_KEYS),
    Endpoint(path="keys", scope=scopes.ADMIN_KEYS, changes_by="POST"),
    Endpoint(path="keys/{id}", scope=scopes.ADMIN_KEYS),
    Endpoint(path="keys/{id}", scope=scopes.ADMIN_KEYS, changes_by="PATCH"),
    Endpoint(path="keys/{id}", scope=scopes.ADMIN_KEYS, changes_by="DELETE"),
    Endpoint(path="keys/{id}/usage", scope=scopes.ADMIN_KEYS),
    Endpoint(path="keys/{id}/rotate", scope=scopes.ADMIN_KEYS, changes_by="POST"),
    Endpoint(path="keys/{id}/disable", scope=scopes.ADMIN_KEYS, changes_by="POST"),
    Endpoint(path="keys/{id}/enable", scope=scopes.ADMIN_KEYS, changes_by="POST"),
    Endpoint(path="keys/revoke", scope=None, is_public=True, changes_by="POST"),
    Endpoint(path="leaks/github", scope=None, is_public=True, changes_by="POST"),
    Endpoint(path="key", scope=None),
    Endpoint(path="auth/key", scope=None),
    Endpoint(path="health", scope=None, is_public=True),
    Endpoint(path="livez", scope=None, is_public=True),
    Endpoint(path="readyz", scope=None, is_public=True),
    Endpoint(path="openapi.json", scope=None, is_public=True),
    Endpoint(path="metrics", scope=None, is_public=True),
)
ENDPOINTS = {row.name: row for row in _ROWS}
INFERENCE_PATHS = {
    f"{base}/{row.path}".encode(): row.path for row in _ROWS if row.is_inference and row.root_path is None for base in ("/api/v1", "/v1")
}
GEMINI_VERSIONS = ("v1beta", "v1", "v1alpha")  # of its API, any of which its clients may ask for: google-genai 3 for v1
GEMINI_METHODS = tuple(row.path for row in _ROWS if row.is_inference and row.dialect == "gemini")
