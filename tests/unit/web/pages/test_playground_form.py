"""The playground's form as a request, as a link, as a program."""

import ast
import json
import shlex

import pytest

from anyrouter.core.errors import ClientError
from anyrouter.web.pages.forms import parse_fields
from anyrouter.web.pages.playground_form import MAX_MESSAGES, PlaygroundForm, read_playground, read_talk, write_talk
from anyrouter.web.pages.request_code import make_body, write_chat, write_embedding

TALK = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
AWKWARD = 'It\'s "quoted" \\n \u2028 \N{SNOWMAN} $HOME `ls` </script>\ttab\nline'


def test_a_message_is_sent_behind_the_systems_text_and_what_was_said_before() -> None:
    form = PlaygroundForm(model="a/b", beside="c/d", system="Be brief.", message=" hi ", talks=(write_talk(TALK), ""))
    assert form.models == ("a/b", "c/d")
    assert form.list_messages(0) == [{"role": "system", "content": "Be brief."}, *TALK, {"role": "user", "content": " hi "}]
    assert form.make_body(1, is_streamed=True)["model"] == "c/d"
    assert form.make_body(1, is_streamed=True)["messages"][-1] == {"role": "user", "content": " hi "}


def test_what_is_left_empty_is_not_sent() -> None:
    assert PlaygroundForm(model="a/b", message="hi").make_body(0, is_streamed=False) == {
        "model": "a/b",
        "messages": [{"role": "user", "content": "hi"}],
    }
    full = PlaygroundForm(model="a/b", message="hi", temperature="0,5", max_tokens="7").make_body(0, is_streamed=True)
    assert (full["temperature"], full["max_tokens"], full["stream"]) == (0.5, 7, True)


@pytest.mark.parametrize("temperature", ["-0.1", "2.01", "warm", "nan", "inf", "1e999"])
def test_a_temperature_is_a_number_from_0_to_2(temperature: str) -> None:
    with pytest.raises(ClientError) as refused:
        PlaygroundForm(model="a/b", message="hi", temperature=temperature).make_body(0, is_streamed=True)
    assert refused.value.denied.param == "temperature"


@pytest.mark.parametrize("max_tokens", ["0", "-1", "1.5", "\u0663", "9" * 10])
def test_a_limit_is_a_whole_number_of_tokens(max_tokens: str) -> None:
    with pytest.raises(ClientError) as refused:
        PlaygroundForm(model="a/b", message="hi", max_tokens=max_tokens).make_body(0, is_streamed=True)
    assert refused.value.denied.param == "max_tokens"


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "1",
        '["a"]',
        '[{"role": "tool", "content": "a"}]',
        '[{"role": "user", "content": 1}]',
        json.dumps([TALK[0]] * (MAX_MESSAGES + 1)),
    ],
)
def test_a_conversation_has_messages_of_people_and_models_only(text: str) -> None:
    with pytest.raises(ClientError):
        read_talk(text)


def test_a_conversation_is_read_as_it_was_written() -> None:
    talk = [{"role": "user", "content": AWKWARD}]
    assert read_talk(write_talk(talk)) == talk
    assert read_talk(write_talk([])) == []


def test_a_link_has_the_settings_and_nothing_that_was_said() -> None:
    form = PlaygroundForm(environment="live", model="a/b", system="x & y", temperature="1", message="secret", talks=(write_talk(TALK), ""))
    again = read_playground(parse_fields(form.link.partition("?")[2]))
    assert again == PlaygroundForm(environment="live", model="a/b", system="x & y", temperature="1")
    assert PlaygroundForm(system="x" * 10_000).link == "/dashboard/playground"


def test_the_code_has_what_is_typed_or_else_what_was_said_last() -> None:
    assert PlaygroundForm(model="a/b", message="hi").make_sample(0)["messages"] == [{"role": "user", "content": "hi"}]
    assert PlaygroundForm(model="a/b", talks=(write_talk(TALK), "")).make_sample(0)["messages"] == TALK[:1]
    assert PlaygroundForm().make_sample(0)["messages"][0]["role"] == "user"


def test_programs_say_just_what_was_typed() -> None:
    body = make_body("a/b", [{"role": "user", "content": AWKWARD}], temperature=0.5, max_tokens=7, is_streamed=True)
    curl, python, typescript = write_chat("http://localhost:8080", body)
    words = shlex.split(curl.text.replace("\\\n", " "))
    assert json.loads(words[words.index("-d") + 1]) == body
    call = next(node for node in ast.walk(ast.parse(python.text)) if isinstance(node, ast.Call) and "create" in ast.unparse(node.func))
    assert {argument.arg: ast.literal_eval(argument.value) for argument in call.keywords} == body
    assert json.loads(typescript.text.partition("create(")[2].partition(");\nfor await")[0]) == body
    for sample in write_embedding("http://localhost:8080", "a/b"):
        assert "ANYROUTER_API_KEY" in sample.text
    ast.parse(write_embedding("http://localhost:8080", "a/b")[1].text)
