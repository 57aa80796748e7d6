"""Azure: OpenAI's models in a resource of the operator's, and Foundry, which has other makers' models too.

OpenAI's are asked by the v1 paths, or by the older ones with a deployment and a version in them: a row for each. Everywhere a model is
the name of a deployment, which is the operator's choice. Foundry serves Claude in Anthropic's format alone, all else in OpenAI's: two rows.

Source: learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle and …/openai/latest, and the addresses and variables of the
SDKs openai 3.54 and anthropic 2.12 (read 2026-11-24).
"""

from datetime import date

from anyrouter.core.provider import Format, Provider, Source, Variable
from anyrouter.providers.anthropic import DIALECT as ANTHROPIC_DIALECT
from anyrouter.providers.anthropic import HEADERS as ANTHROPIC_HEADERS
from anyrouter.providers.anthropic import MESSAGES, PATHS

DIALECT = "openai"
_CHECKED = date(2026, 11, 24)
_HEADER = "api-key"
_V1_PATHS = {path: f"/openai/v1/{path}" for path in ("chat/completions", "completions", "embeddings")}
_V1_FORMATS = {DIALECT: Format(path=_V1_PATHS["chat/completions"]), "responses": Format(path="/openai/v1/responses")}
_RESOURCE_TEXT = "the resource's name, the first part of its address"
_DEPLOYMENT_NOTE = "A model is the name of a deployment: give the public name of each in the upstream's `models`."

AZURE_OPENAI = Provider(
    id="azure-openai",
    name="Azure OpenAI",
    dialect=DIALECT,
    base_url="",
    base_url_template="https://{resource}.openai.azure.com",
    base_url_variable="AZURE_OPENAI_ENDPOINT",
    vendors=("azure",),
    paths=_V1_PATHS,
    formats=_V1_FORMATS,
    credential_header=_HEADER,
    credential_prefix="",
    credential_variable="AZURE_OPENAI_API_KEY",
    variables=(Variable(name="resource", text=_RESOURCE_TEXT, environment=("AZURE_RESOURCE_NAME",)),),
    is_host=True,
    is_found_last=True,
    source=Source(page="https://learn.microsoft.com/en-us/azure/ai-foundry/openai/api-version-lifecycle", checked=_CHECKED),
    note=f"{_DEPLOYMENT_NOTE} A `base_url` of yours is the resource's address without a path.",
)
AZURE_DEPLOYMENTS = Provider(
    id="azure-openai-deployments",
    name="Azure OpenAI (versioned paths)",
    dialect=DIALECT,
    base_url="",
    base_url_template=AZURE_OPENAI.base_url_template,
    vendors=("azure",),
    paths={},
    formats={DIALECT: Format(path="/openai/deployments/{model}/chat/completions?api-version={api_version}")},
    credential_header=_HEADER,
    credential_prefix="",
    variables=(
        *AZURE_OPENAI.variables,
        Variable(
            name="api_version",
            text="the API's version, a date",
            environment=("OPENAI_API_VERSION",),
            default="2024-10-21",
            pattern=r"\d{4}-\d\d-\d\d(?:-preview)?",
        ),
    ),
    is_host=True,
    is_found_last=True,
    source=Source(page="https://learn.microsoft.com/en-us/azure/ai-foundry/openai/reference", checked=_CHECKED),
    note=_DEPLOYMENT_NOTE,
)
AZURE_FOUNDRY = Provider(
    id="azure-foundry",
    name="Azure AI Foundry",
    dialect=DIALECT,
    base_url="",
    base_url_template="https://{resource}.services.ai.azure.com",
    vendors=("azure",),
    paths={path: _V1_PATHS[path] for path in ("chat/completions", "embeddings")},
    formats=_V1_FORMATS,
    credential_header=_HEADER,
    credential_prefix="",
    variables=(Variable(name="resource", text=_RESOURCE_TEXT),),
    is_host=True,
    is_found_last=True,
    source=Source(page="https://learn.microsoft.com/en-us/azure/ai-foundry/foundry-models/concepts/endpoints", checked=_CHECKED),
    note=_DEPLOYMENT_NOTE,
)
AZURE_FOUNDRY_ANTHROPIC = Provider(
    id="azure-foundry-anthropic",
    name="Azure AI Foundry (Claude)",
    dialect=ANTHROPIC_DIALECT,
    base_url="",
    base_url_template="https://{resource}.services.ai.azure.com/anthropic",
    base_url_variable="ANTHROPIC_FOUNDRY_BASE_URL",
    vendors=("anthropic",),
    paths=PATHS,
    formats={ANTHROPIC_DIALECT: MESSAGES},
    credential_header="x-api-key",
    credential_prefix="",
    credential_variable="ANTHROPIC_FOUNDRY_API_KEY",
    headers=ANTHROPIC_HEADERS,
    passed_headers=frozenset({"anthropic-version", "anthropic-beta"}),
    variables=(Variable(name="resource", text=_RESOURCE_TEXT, environment=("ANTHROPIC_FOUNDRY_RESOURCE",)),),
    source=Source(
        page="https://learn.microsoft.com/en-us/azure/ai-foundry/foundry-models/how-to/use-foundry-models-claude", checked=_CHECKED
    ),
    note=_DEPLOYMENT_NOTE,
)
