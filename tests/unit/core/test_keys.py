"""The text of a key. Texts that look like other vendors' keys are made here, marked, and belong to nobody."""

import re
import zlib
from collections import Counter

import pytest

from anyrouter.core import keys
from anyrouter.core.keys import Malformed, WellFormed, inspect

HINTED = {
    "sk-ant-MARKER-0123456789": "an Anthropic key",
    "sk-or-v1-MARKER-0123456789": "an OpenRouter key",
    "sk-MARKER-0123456789": "an OpenAI key",
    "sk-proj-MARKER-0123456789": "an OpenAI key",
    "gsk_MARKER0123456789": "a Groq key",
    "ghp_MARKER0123456789": "a GitHub token",
    "github_pat_MARKER0123456789": "a GitHub token",
    "AKIAMARKER0123456789": "an AWS access key id",
    "AIzaMARKER0123456789": "a Google API key",
    "hf_MARKER0123456789": "a Hugging Face token",
    "xai-MARKER0123456789": "an xAI key",
    "key_MARKER0123456789": "the public id of a key",
    "eyJMARKER0123456789.MARKER.MARKER": "a JSON web token",
}
HOSTILE = [
    "' OR 1=1--",
    "%27",
    "{$ne:null}",
    "../../etc/passwd",
    "${jndi:ldap://MARKER}",
    "{{7*7}}",
    "{0.__class__}",
    "\x00",
    "",
    " ",
    "ar-",
    "ar-live-",
    "ar-live-" + "\u0661" * 45,  # digits to str.isdigit, not to the format
    "ar-live-" + "\uff21" * 45,  # full-width letters
    "\udcff" * 53,
    "a" * 100_000,
]


def with_checksum(head: str) -> str:
    return head + keys.checksum(head)


def change_at(text: str, at: int) -> str:
    return text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]


@pytest.mark.parametrize("environment", ["live", "test", "ab", "a1", "a" + "9" * 15])
def test_a_generated_key_is_well_formed_and_names_its_environment(environment: str) -> None:
    key = keys.generate(environment)
    assert inspect(key) == WellFormed(environment=environment, label=f"ar-{environment}-{key.split('-')[2][:6]}")
    assert len(key) == len(environment) + 49
    assert len(key) <= keys.MAX_KEY_LENGTH


@pytest.mark.parametrize("slug", ["", "a", "A1", "1a", "a" * 17, "live\n", "li-ve", "l\u0131ve", "live ", "\uff4cive"])
def test_a_slug_that_is_none_makes_no_key(slug: str) -> None:
    with pytest.raises(ValueError, match="slug"):
        keys.generate(slug)


def test_the_checksum_is_base62_of_crc32_over_everything_before_it() -> None:
    head = "ar-live-" + "Z" * 39
    number = sum(keys.ALPHABET.index(digit) * 62**power for power, digit in enumerate(reversed(keys.checksum(head))))
    assert number == zlib.crc32(head.encode())
    assert len(keys.checksum(head)) == 6


def test_small_checksums_are_padded_to_six_digits() -> None:
    found = next(text for text in (f"ar-live-{number}" for number in range(200_000)) if zlib.crc32(text.encode()) < 62**4)
    assert keys.checksum(found).startswith("00")
    assert len(keys.checksum(found)) == 6


def test_the_documented_example_has_the_form_and_is_named_for_what_it_is() -> None:
    assert re.fullmatch(r"ar-[a-z][a-z0-9]{1,15}-[0-9A-Za-z]{45}", keys.DOCUMENTATION_KEY)
    judged = inspect(keys.DOCUMENTATION_KEY)
    assert isinstance(judged, Malformed)
    assert judged.code == "documentation_key"
    assert "example" in judged.hint


def test_every_change_of_one_character_is_found() -> None:
    key = keys.generate("live")
    for at in range(len(key)):
        assert isinstance(inspect(change_at(key, at)), Malformed), at


def test_every_swap_of_two_neighbours_is_found() -> None:
    key = keys.generate("live")
    for at in range(len(key) - 1):
        swapped = key[:at] + key[at + 1] + key[at] + key[at + 2 :]
        assert swapped == key or isinstance(inspect(swapped), Malformed), at


def test_every_cut_and_every_lengthening_is_found() -> None:
    key = keys.generate("live")
    for length in range(len(key)):
        assert isinstance(inspect(key[:length]), Malformed), length
        assert isinstance(inspect(key[len(key) - length :]), Malformed), length
    assert isinstance(inspect(key + "0"), Malformed)
    assert isinstance(inspect(key + key), Malformed)


def test_the_environment_is_covered_by_the_checksum() -> None:
    key = keys.generate("live")
    judged = inspect(key.replace("ar-live-", "ar-test-"))
    assert isinstance(judged, Malformed)
    assert "checksum" in judged.hint
    assert isinstance(inspect(key.replace("ar-live-", "ar-live2-")), Malformed)


def test_another_case_is_another_text() -> None:
    key = keys.generate("live")
    assert isinstance(inspect(key.upper()), Malformed)
    assert isinstance(inspect(key.lower()), Malformed)
    assert isinstance(inspect(key.swapcase()), Malformed)


@pytest.mark.parametrize("extra", ["\n", "\r\n", "\r", "%0a", "\u00a0", "\u200b", " ", "\t", "\x00", "\ufeff", "\u2028", "=", ","])
def test_nothing_may_stand_before_or_behind_a_key(extra: str) -> None:
    key = keys.generate("live")
    assert isinstance(inspect(key + extra), Malformed)
    assert isinstance(inspect(extra + key), Malformed)
    assert isinstance(inspect(key[:-1] + extra), Malformed)


def test_a_newline_in_the_place_of_the_last_character_does_not_pass_as_its_end() -> None:
    key = keys.generate("live")
    assert isinstance(inspect(key[:-1] + "\n"), Malformed)


@pytest.mark.parametrize(("text", "kind"), HINTED.items())
def test_keys_of_others_are_recognised_and_nothing_of_them_is_repeated(text: str, kind: str) -> None:
    judged = inspect(text)
    assert isinstance(judged, Malformed)
    assert judged.code == "malformed_api_key"
    assert kind in judged.hint
    assert "MARKER" not in judged.hint
    assert "0123456789" not in judged.hint


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_malformed_and_not_repeated(text: str) -> None:
    judged = inspect(text)
    assert isinstance(judged, Malformed)
    assert judged.code == "malformed_api_key"
    assert len(text) < 4 or text not in judged.hint


@pytest.mark.parametrize("length", [37, 52, 54])
def test_a_key_that_was_cut_is_told_how_much_of_it_is_there(length: int) -> None:
    judged = inspect((keys.generate("live") + "0")[:length])
    assert isinstance(judged, Malformed)
    assert f"{length} of 53 characters" in judged.hint


def test_the_expected_length_is_that_of_the_keys_own_environment() -> None:
    judged = inspect(keys.generate("production1")[:-3])
    assert isinstance(judged, Malformed)
    assert "57 of 60 characters" in judged.hint


def test_a_label_or_a_session_like_token_is_not_a_key() -> None:
    key = keys.generate("live")
    assert isinstance(inspect(keys.label_of(key)), Malformed)
    assert isinstance(inspect("s" * 43), Malformed)


def test_a_label_shows_the_head_and_six_characters() -> None:
    key = keys.generate("test")
    assert keys.label_of(key) == key[: len("ar-test-") + 6]
    with pytest.raises(ValueError, match="not a key"):
        keys.label_of(key + "\n")


def test_the_digest_is_hmac_sha256_under_the_pepper() -> None:
    # RFC 4231, test case 2.
    assert keys.digest(b"Jefe", "what do ya want for nothing?").hex() == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


def test_digests_differ_by_every_character_and_by_the_pepper() -> None:
    key = keys.generate("live")
    texts = [key, *(change_at(key, at) for at in range(len(key)))]
    digests = {keys.digest(pepper, text) for text in texts for pepper in (b"MARKER-one", b"MARKER-two")}
    assert len(digests) == 2 * len(texts)
    assert {len(digest) for digest in digests} == {32}


def test_texts_that_no_encoding_knows_have_a_digest_too() -> None:
    assert len(keys.digest(b"MARKER", "\udcff")) == 32


def test_the_last_body_character_makes_another_key_under_a_valid_checksum() -> None:
    key = keys.generate("live")
    other = with_checksum(change_at(key[:-6], len(key) - 7))
    assert isinstance(inspect(other), WellFormed)
    assert keys.digest(b"MARKER", other) != keys.digest(b"MARKER", key)


def test_many_keys_are_all_different_and_each_place_uses_the_whole_alphabet_evenly() -> None:
    count = 30_000
    bodies = {keys.generate("live")[8:47] for _ in range(count)}
    assert len(bodies) == count
    everywhere: Counter[str] = Counter()
    for place, letters in enumerate(zip(*bodies, strict=True)):
        seen = Counter(letters)
        everywhere += seen
        assert distance(seen) < 150, place
    # With as many letters as this `byte % 62` is at about 7700.
    assert distance(everywhere) < 150


def distance(seen: Counter[str]) -> float:
    """Chi-squared from an even draw, 61 degrees of freedom: a fair one is above 150 about once in 10^9."""
    expected = seen.total() / 62
    return sum((seen[letter] - expected) ** 2 / expected for letter in keys.ALPHABET)
