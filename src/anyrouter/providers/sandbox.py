"""The simulated provider: one server, two rows, because a row speaks one dialect.

The dialect decides what may be forwarded unchanged, how a reply's usage is read and how its errors look; a row with two would
make each of those ask which request it is. Both rows have the same address, known when the server has its port.
"""

from dataclasses import replace

from anyrouter.core.provider import AuthKind, Format, Provider
from anyrouter.providers.anthropic import ANTHROPIC
from anyrouter.providers.openai import OPENAI

VENDOR = "sandbox"
ANY_VENDOR = "*"  # every vendor that no other row of the same upstream names

SANDBOX = Provider(
    id="sandbox",
    name="Sandbox",
    dialect=OPENAI.dialect,
    base_url="",
    vendors=(ANY_VENDOR, VENDOR),
    paths={path: f"/v1{below}" for path, below in OPENAI.paths.items()},
    formats={OPENAI.dialect: Format(path="/v1/chat/completions")},
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
}
