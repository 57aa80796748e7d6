"""Which models a request names."""

import json

import pytest

from anyrouter.policy.model_list import MAX_MODELS, list_models
from anyrouter.wire.members import Members


def list_of(models: object) -> tuple[str, ...]:
    return list_models(Members(json.dumps({"model": "a/one", "models": models}).encode()), "a/one")


def test_the_model_comes_first_and_nothing_twice() -> None:
    assert list_of(["b/two", "a/one", "c/three", "b/two"]) == ("a/one", "b/two", "c/three")


def test_without_models_there_is_one() -> None:
    assert list_models(Members(b'{"model":"a/one"}'), "a/one") == ("a/one",)


@pytest.mark.parametrize("models", [None, "b/two", 7, {"b/two": 1}, [], [None, 7, "", "x" * 300, "with\nbreak", ["b/two"]]])
def test_what_is_no_list_of_names_is_ignored(models: object) -> None:
    assert list_of(models) == ("a/one",)


def test_there_is_an_end_to_them() -> None:
    assert list_of([f"m/{number}" for number in range(1000)]) == ("a/one", *(f"m/{number}" for number in range(MAX_MODELS - 1)))
