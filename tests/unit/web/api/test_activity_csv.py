import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrouter.web.api.activity_csv import COLUMNS, render_csv
from anyrouter.web.api.replies import ActivityItem


def make_item(model: str | None = "openai/gpt-4o", usage: float = 0.0) -> ActivityItem:
    return ActivityItem(
        date="2026-11-24",
        hour=None,
        environment=None,
        api_key_id=None,
        model=model,
        model_permaslug=model,
        provider_name="OpenAI",
        endpoint_id="",
        requests=3,
        errors=0,
        prompt_tokens=10,
        completion_tokens=20,
        reasoning_tokens=0,
        cached_tokens=0,
        usage=usage,
        byok_usage_inference=0.0,
        app=None,
        tag=None,
        trace_id=None,
    )


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_columns_are_the_fields_of_the_json_rows() -> None:
    rows = read(render_csv([make_item()]))
    assert tuple(rows[0]) == COLUMNS == ActivityItem.__struct_fields__
    assert (rows[0]["date"], rows[0]["requests"], rows[0]["environment"]) == ("2026-11-24", "3", "")


def test_no_rows_are_a_header_line() -> None:
    assert render_csv([]) == ",".join(COLUMNS) + "\r\n"


@pytest.mark.parametrize(("usage", "written"), [(0.0, "0"), (1e-9, "0.000000001"), (0.1, "0.1"), (1234567.5, "1234567.5")])
def test_amounts_are_plain_decimals(usage: float, written: str) -> None:
    assert read(render_csv([make_item(usage=usage)]))[0]["usage"] == written


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=cmd|'/c calc'!A0", "'=cmd|'/c calc'!A0"),
        ("+1", "'+1"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" =1", "' =1"),
        ("\uff1d1", "'\uff1d1"),
        ("\t1", "'\t1"),
        ("\t=1", "'\t'=1"),
        ("\r=1", "'\r'=1"),
        ("\n=1", "'\n'=1"),
        ("a;=1", "a;'=1"),
        ("a; +1", "a;' +1"),
        ('a;"=1"', 'a;\'"=1"'),
        ("a\t=1", "a\t'=1"),
        ("a\n@b", "a\n'@b"),
        ("a; b=1; c-2", "a; b=1; c-2"),
        ("openai/gpt-4o", "openai/gpt-4o"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:1.0)", "Mozilla/5.0 (X11; Linux x86_64; rv:1.0)"),
    ],
)
def test_no_cell_begins_like_a_formula_wherever_a_spreadsheet_divides_them(text: str, shown: str) -> None:
    assert read(render_csv([make_item(model=text)]))[0]["model"] == shown


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_every_text_comes_back_whole(text: str) -> None:
    cell = read(render_csv([make_item(model=text)]))[0]["model"]
    assert cell.replace("'", "") == text.replace("'", "")
    assert cell[0] not in "=+-@\t\r"


@given(st.text("=+-@;\t\n\r\"', ab", min_size=1, max_size=12))
@pytest.mark.parametrize("divider", [";", "\t"])
def test_no_cell_is_a_formula_for_programs_that_divide_at_something_else(divider: str, text: str) -> None:
    for line in render_csv([make_item(model=text)]).splitlines():
        for cell in line.split(divider):
            assert not cell.strip(' "').startswith(("=", "+", "-", "@")), line
