"""JSON texts of the same value in any spelling: spaced, escaped, with names that repeat."""

import json

from hypothesis import strategies as st


class Nested(list):
    """An object as a list of pairs: names may repeat."""


NAMES = ("model", "stream", "messages", "usage", "a", "b", "", "ключ", "emoji \U0001f511", 'quote"d', "back\\slash", "new\nline", "ü")
strings = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
names = st.sampled_from(NAMES) | strings
scalars = st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats(allow_nan=False, allow_infinity=False) | strings
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.lists(st.tuples(names, inner), max_size=4).map(Nested),
    max_leaves=8,
)
spaces = st.sampled_from(["", "", "", " ", "\n", "\t ", "\r\n  "])


@st.composite
def rendered(draw: st.DrawFn, value: object) -> str:
    """JSON text of a value in any style: spaces, escapes, repeated names."""
    gap = lambda: draw(spaces)  # noqa: E731 -- read like the grammar below
    if isinstance(value, Nested):
        inner = [f"{gap()}{draw(quoted(name))}{gap()}:{gap()}{draw(rendered(child))}{gap()}" for name, child in value]
        return "{" + (",".join(inner) or gap()) + "}"
    if isinstance(value, list):
        return "[" + (",".join(f"{gap()}{draw(rendered(child))}{gap()}" for child in value) or gap()) + "]"
    if isinstance(value, str):
        return draw(quoted(value))
    return json.dumps(value)


@st.composite
def quoted(draw: st.DrawFn, text: str) -> str:
    """A JSON string of the text: plain, all that is not ASCII escaped, or each character escaped."""
    style = draw(st.sampled_from(["plain", "plain", "ascii", "escaped"]))
    if style == "escaped":
        units = text.encode("utf-16-be")
        return '"' + "".join(f"\\u{units[at]:02x}{units[at + 1]:02X}" for at in range(0, len(units), 2)) + '"'
    return json.dumps(text, ensure_ascii=style == "ascii")
