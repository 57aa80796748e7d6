"""Google's two doors to the same models: AI Studio with an API key, Vertex AI with a service account and an account's project.

Vertex AI also serves Anthropic's models, in their own format and with a member of its own in the body; that is a second row, since
it is the model's maker that decides which of the two formats a model has.

Source: ai.google.dev/api, cloud.google.com/vertex-ai/generative-ai/docs, and the addresses and variables of the SDKs google-genai 3.4
and anthropic 2.12 (read 2026-11-24).
"""

from datetime import date

from anyrouter.core.provider import AuthKind, Format, Provider, Source, Variable
from anyrouter.providers.anthropic import DIALECT as ANTHROPIC_DIALECT

DIALECT = "gemini"
_CHECKED = date(2026, 11, 24)
_OPENAI_PATHS = {path: f"/openai/{path}" for path in ("chat/completions", "embeddings")}
_PUBLISHERS = "/projects/{project}/locations/{location}/publishers"
_GEMINI_MODEL = _PUBLISHERS + "/google/models/{model}"
_CLAUDE_MODEL = _PUBLISHERS + "/anthropic/models/{model}"

GOOGLE = Provider(
    id="google",
    name="Google",
    dialect="openai",
    base_url="https://generativelanguage.googleapis.com/v1beta",
    vendors=("google",),
    paths=_OPENAI_PATHS,
    formats={
        DIALECT: Format(
            path="/models/{model}:generateContent",
            stream_path="/models/{model}:streamGenerateContent?alt=sse",
            count_tokens_path="/models/{model}:countTokens",
            credential_header="x-goog-api-key",
            credential_prefix="",
        ),
        "openai": Format(path=_OPENAI_PATHS["chat/completions"]),
    },
    credential_variable="GEMINI_API_KEY",
    source=Source(page="https://ai.google.dev/api/generate-content", checked=_CHECKED),
    note="A `base_url` of yours ends in `/v1beta`; the OpenAI-compatible paths are below it at `/openai`.",
)

_PROJECT_PATTERN = r"[a-z0-9](?:[a-z0-9.:-]*[a-z0-9])?"
_PROJECT_TEXT = "the cloud project's id; left out, it is the one of the service account"
_LOCATION_TEXT = "where the models run: global, us, eu or a region such as europe-west4"

VERTEX = Provider(
    id="google-vertex",
    name="Vertex AI",
    dialect=DIALECT,
    base_url="",
    base_url_template="https://{location}-aiplatform.googleapis.com/v1",
    base_url_exceptions={
        "location=global": "https://aiplatform.googleapis.com/v1",
        "location=us": "https://aiplatform.us.rep.googleapis.com/v1",
        "location=eu": "https://aiplatform.eu.rep.googleapis.com/v1",
    },
    vendors=("google",),
    paths={},
    formats={
        DIALECT: Format(
            path=f"{_GEMINI_MODEL}:generateContent",
            stream_path=f"{_GEMINI_MODEL}:streamGenerateContent?alt=sse",
            count_tokens_path=f"{_GEMINI_MODEL}:countTokens",
        )
    },
    auth=(AuthKind.SERVICE_ACCOUNT,),
    credential_file_variable="GOOGLE_APPLICATION_CREDENTIALS",
    token_url="https://oauth2.googleapis.com/token",  # noqa: S106 -- an address
    token_scope="https://www.googleapis.com/auth/cloud-platform",  # noqa: S106 -- a public name
    variables=(
        Variable(name="project", text=_PROJECT_TEXT, environment=("GOOGLE_CLOUD_PROJECT",), pattern=_PROJECT_PATTERN),
        Variable(name="location", text=_LOCATION_TEXT, environment=("GOOGLE_CLOUD_LOCATION",), default="global"),
    ),
    is_implied=False,
    source=Source(page="https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference", checked=_CHECKED),
)
VERTEX_ANTHROPIC = Provider(
    id="google-vertex-anthropic",
    name="Vertex AI (Claude)",
    dialect=ANTHROPIC_DIALECT,
    base_url="",
    base_url_template=VERTEX.base_url_template,
    base_url_exceptions=VERTEX.base_url_exceptions,
    vendors=("anthropic",),
    paths={},
    formats={
        ANTHROPIC_DIALECT: Format(
            path=f"{_CLAUDE_MODEL}:rawPredict",
            stream_path=f"{_CLAUDE_MODEL}:streamRawPredict",
            count_tokens_path=f"{_PUBLISHERS}/anthropic/models/count-tokens:rawPredict",
            members={"anthropic_version": b'"vertex-2023-10-16"'},
            removed=frozenset({"model"}),
        )
    },
    auth=VERTEX.auth,
    credential_file_variable=VERTEX.credential_file_variable,
    token_url=VERTEX.token_url,
    token_scope=VERTEX.token_scope,
    passed_headers=frozenset({"anthropic-beta"}),
    variables=(
        Variable(
            name="project",
            text=_PROJECT_TEXT,
            environment=("ANTHROPIC_VERTEX_PROJECT_ID", "GOOGLE_CLOUD_PROJECT"),
            pattern=_PROJECT_PATTERN,
        ),
        Variable(name="location", text=_LOCATION_TEXT, environment=("CLOUD_ML_REGION", "GOOGLE_CLOUD_LOCATION"), default="global"),
    ),
    is_implied=False,
    source=Source(page="https://cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude", checked=_CHECKED),
    note="A model's name here may have its date behind an `@`, such as `claude-sonnet-4-5@20250929`: give it in the upstream's `models`.",
)
