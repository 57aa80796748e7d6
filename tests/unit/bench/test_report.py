# ruff: noqa: RUF001 -- the page is typeset: dashes between extremes, multiplication signs
from xml.etree import ElementTree as ET

import pytest
from bench import report, results, targets
from bench.chart import Scale, draw
from bench.results import Document, LoadRun, Memory, RateRun, Spread, StreamRun


def loads(*cpu_us):
    return [LoadRun(cpu_us=used, requests_per_s=1e6 / used, requests=1000, busy=0.99) for used in cpu_us]


def streams(*cpu_us):
    return [StreamRun(cpu_us=used, chunks=20_000, ttfb_p50_ms=0.5, ttfb_p99_ms=2.0) for used in cpu_us]


def document():
    return Document(
        measured_at="2026-11-24T06:00:00+00:00",
        runs=2,
        cpu={
            "0.3 KB": {"nginx": loads(10.0, 20.0), "AnyRouter": loads(30.0, 40.0), "LiteLLM": loads(9000.0, 11_000.0)},
            "27 KB": {"nginx": loads(20.0, 20.0), "AnyRouter": loads(100.0, 100.0), "LiteLLM": loads(40_000.0)},
        },
        latency={
            "direct": [RateRun(p50_ms=0.2, p99_ms=1.0, requests=500)],
            "nginx": [RateRun(p50_ms=0.3, p99_ms=1.1, requests=500)],
            "AnyRouter": [RateRun(p50_ms=0.5, p99_ms=1.5, requests=500)],
        },
        stream={"direct": streams(0.0), "nginx": streams(10.0), "AnyRouter": streams(15.0)},
        memory={
            "AnyRouter": Memory(idle_mb=80.0, loaded_mb=90.0, requests=100_000, later_mb=91.0, later_requests=200_000, long_bodies_mb=99.0),
        },
    )


def test_ratios_are_taken_between_runs_that_stood_side_by_side():
    assert results.ratios([30.0, 40.0, 90.0], [10.0, 20.0, 30.0]) == Spread(median=3.0, low=2.0, high=3.0)


def test_a_document_is_read_back_as_it_was_written(tmp_path):
    results.write(tmp_path / "results" / "latest.json", document())
    assert results.read(tmp_path / "results" / "latest.json") == document()


def test_nginx_and_the_gateway_come_first():
    assert document().programs() == ["nginx", "AnyRouter", "LiteLLM"]


def test_each_target_is_met_missed_or_not_measured():
    verdicts = {verdict.target.label: verdict.is_met for verdict in targets.judge(document())}
    assert verdicts["CPU per request, 0.3 KB body"] is True
    assert verdicts["CPU per request, 27 KB body"] is False
    assert verdicts["CPU per request, 181 KB body"] is None
    assert verdicts["CPU per streamed chunk"] is True
    assert verdicts["Latency added at 500/s, p50"] is True
    assert verdicts["RSS growth over 100,000 more"] is True
    assert verdicts["Installed size"] is None


def test_the_tables_show_median_spread_and_multiple():
    text = report.results(document())
    assert "| CPU per request, 27 KB body | 5.00 × nginx | ≤ 4.5 | ≤ 3 | **missed** |" in text
    assert "35.0 (30.0–40.0); 2.5 (2.0–3.0) ×" in text
    assert "| added by AnyRouter | 0.300 | 0.500 |" in text


def test_only_what_stands_between_the_marks_is_replaced(tmp_path):
    page = tmp_path / "performance.md"
    page.write_text(f"# Performance\n\nbefore\n\n{report.BEGIN}\n\nold\n\n{report.END}\n\nafter\n")
    report.write_docs(document(), page)
    once = page.read_text()
    report.write_docs(document(), page)
    assert page.read_text() == once
    assert once.startswith("# Performance\n\nbefore\n\n")
    assert once.endswith(f"{report.END}\n\nafter\n")
    assert "old" not in once
    assert (tmp_path / "performance.svg").exists()


def test_a_page_without_marks_is_left_alone(tmp_path):
    page = tmp_path / "performance.md"
    page.write_text("# Performance\n")
    with pytest.raises(ValueError, match="lacks the lines"):
        report.write_docs(document(), page)
    assert page.read_text() == "# Performance\n"


def test_the_chart_is_well_formed_and_holds_every_program_inside_its_width():
    drawn = ET.fromstring(draw(document()))  # noqa: S314 -- drawn by ourselves a moment ago
    dots = [float(circle.get("cx")) for circle in drawn.iter("{http://www.w3.org/2000/svg}circle")]
    assert len(dots) == 5
    assert max(dots) < float(drawn.get("width"))


def test_the_scale_is_logarithmic_and_ends_behind_the_highest_value():
    scale = Scale(80)
    assert scale(10) - scale(1) == pytest.approx(scale(100) - scale(10))
    assert scale.end == 100
