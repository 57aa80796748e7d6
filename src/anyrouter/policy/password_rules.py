"""Which passwords are taken (NIST SP 800-63B-4, 3.1.1): long ones that nobody guesses first. No rule on what they are made of. Pure."""

import unicodedata
from collections.abc import Iterable

from anyrouter.core.errors import Denied

MIN_LENGTH = 12
MAX_LENGTH = 1024
_PRODUCT = "anyrouter"
# Of lists of leaked passwords: those of twelve characters and more that stand first, in lower case.
_COMMON = frozenset(
    """
    123456789012 1234567890123 12345678901234 123456789012345 1234567890123456 1234567891011 123456789101112 12345678910111213
    111111111111 000000000000 222222222222 888888888888 999999999999 121212121212 123123123123 123321123321 112233445566
    987654321012 098765432109 0987654321098 qwertyuiop12 qwertyuiop123 qwertyuiop[] qwertyuiopas qwertyuiopasdf qwertyuiopasdfgh
    qwertyuiopasdfghjkl qwertyuiopasdfghjklzxcvbnm qwerty123456 qwerty1234567 qwerty12345678 qwerty123456789 qwertyqwerty
    1q2w3e4r5t6y 1q2w3e4r5t6y7u 1q2w3e4r5t6y7u8i 1qaz2wsx3edc 1qaz2wsx3edc4rfv qazwsxedcrfv qazwsxedcrfvtgb zaq12wsxcde3
    asdfghjkl123 asdfghjkl1234 asdfghjklzxc zxcvbnm12345 zxcvbnm123456 zxcvbnm123456789 abcdefghijkl abcdefghijklm
    abcdefghijklmnopqrstuvwxyz abcd12345678 abc123456789 abc1234567890 abcd1234abcd abcabcabcabc a1b2c3d4e5f6 a123456789012
    aaaaaaaaaaaa passwordpassword password1234 password12345 password123456 password1234567 password12345678 password123456789
    password123! password1234! password2023 password2024 password2025 password2026 passw0rd1234 p@ssw0rd1234 p@ssword1234
    mypassword12 mypassword123 mypassword1234 changemeplease changeme1234 changeme12345 letmein12345 letmein123456 iloveyou1234
    iloveyou12345 iloveyou123456 iloveyouforever iloveyousomuch iloveyoubaby welcome12345 welcome123456 welcome2024! welcome2025!
    welcome2026! sunshine1234 princess1234 football1234 baseball1234 superman1234 michael12345 charlie12345 monkey123456
    dragon123456 admin1234567 admin12345678 admin123456789 administrator administrator1 administrator123 adminadminadmin
    adminpassword rootpassword defaultpassword secretpassword testpassword testtesttest test12345678 test1234test trustno1trustno1
    correcthorsebatterystaple correct-horse-battery-staple correct horse battery staple thisismypassword thisisapassword
    supersecretpassword neverforget123 whateverwhatever unknown12345 computer1234 internet1234 liverpool123 chelsea12345
    arsenal12345 manchesterunited jesuschrist1 godisgood123 starwars1234 pokemon12345 minecraft123 fuckyou12345 motherfucker
    """.split()  # noqa: SIM905 -- a list of this length is read best as a text
) | {"correct horse battery staple", "let me in please"}


def normalise(password: str) -> str:
    """The password as it is hashed: the same from every keyboard (NFKC)."""
    return unicodedata.normalize("NFKC", password[: MAX_LENGTH + 1])


def judge_password(password: str, *, known: Iterable[str] = ()) -> Denied | None:
    """None when a new password is taken. `known` are what is known of the person, such as the e-mail address: none of them is."""
    text = normalise(password)
    if len(text) < MIN_LENGTH:
        return _refusal(f"at least {MIN_LENGTH} characters are needed; a few words in a row are easy to remember")
    if len(text) > MAX_LENGTH or len(password) > MAX_LENGTH:
        return _refusal(f"at most {MAX_LENGTH} characters are taken")
    plain = text.strip().lower()
    if any(character in "\x00\r\n" or unicodedata.category(character) == "Cs" for character in text):
        return _refusal("a character in it cannot be typed in again")
    if plain in _COMMON or len(set(plain)) <= 2 or _is_repeated(plain):  # noqa: PLR2004 -- ababab is no better than aaaaaa
        return _refusal("this one is among the first that anybody tries; choose another")
    for word in (*known, _PRODUCT):
        if _is_made_of(plain, word.strip().lower()):
            return _refusal("your address, your name and the product's name are what is tried first; choose another")
    return None


def _is_repeated(text: str) -> bool:
    """Whether it is one short text again and again."""
    return any(text == (text[:size] * len(text))[: len(text)] for size in range(1, 5))


def _is_made_of(text: str, word: str) -> bool:
    """Whether nothing is left of it without the word but some digits and signs."""
    rest = text
    for part in (word, word.partition("@")[0]):
        if len(part) >= 4:  # noqa: PLR2004 -- shorter ones are in every other text
            rest = rest.replace(part, "")
    return rest != text and sum(character.isalpha() for character in rest) < 4  # noqa: PLR2004 -- as above


def _refusal(reason: str) -> Denied:
    return Denied(code="invalid_parameter", param="password", message=f"password: {reason}.")
