import gzip
import itertools
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrouter.upstream.coding import PIECE_BYTES, CodingError, Inflater


def encode(coding: bytes, body: bytes) -> bytes:
    if coding == b"gzip":
        return gzip.compress(body, mtime=0)
    if coding == b"deflate":
        return zlib.compress(body)
    bare = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return bare.compress(body) + bare.flush()


def split_at(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges) if start < end]


def drain(inflater: Inflater) -> bytes:
    pieces = []
    while piece := inflater.pull():
        assert len(piece) <= PIECE_BYTES
        pieces.append(piece)
    return b"".join(pieces)


@given(
    coding=st.sampled_from([b"gzip", b"deflate", b"bare"]), body=st.binary(max_size=2000), cuts=st.lists(st.integers(0, 4000), max_size=20)
)
def test_every_split_of_the_coded_bytes_gives_the_body(coding: bytes, body: bytes, cuts: list[int]) -> None:
    inflater = Inflater(b"deflate" if coding == b"bare" else coding)
    decoded = b""
    for part in split_at(encode(coding, body), cuts):
        inflater.push(part)
        decoded += drain(inflater)
    assert decoded == body
    assert inflater.is_whole


@given(coding=st.sampled_from([b"gzip", b"deflate"]), body=st.binary(max_size=500), data=st.data())
def test_no_shorter_part_counts_as_whole(coding: bytes, body: bytes, data: st.DataObject) -> None:
    coded = encode(coding, body)
    inflater = Inflater(coding)
    inflater.push(coded[: data.draw(st.integers(1, len(coded) - 1))])
    assert body.startswith(drain(inflater))
    assert not inflater.is_whole


@given(bodies=st.lists(st.binary(max_size=300), min_size=1, max_size=4), cuts=st.lists(st.integers(0, 2000), max_size=10))
def test_gzip_members_follow_each_other(bodies: list[bytes], cuts: list[int]) -> None:
    inflater = Inflater(b"gzip")
    decoded = b""
    for part in split_at(b"".join(gzip.compress(body, mtime=0) for body in bodies), cuts):
        inflater.push(part)
        decoded += drain(inflater)
    assert decoded == b"".join(bodies)
    assert inflater.is_whole


def test_a_bomb_comes_out_in_small_pieces() -> None:
    coded = gzip.compress(bytes(64 << 20))
    assert len(coded) < 100_000
    inflater = Inflater(b"gzip")
    inflater.push(coded)
    first = inflater.pull()
    assert len(first) == PIECE_BYTES
    assert not inflater.is_whole


@pytest.mark.parametrize(
    ("coding", "coded"),
    [
        (b"gzip", b"not gzip at all"),
        (b"gzip", gzip.compress(b"body", mtime=0) + b"rubbish"),
        (b"deflate", zlib.compress(b"body") + b"rubbish"),
        (b"deflate", b"\xff\xff\xff\xff"),
    ],
)
def test_rubbish_is_an_error(coding: bytes, coded: bytes) -> None:
    inflater = Inflater(coding)
    inflater.push(coded)
    with pytest.raises(CodingError):
        drain(inflater)


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
def test_a_flipped_bit_never_passes_for_whole(coding: bytes) -> None:
    coded = encode(coding, b"the body of a reply " * 20)
    body_start, header = (10, {4, 5, 6, 7, 8, 9}) if coding == b"gzip" else (2, set())
    for position in range(body_start if coding == b"deflate" else 0, len(coded)):
        if position in header:
            continue  # time, flags and system: not part of the body
        for bit in range(8):
            flipped = bytearray(coded)
            flipped[position] ^= 1 << bit
            inflater = Inflater(coding)
            inflater.push(bytes(flipped))
            try:
                decoded = drain(inflater)
            except CodingError:
                continue
            assert not inflater.is_whole or decoded == b"the body of a reply " * 20


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
def test_no_bytes_are_not_whole(coding: bytes) -> None:
    inflater = Inflater(coding)
    assert inflater.pull() == b""
    assert inflater.is_untouched
    assert not inflater.is_whole


def test_one_byte_of_deflate_is_not_whole() -> None:
    inflater = Inflater(b"deflate")
    inflater.push(b"\x78")
    assert inflater.pull() == b""
    assert not inflater.is_whole
