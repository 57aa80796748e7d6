from uuid import RFC_4122

import pytest

from anyrouter.core.ids import new_generation_id, new_id, new_request_id, uuid7

NOW_MS = 1_700_000_000_123


def test_a_uuid_carries_its_time_version_and_variant_and_every_random_bit() -> None:
    zeros, ones = uuid7(NOW_MS, bytes(10)), uuid7(NOW_MS, b"\xff" * 10)
    for value in (zeros, ones):
        assert value.int >> 80 == NOW_MS
        assert value.version == 7
        assert value.variant == RFC_4122
    assert (zeros.int ^ ones.int).bit_count() == 74


def test_the_example_of_the_standard() -> None:
    # RFC 9562, appendix A.6: unix_ts_ms 0x017F22E279B0, rand_a 0xCC3, rand_b 0x18C4DC0C0C07398F.
    tail = (0xCC3 << 68 | 0x18C4DC0C0C07398F & ((1 << 62) - 1)).to_bytes(10)
    assert str(uuid7(0x017F22E279B0, tail)) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


@pytest.mark.parametrize("length", [0, 9, 11])
def test_another_amount_of_randomness_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="ten"):
        uuid7(NOW_MS, bytes(length))


@pytest.mark.parametrize("make", [lambda ms: new_id("key", ms), new_generation_id, new_request_id])
def test_ids_are_ordered_by_time_and_never_repeat(make) -> None:
    ids = [make(NOW_MS + step) for step in range(1000)]
    assert ids == sorted(ids)
    assert len({make(NOW_MS) for _ in range(10_000)}) == 10_000


def test_ids_name_their_kind_and_have_one_length() -> None:
    assert new_id("key", NOW_MS).startswith("key_018bcfe5687b7")
    assert len(new_id("key", 1)) == len("key_") + 32
    assert new_generation_id(NOW_MS).startswith("gen-018bcfe5687b")
    assert new_request_id(NOW_MS).startswith("req-018bcfe5687b")
    assert {len(new_generation_id(ms)) for ms in (0, NOW_MS, (1 << 48) - 1)} == {36}
