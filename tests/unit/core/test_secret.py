import copy
import json
import logging
import pickle
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from anyrouter.core.secret import Secret

TEXT = "MARKER-secret-text"


@dataclass(frozen=True, kw_only=True)
class Holder:
    credential: Secret


def test_only_reveal_gives_the_text() -> None:
    assert Secret(TEXT).reveal() == TEXT


@pytest.mark.parametrize("show", [repr, str, lambda secret: f"{secret}", lambda secret: f"{secret:>40}", lambda secret: f"{secret!r:s}"])
def test_no_way_of_making_text_of_it_shows_it(show: Callable[[Secret], str]) -> None:
    assert "MARKER" not in show(Secret(TEXT))


def test_percent_formatting_and_logging_do_not_show_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("holding %s and %r", Secret(TEXT), Holder(credential=Secret(TEXT)))
    assert "MARKER" not in caplog.text
    assert "hidden" in caplog.text


def test_it_is_neither_pickled_nor_made_json_of() -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Holder(credential=Secret(TEXT)))
    with pytest.raises(TypeError) as caught:
        json.dumps({"credential": Secret(TEXT)})
    assert "MARKER" not in str(caught.value)


def test_copies_are_the_same_object() -> None:
    secret = Secret(TEXT)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


def test_equality_is_that_of_the_texts() -> None:
    assert Secret(TEXT) == Secret(TEXT)
    assert hash(Secret(TEXT)) == hash(Secret(TEXT))
    assert Secret(TEXT) != Secret(TEXT + "x")
    assert Secret(TEXT) != TEXT
    assert Secret("ключ") == Secret("ключ")


def test_an_empty_secret_does_not_exist() -> None:
    with pytest.raises(ValueError, match="not empty"):
        Secret("")
