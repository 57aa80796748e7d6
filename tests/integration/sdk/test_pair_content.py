"""Any client to any provider, through the official SDKs: pictures, and answers that have to have a shape."""

import contextlib
import json
from typing import Any, Literal

import openai
import pytest
from pydantic import BaseModel, Field

from support.clients.talk import PICTURE, PICTURE_URL, Question
from support.pairs import HOW, WHOLE, Pair


class Home(BaseModel):
    street: str
    number: int


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int
    mood: Literal["cheerful", "sad"]
    homes: list[Home]
    home: Home
    is_member: bool
    nickname: str | None = Field(description="How friends call them.")


SMALLEST = {"name": "", "age": 0, "mood": "sad", "homes": [], "home": {"street": "", "number": 0}}


@pytest.mark.parametrize("how", HOW)
def test_a_picture_arrives_as_it_was(live_pair: Pair, how: str) -> None:
    said = live_pair.say(how, "echo", text="What is it?", has_picture=True)
    assert (said.text, said.warnings) == ("What is it?", [])
    sent = json.dumps(live_pair.sent)
    if live_pair.is_passed_through and live_pair.upstream == "gemini":
        sent = sent.translate(str.maketrans("-_", "+/"))  # its SDK writes the other alphabet, and the provider reads both
    assert sent.count(PICTURE) == 1
    assert "png" in sent.replace(PICTURE, "")


def test_the_address_of_a_picture_arrives_or_is_warned_of(live_pair: Pair) -> None:
    said = live_pair.say(WHOLE, "echo", text="What is it?", has_picture_url=True)
    assert said.text == "What is it?"
    is_taken = live_pair.upstream != "bedrock"  # which takes pictures as data only
    assert json.dumps(live_pair.sent).count(PICTURE_URL) == is_taken
    assert [warning["code"] for warning in said.warnings] == ([] if is_taken else ["unsupported_content"])


@pytest.mark.parametrize("how", HOW)
def test_an_answer_is_parsed_into_a_model_by_the_sdk(pair: Pair, how: str) -> None:
    parse = pair.client.parse if how == WHOLE else pair.client.parse_stream
    said = parse(pair.model("chat"), Question(text="Who?"), Person)
    assert isinstance(said.parsed, Person)
    told: dict[str, Any] = said.parsed.model_dump(exclude={"is_member", "nickname"})
    assert told == SMALLEST
    assert said.parsed.nickname in {None, ""}
    assert [warning for warning in said.warnings if warning["code"] != "changed_value"] == []


@pytest.mark.parametrize("how", HOW)
def test_a_refusal_is_not_mistaken_for_an_answer_of_that_shape(pair: Pair, how: str) -> None:
    parse = pair.client.parse if how == WHOLE else pair.client.parse_stream
    said = None
    with contextlib.suppress(ValueError, openai.OpenAIError):  # some SDKs parse whatever was said, some raise for what was filtered
        said = parse(pair.model("refusal"), Question(text="Who?"), Home)
    assert said is None or said.parsed is None
