"""The requests that are sent: chat turns of prose and code, the same bytes in every run, and the reply of the fixed upstream."""

import json
import random

SIZES = {"0.3 KB": 300, "27 KB": 27_000, "181 KB": 181_000}
COMPLETION_BYTES = 841
PROMPT_TOKENS = 61  # what the upstreams report, and what the ledger must have

PROSE = (
    "The tests pass on my machine, but the second worker never sees the new setting.",
    'He said: "the queue is empty", and then it was not; see the log of Tuesday.',
    "Please keep the public signature, and explain each step before you change the file.",
    "Größe und Höhe sind vertauscht — c'est la même erreur que hier, n'est-ce pas?",
    "A reader that falls behind must slow the writer down, else memory grows without a bound.",
    "The path is C:\\projects\\billing\\invoices\\2026, and the share is \\\\server\\reports.",
)
CODE = (
    'def parse(line: str) -> dict[str, str]:\n\tname, _, value = line.partition(":")\n\treturn {"name": name.strip(), "value": value}\n',
    'for (const [key, value] of Object.entries(row)) {\n    console.log(`${key}: "${value}"`);\n}\n',
    'SELECT "model", count(*) AS "n"\n  FROM "entries"\n WHERE "state" = \'settled\'\n GROUP BY 1;\n',
    "printf(\"%s\\t%d\\n\", name, count);\nif (buffer[i] == '\\\\') {\n\ti += 2;\n}\n",
    '{"tool": "edit", "arguments": {"path": "src/app.py", "old": "\\"a\\"", "new": "\\"b\\""}}\n',
)


def chat_body(size: int, model: str, *, is_streamed: bool = False) -> bytes:
    """A chat completion request of exactly `size` bytes, members in the order in which OpenAI's SDK writes them."""
    source = random.Random(size)  # noqa: S311 -- not a secret: the same bytes in every run are wanted
    turns = [{"role": "system", "content": "You are a careful engineer."}]
    while len(encode(turns, model, is_streamed=is_streamed)) < size - 1200:
        role = "assistant" if len(turns) % 2 == 0 else "user"
        parts = [source.choice(CODE) if source.random() < 0.5 else source.choice(PROSE) for _ in range(source.randint(3, 9))]
        turns.append({"role": role, "content": "\n".join(parts)})
    turns.append({"role": "user", "content": ""})
    missing = size - len(encode(turns, model, is_streamed=is_streamed))
    if missing < 0:
        raise ValueError(f"a body of {size} bytes has no room for its members")
    question = "What is wrong in this, and how would you repair it? "
    turns[-1]["content"] = (question * (missing // len(question) + 1))[:missing]
    return encode(turns, model, is_streamed=is_streamed)


def encode(turns: list[dict[str, str]], model: str, *, is_streamed: bool) -> bytes:
    body = {"messages": turns, "model": model, "max_tokens": 512, "temperature": 0.2}
    if is_streamed:
        body["stream"] = True
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def completion() -> bytes:
    """The upstream's fixed reply: a chat completion with usage, `COMPLETION_BYTES` long, free of `'` and `$` (nginx's quoting)."""
    message: dict[str, object] = {"role": "assistant", "content": "", "refusal": None, "annotations": []}
    reply = {
        "id": "chatcmpl-BenchBenchBenchBenchBenchBench",
        "object": "chat.completion",
        "created": 1767225600,
        "model": "gpt-4o-2024-08-06",
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": PROMPT_TOKENS,
            "completion_tokens": 52,
            "total_tokens": PROMPT_TOKENS + 52,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
    }
    sentence = 'The loop ends one step early: compare with "<=".\n'
    missing = COMPLETION_BYTES - len(json.dumps(reply, separators=(",", ":")))
    text = ""
    while len(json.dumps(text + sentence)) - 2 <= missing:
        text += sentence
    text += "." * (missing - (len(json.dumps(text)) - 2))
    message["content"] = text
    return json.dumps(reply, separators=(",", ":")).encode()
