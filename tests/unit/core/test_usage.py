import msgspec
import pytest

from anyrouter.core.usage import NO_USAGE, Usage, UsageSource, estimate_tokens


@pytest.mark.parametrize(("bytes_", "tokens"), [(0, 1), (1, 1), (3, 1), (4, 1), (7, 1), (8, 2), (4000, 1000), (4003, 1000)])
def test_an_estimate_is_a_quarter_of_the_bytes_rounded_down_and_at_least_one(bytes_: int, tokens: int) -> None:
    assert estimate_tokens(bytes_) == tokens


def test_usage_survives_the_journal_and_old_records_without_newer_fields_are_read() -> None:
    usage = Usage(input_tokens=5, output_tokens=6, cache_read_tokens=1, source=UsageSource.ESTIMATED)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(usage), type=Usage) == usage
    assert msgspec.msgpack.decode(msgspec.msgpack.encode({"input_tokens": 5}), type=Usage) == Usage(input_tokens=5)


def test_nothing_used_is_nothing() -> None:
    assert (NO_USAGE.input_tokens, NO_USAGE.output_tokens, NO_USAGE.source) == (0, 0, UsageSource.NONE)
