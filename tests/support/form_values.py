"""What the property tests of all translations share: golden streams and how they are read, and values that a form is made of."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import strategies as st

from anyrouter.wire.form.events import Event
from anyrouter.wire.form.parts import Source
from anyrouter.wire.form.text import JsonText, quote
from anyrouter.wire.form.tools import Tool
from anyrouter.wire.reply import CostFields, InvalidReply
from anyrouter.wire.translation.codec import StreamDecoder

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
COST = CostFields(cost=b"0")
Texts = st.SearchStrategy[str]
Literals = st.SearchStrategy[JsonText]

names = st.text("abcdefgh_0123", min_size=1, max_size=8)
base64 = st.sampled_from(["AAAA", "aGk=", "/9j/4AAQ"]).map(quote)
numbers = st.floats(-2, 2, allow_nan=False)
schemas = st.just(msgspec.Raw(b'{"type":"object","properties":{"x":{"type":"string"}}}'))
closed_schemas = st.just(
    msgspec.Raw(b'{"type":"object","properties":{"x":{"type":"string"}},"required":["x"],"additionalProperties":false}')
)


def read_golden_streams(dialect: str, ending: str = "sse") -> dict[str, bytes]:
    """The golden streams of a dialect, by name."""
    return {path.stem: path.read_bytes() for path in sorted((GOLDEN / dialect).glob(f"*.{ending}"))}


def decode_stream(decoder: StreamDecoder, pieces: Sequence[bytes]) -> list[Event]:
    """The events of a stream that comes in these pieces; of one that is cut within an event those before it."""
    events = [event for piece in pieces for event in decoder.feed(piece)]
    try:
        return events + decoder.eof()
    except (msgspec.DecodeError, InvalidReply):
        return events


def make_texts(*traps: str) -> Texts:
    """Texts, and some that have a meaning in the format."""
    return st.text(st.characters(exclude_categories=("Cs",)), max_size=20) | st.sampled_from(traps)


def make_arguments(texts: Texts) -> st.SearchStrategy[str]:
    """Arguments of a call, as JSON in JSON's usual spelling."""
    return st.dictionaries(names, st.integers() | texts, max_size=3).map(lambda value: json.dumps(value, ensure_ascii=False))


def make_compact_arguments(texts: Texts) -> st.SearchStrategy[str]:
    """As `make_arguments`, without spaces, as formats write them in which arguments are an object."""
    return st.dictionaries(names, st.integers() | texts, max_size=3).map(lambda value: msgspec.json.encode(value).decode())


def make_json(texts: Texts, *meaning: str) -> st.SearchStrategy[Any]:
    """Any JSON. Its objects have members of these names every now and then, which mean something in the format."""
    member = names | st.sampled_from(meaning)
    return st.recursive(
        st.none() | st.booleans() | st.integers() | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(member, inner, max_size=3),
    )


def make_sources(**of_addresses: str) -> st.SearchStrategy[Source]:
    """Pictures: data, or an address of which this is told, too."""
    addresses = {name: st.just(value) for name, value in of_addresses.items()}
    return st.builds(Source, data=base64, media_type=st.just("image/png")) | st.builds(
        Source, url=st.just("https://example.com/ü.png"), **addresses
    )


def make_functions(literals: Literals) -> st.SearchStrategy[Tool]:
    """Functions that may be called; one that is strict has the schema that strict ones must have."""
    described = st.none() | literals
    plain = st.builds(Tool, names, described, schemas, st.sampled_from([None, False]))
    return plain | st.builds(Tool, names, described, closed_schemas, is_strict=st.just(value=True))


def read_literals(value: Any, read_special: Callable[[Any], Any] | None = None) -> Any:
    """A value of the form with its literals read, so that spellings do not count.

    `read_special` is asked first of each part; what it gives that is not None stands for the part.
    """
    special = None if read_special is None else read_special(value)
    if special is not None:
        return special
    if isinstance(value, msgspec.Raw):
        return msgspec.json.decode(value)
    if isinstance(value, msgspec.Struct):
        return {"": type(value).__name__, **{name: read_literals(getattr(value, name), read_special) for name in value.__struct_fields__}}
    return [read_literals(item, read_special) for item in value] if isinstance(value, list | tuple) else value
