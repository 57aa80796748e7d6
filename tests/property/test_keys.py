"""The key check against an independent reading of the format, over texts of every kind."""

import re
import string
import zlib

from hypothesis import given, settings
from hypothesis import strategies as st

from anyrouter.core import keys
from anyrouter.core.keys import Malformed, WellFormed, inspect

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
HINTS = re.compile(
    r"this looks like (an?|the) [A-Za-z ,]+; AnyRouter keys start with ar-|AnyRouter keys start with ar-"
    r"|it has \d+ of \d+ characters; keys get cut or padded when they are copied without the copy button|it has characters that no key has"
    r"|the checksum does not match: a character was changed, lost or swapped"
    r"|this is the example key of the documentation; use a key of your own"
)
slugs = st.from_regex(r"[a-z][a-z0-9]{1,15}", fullmatch=True)
bodies = st.text(BASE62, min_size=39, max_size=39)
hostile = st.text() | st.binary().map(lambda value: value.decode("latin-1")) | st.text(st.characters(categories=("Cs", "Cc", "Nd", "Zs")))


def by_definition(text: str) -> bool:
    """The format as it is documented, without a regular expression."""
    parts = text.split("-")
    if len(parts) != 3 or parts[0] != "ar" or not 2 <= len(parts[1]) <= 16 or len(parts[2]) != 45:
        return False
    slug, secret = parts[1:]
    if slug[0] not in string.ascii_lowercase or set(slug) - set(string.ascii_lowercase + string.digits) or set(secret) - set(BASE62):
        return False
    number = zlib.crc32(text[:-6].encode())
    return secret[-6:] == "".join(BASE62[number // 62**power % 62] for power in range(5, -1, -1))


@st.composite
def near_keys(draw: st.DrawFn) -> str:
    """A key, or one after a few edits."""
    head = f"ar-{draw(slugs)}-{draw(bodies)}"
    text = head + keys.checksum(head)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        letter = draw(st.sampled_from(BASE62 + "-_ \n\u00a0\u0661\uff21") | st.just(""))
        text = text[:at] + letter + text[at + draw(st.integers(0, 2)) :]
    return text


@settings(deadline=None, max_examples=500)
@given(near_keys() | hostile | st.builds("ar-live-{}".format, hostile))
def test_a_text_is_a_key_exactly_by_its_definition(text: str) -> None:
    judged = inspect(text)
    assert isinstance(judged, WellFormed) == by_definition(text)
    if isinstance(judged, WellFormed):
        assert judged.environment == text.split("-")[1]
        assert judged.label == keys.label_of(text) == text[: len("ar--") + len(judged.environment) + 6]


@settings(deadline=None, max_examples=500)
@given(near_keys() | hostile | st.builds("{}{}".format, st.sampled_from([prefix for prefix, _ in keys._FOREIGN]), hostile))
def test_a_hint_is_one_of_few_sentences_so_nothing_of_the_text_is_in_it(text: str) -> None:
    judged = inspect(text)
    if isinstance(judged, Malformed):
        assert HINTS.fullmatch(judged.hint), judged.hint
        assert judged.code in ("malformed_api_key", "documentation_key")


@settings(deadline=None)
@given(slugs, bodies, slugs)
def test_a_key_moved_to_another_environment_is_dead(slug: str, body: str, other: str) -> None:
    head = f"ar-{slug}-{body}"
    key = head + keys.checksum(head)
    moved = f"ar-{other}-{key.split('-')[2]}"
    assert isinstance(inspect(moved), WellFormed) == (other == slug)


@settings(deadline=None)
@given(slugs, bodies, st.integers(0, 61), st.data())
def test_changes_close_together_never_pass(slug: str, body: str, letter: int, data: st.DataObject) -> None:
    head = f"ar-{slug}-{body}"
    key = head + keys.checksum(head)
    at = data.draw(st.integers(len(head) - 39, len(head) - 4))
    burst = BASE62[letter] + data.draw(st.text(BASE62, min_size=3, max_size=3))
    # CRC32 finds every change within 32 bits.
    changed = key[:at] + burst + key[at + 4 :]
    assert isinstance(inspect(changed), WellFormed) == (changed == key)


@settings(deadline=None)
@given(st.text(), st.text(), st.binary(min_size=1))
def test_digests_are_equal_exactly_when_the_texts_are(one: str, other: str, pepper: bytes) -> None:
    assert (keys.digest(pepper, one) == keys.digest(pepper, other)) == (one == other)
