"""Whether bytes are UTF-8, asked of every body: msgspec does not look into the strings that it skips."""

_WINDOW = 2048


def check_utf8(text: bytes) -> None:
    """UnicodeDecodeError when the text is not UTF-8.

    Decoding a long prompt costs as much as scanning its JSON. Most of one is ASCII, which is told eight bytes at a time, so only the
    windows that hold something else are decoded; a character that lies across a border makes both its windows such, which are decoded
    as one.
    """
    if text.isascii():
        return
    size = len(text)
    if size <= 2 * _WINDOW:
        str(text, "utf-8")
        return
    start = -1  # of the windows that are not ASCII
    for at in range(0, size, _WINDOW):
        if text[at : at + _WINDOW].isascii():
            if start >= 0:
                _decode(text, start, at)
                start = -1
        elif start < 0:
            start = at
    if start >= 0:
        _decode(text, start, size)


def _decode(text: bytes, start: int, end: int) -> None:
    try:
        str(memoryview(text)[start:end], "utf-8")
    except UnicodeDecodeError as error:
        raise UnicodeDecodeError("utf-8", b"", start + error.start, start + error.end, error.reason) from None
