"""What somebody pastes to use a new key. Pure.

The key's text is in what has to hold it, a command and a file of variables; programs read it from the environment, where it is not
committed by mistake.
"""

import json
import shlex
from typing import NamedTuple

QUESTION = "Hello!"
_MAX_TOKENS = 200


class Snippet(NamedTuple):
    """A text with what it is for."""

    title: str
    hint: str
    text: str


def list_snippets(base_url: str, key: str, model: str | None) -> list[Snippet]:
    """Snippets for a key that can chat with `model`; those of a key that cannot, without one. `base_url` has no path."""
    if model is None:
        return [_ask_about_itself(base_url, key), _variables(base_url, key)]
    return [
        _curl(base_url, key, model),
        _variables(base_url, key),
        Snippet("Python", "pip install openai. The variables above must be set.", _python(base_url, model)),
        Snippet("TypeScript", "npm install openai. The variables above must be set.", _typescript(base_url, model)),
        Snippet("Anthropic SDK", "pip install anthropic. Any model, not only Anthropic's.", _anthropic(base_url, model)),
    ]


def make_test_body(model: str) -> str:
    """The body of a request that shows that a key works, as JSON."""
    return json.dumps({"model": model, "max_tokens": _MAX_TOKENS, "messages": [{"role": "user", "content": QUESTION}]})


def _curl(base_url: str, key: str, model: str) -> Snippet:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": QUESTION}]})
    lines = (
        f"curl {base_url}/api/v1/chat/completions",
        f"-H {shlex.quote(f'Authorization: Bearer {key}')}",
        "-H 'Content-Type: application/json'",
        f"-d {shlex.quote(body)}",
    )
    return Snippet("curl", "For a terminal, right now.", " \\\n  ".join(lines))


def _ask_about_itself(base_url: str, key: str) -> Snippet:
    authorization = shlex.quote(f"Authorization: Bearer {key}")
    return Snippet("curl", "What the gateway knows of this key.", f"curl {base_url}/api/v1/key \\\n  -H {authorization}")


def _variables(base_url: str, key: str) -> Snippet:
    pairs = (
        ("OPENAI_BASE_URL", f"{base_url}/api/v1"),
        ("OPENAI_API_KEY", key),
        ("ANTHROPIC_BASE_URL", f"{base_url}/api"),
        ("ANTHROPIC_API_KEY", key),
    )
    text = "\n".join(f"{name}={value}" for name, value in pairs)
    return Snippet("Environment file", "For .env: OpenAI's and Anthropic's libraries and most tools read these by themselves.", text)


def _python(base_url: str, model: str) -> str:
    return f"""import os
from openai import OpenAI

client = OpenAI(base_url={json.dumps(f"{base_url}/api/v1")}, api_key=os.environ["OPENAI_API_KEY"])
reply = client.chat.completions.create(
    model={json.dumps(model)},
    messages=[{{"role": "user", "content": {json.dumps(QUESTION)}}}],
)
print(reply.choices[0].message.content)"""


def _typescript(base_url: str, model: str) -> str:
    return f"""import OpenAI from "openai";

const client = new OpenAI({{ baseURL: {json.dumps(f"{base_url}/api/v1")}, apiKey: process.env.OPENAI_API_KEY }});
const reply = await client.chat.completions.create({{
  model: {json.dumps(model)},
  messages: [{{ role: "user", content: {json.dumps(QUESTION)} }}],
}});
console.log(reply.choices[0].message.content);"""


def _anthropic(base_url: str, model: str) -> str:
    return f"""import os
from anthropic import Anthropic

client = Anthropic(base_url={json.dumps(f"{base_url}/api")}, api_key=os.environ["ANTHROPIC_API_KEY"])
reply = client.messages.create(
    model={json.dumps(model)},
    max_tokens={_MAX_TOKENS},
    messages=[{{"role": "user", "content": {json.dumps(QUESTION)}}}],
)
print(reply.content[0].text)"""
