import json

import pytest
from bench import installation, wrk
from bench.openloop import percentile
from bench.processes import BenchError, parse_stat
from bench.sse_upstream import CHUNKS, LAST, framed
from bench.streamload import judge


def test_a_program_whose_name_holds_brackets_is_read_right():
    fields = parse_stat("42 (a) b (c) S 7 42 42 0 -1 4194560 100 0 0 0 250 50 3 4 20 0 1 0 9999 0 0")
    assert fields[:2] == ["S", "7"]
    assert fields[11:15] == ["250", "50", "3", "4"]
    assert fields[19] == "9999"


def test_the_report_is_found_in_what_wrk_prints():
    numbers = {"requests": 20, "duration_us": 2_000_000, "failed": 1, "p50_us": 5, "p99_us": 9}
    report = wrk.parse(f"Running 2s test\n  20 requests in 2.00s\nBENCH {json.dumps(numbers)}\n")
    assert report.requests_per_s == 10
    assert report.failed == 1


def test_output_without_a_report_is_an_error():
    with pytest.raises(BenchError, match="unable to connect"):
        wrk.parse("unable to connect to 127.0.0.1:1 Connection refused\n")


def test_lua_literals_hold_quotes_and_backslashes():
    assert wrk.quote('a"b\\c\nd') == '"a\\034b\\092c\\010d"'


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_percentiles_are_values_that_were_seen(share, expected):
    assert percentile([float(number) for number in range(1, 101)], share) == expected


def test_a_percentile_of_one_value_is_that_value():
    assert percentile([7.0], 0.99) == 7.0


def body_of(writes):
    """The decoded body of a stream's writes."""
    raw, body = b"".join(writes).partition(b"\r\n\r\n")[2], b""
    while raw:
        size, _, rest = raw.partition(b"\r\n")
        body += rest[: int(size, 16)]
        raw = rest[int(size, 16) + 2 :]
    return body


def test_the_streaming_upstream_sends_what_the_client_takes_for_a_whole_stream():
    writes = framed()
    assert len(writes) == CHUNKS + 1
    assert writes[-1].endswith(LAST)
    assert 230 < len(writes[50]) < 280
    assert judge(200, body_of(writes)) is None


def test_a_stream_without_one_of_its_chunks_or_its_end_is_noticed():
    body = body_of(framed())
    events = body.split(b"\n\n")
    assert judge(200, b"\n\n".join(events[:50] + events[51:])) == "199 chunks of 200"
    assert "no [DONE]" in judge(200, body.replace(b"data: [DONE]\n\n", b""))
    assert "429" in judge(429, body)


def test_pip_and_setuptools_do_not_count_as_installed(tmp_path):
    packages = tmp_path / "lib" / "site-packages"
    for name in ("pip", "setuptools", "pip-26.0.dist-info", "kept"):
        (packages / name).mkdir(parents=True)
        (packages / name / "file").write_bytes(b"x" * 10_000)
    (tmp_path / "lib" / "pip").mkdir()
    (tmp_path / "lib" / "pip" / "file").write_bytes(b"x")
    (tmp_path / "lib64").symlink_to(tmp_path / "lib")
    assert {str(path.relative_to(tmp_path)) for path in installation.counted(tmp_path)} == {
        "lib/site-packages/kept/file",
        "lib/pip/file",
        "lib64",
    }
