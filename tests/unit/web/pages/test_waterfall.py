"""Attempts over time: where each stands, and what the picture says to who does not see it."""

from typing import Any

from anyrouter.core.ledger import HEDGE_LOST, AttemptRecord
from anyrouter.web.pages.waterfall import Bar, draw_waterfall, place_bars
from support.generations import make_entry


def attempt(latency_ms: int, **more: Any) -> AttemptRecord:
    return AttemptRecord(**{"upstream": "a", "provider": "a", "model": "m", "status": 200, "latency_ms": latency_ms, **more})


def place(*attempts: AttemptRecord, **fields: Any) -> list[Bar]:
    return place_bars(make_entry(0, attempts=attempts, **{"latency_ms": 1000, **fields}))


def test_one_attempt_ends_with_the_request_and_has_the_first_token():
    whole, only = place(attempt(990), ttft_ms=300, overhead_us=2000)
    assert (whole.start_ms, whole.end_ms) == (0, 1000)
    assert (only.start_ms, only.end_ms, only.first_ms) == (10, 1000, 300)


def test_attempts_follow_each_other_and_the_last_one_ends_with_the_request():
    _, first, second, last = place(
        attempt(200, error="upstream_error", status=503), attempt(100, error="upstream_timeout", status=0), attempt(500)
    )
    assert [(bar.start_ms, bar.end_ms) for bar in (first, second, last)] == [(0, 200), (200, 300), (500, 1000)]
    assert (first.colour, last.colour) == (3, 2)
    assert first.first_ms is None


def test_one_that_lost_a_race_begins_with_the_one_that_won():
    _, lost, won = place(attempt(700, error=HEDGE_LOST), attempt(1000))
    assert (lost.start_ms, won.start_ms) == (0, 0)


def test_odd_records_stay_within_the_picture():
    for bars in (
        place(attempt(5000), attempt(9000), latency_ms=10, ttft_ms=50, overhead_us=10**9),
        place(attempt(0), latency_ms=0),
        place(attempt(0), attempt(0), latency_ms=0, ttft_ms=0),
    ):
        whole = bars[0].end_ms
        assert all(0 <= bar.start_ms <= bar.end_ms <= whole for bar in bars), bars
        assert "nan" not in draw_waterfall(bars).lower()


def test_the_picture_says_in_words_what_it_shows_and_names_are_text():
    picture = draw_waterfall(place(attempt(100, upstream="<script>", error="upstream_error"), attempt(800)))
    assert "<script>" not in picture
    assert 'aria-label="Time of the attempts. The whole request: 1.00 s. 1. &lt;script&gt;: 100 ms, upstream_error.' in picture
    assert "style=" not in picture
