"""OpenAI's API, and the row for any other server that speaks it.

Source: platform.openai.com/docs/api-reference, and the environment variables of OpenAI's own SDKs (`OPENAI_BASE_URL` ends in /v1).
"""

from anyrouter.core.provider import Provider

DIALECT = "openai"
PATHS = {path: f"/{path}" for path in ("chat/completions", "completions", "embeddings")}

OPENAI = Provider(
    id="openai",
    name="OpenAI",
    dialect=DIALECT,
    base_url="https://api.openai.com/v1",
    vendors=("openai",),
    paths=PATHS,
    credential_variable="OPENAI_API_KEY",
    base_url_variable="OPENAI_BASE_URL",
)

# vLLM, llama.cpp, Ollama, LM Studio, SGLang …: the operator gives the address and says which models are there.
OPENAI_COMPATIBLE = Provider(
    id="openai-compatible",
    name="OpenAI-compatible server",
    dialect=DIALECT,
    base_url="",
    vendors=(),
    paths=PATHS,
)
