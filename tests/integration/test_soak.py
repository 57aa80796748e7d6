"""A small soak; `make soak` is the large one."""

from pathlib import Path

from bench.soak import soak


def test_of_many_requests_with_faults_each_has_its_entry_and_none_is_left(tmp_path: Path) -> None:
    report = soak(2000, 7, tmp_path)
    assert not report.defects, str(report)
    assert sum(report.heard.values()) == 2000
    assert min(report.heard[how] for how in ("answered", "refused", "broken", "left")) > 10
    assert report.attempts > report.rows > 1900
