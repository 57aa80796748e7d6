"""The simulated provider: one server, and a row for each wire format that it speaks.

A model is served in its maker's format, as it is outside, so that a test key sees the translation that a live one will see. The models
under `sandbox/` are served in every format. All rows have the same address, known when the server has its port.
"""

from dataclasses import replace

from anyrouter.core.provider import AuthKind, Provider
from anyrouter.providers.amazon import BEDROCK
from anyrouter.providers.anthropic import ANTHROPIC
from anyrouter.providers.google import DIALECT as GEMINI_DIALECT
from anyrouter.providers.google import GOOGLE
from anyrouter.providers.openai import OPENAI

VENDOR = "sandbox"
ANY_VENDOR = "*"  # every vendor that no other row of the same upstream names
_VERSION = "/v1beta"

SANDBOX = Provider(
    id="sandbox",
    name="Sandbox",
    dialect=OPENAI.dialect,
    base_url="",
    vendors=(ANY_VENDOR, VENDOR),
    paths={path: f"/v1{below}" for path, below in OPENAI.paths.items()},
    formats={name: replace(form, path=f"/v1{form.path}") for name, form in OPENAI.formats.items()},
    auth=(AuthKind.NONE,),
)
SANDBOX_ANTHROPIC = replace(
    ANTHROPIC,
    id="sandbox-anthropic",
    name="Sandbox",
    base_url="",
    vendors=(*ANTHROPIC.vendors, VENDOR),
    auth=(AuthKind.NONE,),
    credential_variable=None,
    base_url_variable=None,
    source=None,
)
_GEMINI = GOOGLE.formats[GEMINI_DIALECT]
SANDBOX_GEMINI = Provider(
    id="sandbox-gemini",
    name="Sandbox",
    dialect=OPENAI.dialect,
    base_url="",
    vendors=(*GOOGLE.vendors, VENDOR),
    paths={"embeddings": SANDBOX.paths["embeddings"]},
    formats={GEMINI_DIALECT: replace(_GEMINI, path=_VERSION + _GEMINI.path, stream_path=f"{_VERSION}{_GEMINI.stream_path}")},
    auth=(AuthKind.NONE,),
)
SANDBOX_BEDROCK = Provider(
    id="sandbox-bedrock",
    name="Sandbox",
    dialect=BEDROCK.dialect,
    base_url="",
    vendors=(*BEDROCK.vendors, VENDOR),
    paths={},
    formats=BEDROCK.formats,
    auth=(AuthKind.NONE,),
    is_host=BEDROCK.is_host,
    is_found_last=BEDROCK.is_found_last,
)
SANDBOX_MAKERS = (SANDBOX_ANTHROPIC, SANDBOX_GEMINI, SANDBOX_BEDROCK)

# What each model does on demand, like a payment provider's test cards: the name below `sandbox/`, and what a person reads.
SANDBOX_MODELS = {
    "echo": "Answers with the last message.",
    "slow": "Answers rightly, and takes its time.",
    "rate-limited": "Refuses every request: 429.",
    "server-error": "Fails every request: 500.",
    "timeout": "Never answers.",
    "cut-stream": "Ends the connection in the middle of its reply.",
    "malformed": "Answers 200 with a body that is not JSON.",
    "tool-call": "Answers with a call of the first tool.",
    "long": "Answers at length.",
    "no-usage": "Answers without saying how many tokens it took.",
    "content-filter": "Answers that its content filter stopped it.",
    "context-length": "Refuses every request as too long for its context.",
    "refusal": "Refuses to answer, in the words of its format.",
    "stream-error": "Reports an error in the middle of a stream, and fails whole.",
}
