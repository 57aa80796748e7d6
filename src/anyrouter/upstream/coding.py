"""Content codings of replies, undone in bounded steps: a small coded body may stand for gigabytes. Knows no socket and no loop."""

import zlib

PIECE_BYTES = 64 * 1024  # the most that one `pull` gives
_GZIP, _ZLIB, _RAW = zlib.MAX_WBITS | 16, zlib.MAX_WBITS, -zlib.MAX_WBITS


class CodingError(Exception):
    """The coded bytes are malformed. The text has no bytes of the body in it."""


class Inflater:
    """Undoes `gzip` or `deflate`: `push` what arrives, `pull` pieces of at most PIECE_BYTES until it gives none.

    Of gzip any number of members is taken (RFC 1952). `deflate` is the zlib format (RFC 9110, section 8.4.1.2); the bare format
    that some servers send instead is told apart by its first two bytes. `is_untouched` says that nothing was pushed.
    """

    __slots__ = ("_arrived", "_engine", "_held", "_is_gzip", "is_untouched")

    def __init__(self, coding: bytes) -> None:
        self._is_gzip = coding == b"gzip"
        self._engine = zlib.decompressobj(_GZIP) if self._is_gzip else None
        self._arrived: list[bytes] = []
        self._held = b""
        self.is_untouched = True

    def push(self, data: bytes) -> None:
        """Take coded bytes."""
        self._arrived.append(data)
        self.is_untouched = False

    def pull(self) -> bytes:
        """The next piece of the decoded body; empty when more coded bytes are needed. CodingError."""
        if self._arrived:
            self._held = b"".join((self._held, *self._arrived))
            self._arrived.clear()
        if self._engine is None and not self._find_format():
            return b""
        try:
            while True:
                assert self._engine is not None  # noqa: S101 -- for mypy: the line above made it
                piece = self._engine.decompress(self._held, PIECE_BYTES)
                self._held = self._engine.unconsumed_tail
                if self._engine.eof:
                    self._held = self._engine.unused_data
                    if self._held:
                        self._begin_member()
                        if not piece:
                            continue
                return piece
        except zlib.error as error:
            raise CodingError("the compressed body is malformed") from error

    @property
    def is_whole(self) -> bool:
        """Whether the coded bytes so far are a complete body, its checksum verified. No bytes at all are not."""
        return self._engine is not None and self._engine.eof and not self._held and not self._arrived

    def _find_format(self) -> bool:
        if len(self._held) < 2:  # noqa: PLR2004 -- the zlib header is two bytes
            return False
        first, second = self._held[0], self._held[1]
        is_zlib = first & 0x0F == zlib.DEFLATED and (first << 8 | second) % 31 == 0
        self._engine = zlib.decompressobj(_ZLIB if is_zlib else _RAW)
        return True

    def _begin_member(self) -> None:
        if not self._is_gzip:
            raise CodingError("bytes follow the end of the compressed body")
        self._engine = zlib.decompressobj(_GZIP)
