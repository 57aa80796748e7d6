"""embedContent and batchEmbedContents. Equal texts get equal vectors, and nothing else means anything."""

from anyrouter.core.usage import estimate_tokens
from anyrouter.sandbox.answer import check_window
from anyrouter.sandbox.fields import Fields
from anyrouter.sandbox.gemini.content import read_turn
from anyrouter.sandbox.gemini.envelope import JSON, headers, place_of, refusal
from anyrouter.sandbox.gemini.members import (
    BATCH_REQUEST,
    CONTENT,
    EMBED_CONFIG,
    EMBED_REQUEST,
    read,
    read_integer,
    read_object,
    read_objects,
)
from anyrouter.sandbox.gemini.request import read_model
from anyrouter.sandbox.reply import Reply, Stamp
from anyrouter.sandbox.scenario import Scenario, scenario_of
from anyrouter.sandbox.vector import MAX_DIMENSIONS, embed, write_numbers

MAX_BATCH = 100
DEFAULT_DIMENSIONS = 3_072


def answer_embedding(fields: Fields, stamp: Stamp, model: str) -> Reply:
    """The reply to :embedContent; FieldFault, ApiError or WindowExceeded when there is none."""
    text, size, dimensions = _read(read(fields, EMBED_REQUEST), "EmbedContentRequest")
    body = b'{\n  "embedding": ' + _write(read_model(model, "embedContent"), text, dimensions, b"  ")
    return _reply(body, size, stamp, model)


def answer_batch(fields: Fields, stamp: Stamp, model: str) -> Reply:
    """The reply to :batchEmbedContents, of which each request must name the model of the path."""
    read_model(model, "batchEmbedContents")
    requests = read_objects(read(fields, BATCH_REQUEST), "requests", EMBED_REQUEST)
    if len(requests) > MAX_BATCH:
        raise refusal(f"* BatchEmbedContentsRequest.requests: at most {MAX_BATCH} requests can be in one batch\n")
    if not requests:
        raise refusal("* BatchEmbedContentsRequest.requests: requests is not specified\n")
    vectors, total = [], 0
    for index, request in enumerate(requests):
        if (request.text("model") or "").removeprefix("models/") != model.removeprefix("models/"):
            raise refusal(f"* BatchEmbedContentsRequest.requests[{index}].model: must be models/{model}\n")
        text, size, dimensions = _read(request, "BatchEmbedContentsRequest")
        vectors.append(b"\n    " + _write(model, text, dimensions, b"    "))
        total += size
    return _reply(b'{\n  "embeddings": [' + b",".join(vectors) + b"\n  ]", total, stamp, model)


def _read(request: Fields, name: str) -> tuple[str, int, int]:
    """The text to embed, its bytes, and how many dimensions are wanted: 3,072 unless said otherwise. `name` is the outer message's."""
    content = read_object(request, "content", CONTENT)
    if content is None:
        raise refusal(f"* {name}.{place_of((*request.path, 'content'))}: content is not specified\n")
    turn = read_turn(content, name)
    request.text("taskType")
    request.text("title")
    dimensions = read_integer(request, "outputDimensionality", 1, MAX_DIMENSIONS)
    config = request.object("embedContentConfig")
    if dimensions is None and config is not None:
        dimensions = read_integer(read(config, EMBED_CONFIG), "outputDimensionality", 1, MAX_DIMENSIONS)
    return "\n".join(turn.texts), turn.size, dimensions or DEFAULT_DIMENSIONS


def _write(model: str, text: str, dimensions: int, indent: bytes) -> bytes:
    numbers = write_numbers(embed(model, text, dimensions), b",\n    " + indent)
    return b'{\n%b  "values": [\n    %b%b\n%b  ]\n%b}' % (indent, indent, numbers, indent, indent)


def _reply(body: bytes, size: int, stamp: Stamp, model: str) -> Reply:
    tokens, scenario = estimate_tokens(size), scenario_of(model)
    check_window(scenario, tokens)
    if scenario is not Scenario.NO_USAGE:
        body += b',\n  "usageMetadata": {\n    "promptTokenCount": %d\n  }' % tokens
    return Reply(headers=(JSON, *headers(stamp)), body=body + b"\n}\n")
