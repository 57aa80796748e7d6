"""OpenAI's API, and the row for any other server that speaks it.

Source: developers.openai.com/api/reference, and the environment variables of OpenAI's own SDKs (`OPENAI_BASE_URL` ends in /v1).
"""

from datetime import date

from anyrouter.core.provider import AuthKind, Effect, Format, Provider, Quirk, Source

DIALECT = "openai"
PATHS = {path: f"/{path}" for path in ("chat/completions", "completions", "embeddings")}
_SOURCE = Source(page="https://developers.openai.com/api/reference/overview", checked=date(2026, 11, 24))

OPENAI = Provider(
    id="openai",
    name="OpenAI",
    dialect=DIALECT,
    base_url="https://api.openai.com/v1",
    vendors=("openai",),
    paths=PATHS,
    formats={DIALECT: Format(path=PATHS["chat/completions"]), "responses": Format(path="/responses")},
    credential_variable="OPENAI_API_KEY",
    base_url_variable="OPENAI_BASE_URL",
    quirks=(
        Quirk(
            members=("max_tokens",),
            effect=Effect.RENAMED,
            to="max_completion_tokens",
            models=r"o\d|gpt-[5-9]",
            source=Source(page="https://developers.openai.com/api/docs/guides/reasoning", checked=date(2026, 11, 24)),
        ),
    ),
    source=_SOURCE,
)

# Any server with these paths that has no row of its own: the operator gives the address and says which models are there.
OPENAI_COMPATIBLE = Provider(
    id="openai-compatible",
    name="OpenAI-compatible server",
    dialect=DIALECT,
    base_url="",
    vendors=(),
    paths=PATHS,
    formats={DIALECT: Format(path=PATHS["chat/completions"])},
    auth=(AuthKind.NONE, AuthKind.HEADER),
    models_path="/models",
    source=_SOURCE,
    note="Set `base_url`: it has no address of its own.",
)
