"""Messages of a request, their warnings, and ids of calls."""

from anyrouter.wire.form.parts import Image, Source, Text, make_call_id
from anyrouter.wire.form.request import Message, first_text, split_leading_system
from anyrouter.wire.form.text import quote
from anyrouter.wire.form.warnings import MAX_PARAM_LENGTH, MAX_WARNINGS, WarningCode, Warnings, warnings_shown

SYSTEM, DEVELOPER, USER = (Message(role, [Text(quote(role))]) for role in ("system", "developer", "user"))


def test_only_what_leads_is_split_off() -> None:
    assert split_leading_system([SYSTEM, DEVELOPER, USER, SYSTEM]) == ([SYSTEM, DEVELOPER], [USER, SYSTEM])
    assert split_leading_system([USER, SYSTEM]) == ([], [USER, SYSTEM])
    assert split_leading_system([SYSTEM]) == ([SYSTEM], [])


def test_one_text_and_no_more_is_told() -> None:
    text = Text(quote("x"))
    assert first_text([text]) == text.text
    assert first_text([text, text]) is None
    assert first_text([Image(Source(url="https://example.com"))]) is None


def test_a_made_id_is_the_same_for_the_same_call_and_another_for_each() -> None:
    generation = '"gen-0123456789ab0123456789abcdef0123"'
    assert make_call_id(generation, 0) == make_call_id(generation.strip('"'), 0)
    assert len({make_call_id(generation, number) for number in range(9)} | {make_call_id("gen-ff", 0)}) == 10


def test_a_warning_is_given_once_and_no_more_than_the_bound() -> None:
    warnings = Warnings()
    warnings.unsupported("top_k")
    warnings.unsupported("top_k", "again")
    assert [warning.param for warning in warnings.found.values()] == ["top_k"]
    for number in range(2 * MAX_WARNINGS):
        warnings.left_out(f"messages[{number}]", "a video")
    assert len(warnings.found) == MAX_WARNINGS


def test_a_warning_does_not_carry_a_name_of_any_length() -> None:
    warnings = Warnings()
    warnings.add(WarningCode.UNKNOWN_PARAMETER, "x" * 10_000, "It was left out.")
    (shown,) = warnings_shown(tuple(warnings.found.values()))
    assert shown == {"code": "unknown_parameter", "param": "x" * MAX_PARAM_LENGTH, "message": "It was left out."}
