"""The program that sends a request: what a page shows beside a model and in the playground. Pure. No key is ever in it."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

KEY_VARIABLE = "ANYROUTER_API_KEY"
SAMPLE_MESSAGES = ({"role": "user", "content": "Say hello in three languages."},)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A program in a language; `id` is a word for addresses and elements."""

    id: str
    language: str
    text: str


def write_chat(base_url: str, body: Mapping[str, Any]) -> tuple[Sample, ...]:
    """Programs that send a chat and print its answer, as it comes where `stream` is in the body."""
    return (
        Sample(id="curl", language="curl", text=_write_curl(base_url, "chat/completions", body)),
        Sample(id="python", language="Python", text=_write_python_chat(base_url, body)),
        Sample(id="typescript", language="TypeScript", text=_write_typescript_chat(base_url, body)),
    )


def write_embedding(base_url: str, model: str) -> tuple[Sample, ...]:
    """Programs that embed a text."""
    body = {"model": model, "input": "The quick brown fox"}
    python = f"{_open_python(base_url)}\nreply = client.embeddings.create({_keywords(body)})\nprint(reply.data[0].embedding[:8])\n"
    typescript = (
        f"{_open_typescript(base_url)}\nconst reply = await client.embeddings.create({_pretty(body)});\n"
        "console.log(reply.data[0].embedding.slice(0, 8));\n"
    )
    return (
        Sample(id="curl", language="curl", text=_write_curl(base_url, "embeddings", body)),
        Sample(id="python", language="Python", text=python),
        Sample(id="typescript", language="TypeScript", text=typescript),
    )


def make_body(
    model: str,
    messages: Sequence[Mapping[str, str]] = SAMPLE_MESSAGES,
    *,
    temperature: float | None = None,
    max_tokens: int | None = None,
    is_streamed: bool = False,
) -> dict[str, Any]:
    """The body of a chat: what is None is not in it."""
    body: dict[str, Any] = {"model": model, "messages": [dict(message) for message in messages]}
    if temperature is not None:
        body["temperature"] = temperature
    if max_tokens is not None:
        body["max_tokens"] = max_tokens
    if is_streamed:
        body["stream"] = True
    return body


def _write_curl(base_url: str, path: str, body: Mapping[str, Any]) -> str:
    no_buffer = " -N" if body.get("stream") else ""
    return (
        f"curl{no_buffer} {base_url}/api/v1/{path} \\\n"
        f'  -H "Authorization: Bearer ${KEY_VARIABLE}" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d {shlex.quote(_pretty(body))}\n"
    )


def _open_python(base_url: str) -> str:
    return (
        f'import os\n\nfrom openai import OpenAI\n\nclient = OpenAI(base_url="{base_url}/api/v1", api_key=os.environ["{KEY_VARIABLE}"])\n'
    )


def _write_python_chat(base_url: str, body: Mapping[str, Any]) -> str:
    opening = _open_python(base_url)
    call = f"client.chat.completions.create({_keywords(body)})"
    if not body.get("stream"):
        return f"{opening}\nreply = {call}\nprint(reply.choices[0].message.content)\n"
    return (
        f"{opening}\nfor chunk in {call}:\n    if chunk.choices and chunk.choices[0].delta.content:\n"
        '        print(chunk.choices[0].delta.content, end="", flush=True)\n'
    )


def _open_typescript(base_url: str) -> str:
    return (
        'import OpenAI from "openai";\n\n'
        f'const client = new OpenAI({{ baseURL: "{base_url}/api/v1", apiKey: process.env.{KEY_VARIABLE} }});\n'
    )


def _write_typescript_chat(base_url: str, body: Mapping[str, Any]) -> str:
    opening = _open_typescript(base_url)
    call = f"await client.chat.completions.create({_pretty(body)});"
    if not body.get("stream"):
        return f"{opening}\nconst reply = {call}\nconsole.log(reply.choices[0].message.content);\n"
    return (
        f"{opening}\nconst stream = {call}\nfor await (const chunk of stream) {{\n"
        '  process.stdout.write(chunk.choices[0]?.delta?.content ?? "");\n}\n'
    )


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _keywords(body: Mapping[str, Any]) -> str:
    """A body as keyword arguments of Python. JSON's texts, numbers, lists and objects are Python's; of the rest there is only `true`."""
    arguments = "".join(f"    {name}={'True' if value is True else _indent(_pretty(value))},\n" for name, value in body.items())
    return f"\n{arguments}"


def _indent(text: str) -> str:
    return text.replace("\n", "\n    ")
