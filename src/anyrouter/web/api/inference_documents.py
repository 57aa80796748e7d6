"""What the OpenAPI document says of each inference path: words, examples, and which types describe its bodies."""

from dataclasses import dataclass
from typing import Any

import msgspec

from anyrouter.web.api.gemini_schemas import GeminiReply, GeminiRequest
from anyrouter.web.api.inference_schemas import (
    ChatReply,
    ChatRequest,
    CompletionReply,
    CompletionRequest,
    CountReply,
    CountRequest,
    EmbeddingReply,
    EmbeddingRequest,
    MessagesReply,
    MessagesRequest,
)
from anyrouter.web.api.responses_schemas import ResponsesReply, ResponsesRequest
from anyrouter.web.api.route_schemas import RouteReply, RouteRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentedInference:
    """An inference path in the OpenAPI document."""

    summary: str
    text: str
    request: type[msgspec.Struct]
    reply: type[msgspec.Struct]
    request_example: dict[str, Any]
    reply_example: dict[str, Any]
    can_stream: bool = True
    is_array: bool = False  # the JSON reply is an array of `reply`, which is what one event of the stream is


_USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 3,
    "total_tokens": 12,
    "cost": 0.0000525,
    "is_byok": False,
    "cost_details": {"upstream_inference_cost": 0, "upstream_inference_input_cost": 0, "upstream_inference_output_cost": 0},
}
_CHAT_TURNS = [{"role": "user", "content": "Say hello."}]
_ID = "gen-0192f0c4a7e8b1d2c3e4f5a60718"

_GEMINI_PATHS = (
    "The same below `/v1` and `/v1alpha`. `model` may hold slashes, percent-encoded or not. The key may be sent as `x-goog-api-key`; "
    "`?key=` is not read."
)
_GEMINI_REQUEST = {"contents": [{"role": "user", "parts": [{"text": "Say hello."}]}]}
_GEMINI_REPLY = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Hello!"}]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 2, "totalTokenCount": 6},
    "modelVersion": "gemini-2.5-flash",
    "responseId": "vcKZaM7UHsOCkdUPu4SvsQs",
}

INFERENCE: dict[str, DocumentedInference] = {
    "chat/completions": DocumentedInference(
        summary="Complete a chat",
        text="Every member that is not named here travels to the upstream unchanged. With `stream` the reply is server-sent events.",
        request=ChatRequest,
        reply=ChatReply,
        request_example={"model": "openai/gpt-4o", "messages": _CHAT_TURNS},
        reply_example={
            "id": _ID,
            "object": "chat.completion",
            "created": 1795521600,
            "model": "openai/gpt-4o",
            "provider": "OpenAI",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello!"}, "finish_reason": "stop"}],
            "usage": _USAGE,
        },
    ),
    "completions": DocumentedInference(
        summary="Complete a text",
        text="OpenAI's legacy form.",
        request=CompletionRequest,
        reply=CompletionReply,
        request_example={"model": "openai/gpt-3.5-turbo-instruct", "prompt": "Say hello."},
        reply_example={
            "id": _ID,
            "object": "text_completion",
            "created": 1795521600,
            "model": "openai/gpt-3.5-turbo-instruct",
            "provider": "OpenAI",
            "choices": [{"index": 0, "text": "Hello!", "finish_reason": "stop"}],
            "usage": _USAGE,
        },
    ),
    "embeddings": DocumentedInference(
        summary="Embed texts",
        text="Vectors for texts or tokens.",
        request=EmbeddingRequest,
        reply=EmbeddingReply,
        request_example={"model": "openai/text-embedding-3-small", "input": "Hello."},
        reply_example={
            "object": "list",
            "model": "openai/text-embedding-3-small",
            "data": [{"index": 0, "object": "embedding", "embedding": [0.1, -0.2]}],
            "usage": {"prompt_tokens": 2, "total_tokens": 2, "cost": 0.00000004},
        },
        can_stream=False,
    ),
    "messages": DocumentedInference(
        summary="Create a message",
        text="Anthropic's Messages API: requests, replies, streams and errors are in its form.",
        request=MessagesRequest,
        reply=MessagesReply,
        request_example={"model": "anthropic/claude-sonnet-4-5", "max_tokens": 64, "messages": _CHAT_TURNS},
        reply_example={
            "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-5",
            "content": [{"type": "text", "text": "Hello!"}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 10, "output_tokens": 4},
            "provider": "Anthropic",
        },
    ),
    "messages/count_tokens": DocumentedInference(
        summary="Count a message's tokens",
        text="What the upstream counts, else the gateway's estimate, marked by the header `X-AnyRouter-Estimated: true`; nothing is "
        "generated or charged.",
        request=CountRequest,
        reply=CountReply,
        request_example={"model": "anthropic/claude-sonnet-4-5", "messages": _CHAT_TURNS},
        reply_example={"input_tokens": 10},
        can_stream=False,
    ),
    "responses": DocumentedInference(
        summary="Create a response",
        text="OpenAI's Responses API, without state: `previous_response_id` and `conversation` have nothing to refer to.",
        request=ResponsesRequest,
        reply=ResponsesReply,
        request_example={"model": "openai/gpt-4o", "input": "Say hello."},
        reply_example={
            "id": "resp_68af4030592c81938ec0a5fbab4a3e9f",
            "object": "response",
            "created_at": 1795521600,
            "status": "completed",
            "model": "openai/gpt-4o",
            "provider": "OpenAI",
            "output": [
                {
                    "type": "message",
                    "id": "msg_68af40337e5081938ec0",
                    "status": "completed",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "Hello!", "annotations": []}],
                }
            ],
            "usage": {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12, "cost": 0.0000525, "is_byok": False},
        },
    ),
    "route": DocumentedInference(
        summary="Tell where a request would go",
        text="A dry run of the same body: which upstreams would be tried in which order, which were left out by what, what it may cost, "
        "and whether the key would be refused. Nothing is sent, counted or charged. The body's members tell which API it is for.",
        request=RouteRequest,
        reply=RouteReply,
        request_example={"model": "openai/gpt-4o", "messages": _CHAT_TURNS, "max_tokens": 100, "provider": {"ignore": ["backup"]}},
        reply_example={
            "data": {
                "endpoint": "chat/completions",
                "targets": [
                    {
                        "upstream": "openai",
                        "provider": "OpenAI",
                        "model": "openai/gpt-4o",
                        "upstream_model": "gpt-4o",
                        "priority": 100,
                        "weight": 1,
                        "region": None,
                        "quantization": None,
                        "is_byok": False,
                        "health": "well",
                        "pricing_per_million": {"prompt": 2.5, "completion": 10.0},
                    }
                ],
                "excluded": [{"upstream": "backup", "model": "openai/gpt-4o", "reason": "ignore"}],
                "allowed": True,
                "price": {
                    "currency": "usd",
                    "input_tokens": 11,
                    "max_output_tokens": 100,
                    "min": 0.0000275,
                    "max": 0.0010275,
                    "price_unknown": False,
                },
            }
        },
        can_stream=False,
    ),
    "generateContent": DocumentedInference(
        summary="Generate content",
        text=f"Gemini's API: requests, replies and errors are in its form. {_GEMINI_PATHS}",
        request=GeminiRequest,
        reply=GeminiReply,
        request_example=_GEMINI_REQUEST,
        reply_example=_GEMINI_REPLY,
        can_stream=False,
    ),
    "streamGenerateContent": DocumentedInference(
        summary="Generate content in a stream",
        text=f"Server-sent events with `?alt=sse`; otherwise one JSON array, whose elements come as they are made. {_GEMINI_PATHS}",
        request=GeminiRequest,
        reply=GeminiReply,
        request_example=_GEMINI_REQUEST,
        reply_example=_GEMINI_REPLY,
        is_array=True,
    ),
}
