import json
import logging
from collections.abc import Iterator
from typing import Literal

import pytest
import structlog

from anyrouter.cli.logs import configure_logging
from anyrouter.core.keys import generate
from anyrouter.settings import LoggingSettings

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root, uvicorn = logging.getLogger(), logging.getLogger("uvicorn.error")
    kept = root.handlers[:], root.level, uvicorn.level
    yield
    root.handlers[:], root.level, uvicorn.level = kept
    structlog.reset_defaults()


def test_json_is_one_object_a_line_with_level_time_and_fields(capsys: Capture) -> None:
    configure_logging(LoggingSettings(format="json"))
    structlog.get_logger("anyrouter.storage").warning("retention_failed", reason="disk full")
    out, err = capsys.readouterr()
    record = json.loads(err)
    assert out == ""
    assert (record["event"], record["level"], record["reason"], record["logger"]) == (
        "retention_failed",
        "warning",
        "disk full",
        "anyrouter.storage",
    )
    assert record["timestamp"].endswith("Z")


def test_records_of_the_standard_library_look_the_same(capsys: Capture) -> None:
    configure_logging(LoggingSettings(format="json"))
    logging.getLogger("uvicorn.error").warning("odd %s", "thing")
    record = json.loads(capsys.readouterr().err)
    assert (record["event"], record["level"], record["logger"]) == ("odd thing", "warning", "uvicorn.error")


def test_what_is_below_the_level_is_not_written(capsys: Capture) -> None:
    configure_logging(LoggingSettings(level="error"))
    structlog.get_logger("x").warning("quiet")
    logging.getLogger("y").warning("quiet")
    assert capsys.readouterr().err == ""


def test_lines_for_people_have_no_escapes_in_a_pipe(capsys: Capture) -> None:
    configure_logging(LoggingSettings(format="console"))
    structlog.get_logger("x").error("it_broke", where="here")
    err = capsys.readouterr().err
    assert "it_broke" in err
    assert "here" in err
    assert "\x1b" not in err


def test_a_keys_text_becomes_its_label_and_a_credential_dots(capsys: Capture) -> None:
    configure_logging(LoggingSettings(format="json"))
    key = generate("test")
    structlog.get_logger("x").error("bad", text=f"got {key} here", header="Authorization: Bearer MARKER-credential")
    logging.getLogger("y").error("presented %s", key)
    err = capsys.readouterr().err
    assert key not in err
    assert "MARKER" not in err
    assert err.count(f"{key[:14]}…") == 2


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_shows_no_values_and_no_keys(capsys: Capture, form: Literal["console", "json"]) -> None:
    configure_logging(LoggingSettings(format=form))
    key = generate("test")

    def fail(text: str) -> None:
        local = f"MARKER-local {text}"
        raise ValueError(f"cannot use {key}{local[:0]}")

    for logger in (structlog.get_logger("x"), logging.getLogger("y")):
        try:
            fail("argument")
        except ValueError:
            logger.exception("it_broke")
    err = capsys.readouterr().err
    assert err.count("ValueError: cannot use ar-test-") == 2
    assert key not in err
    assert "MARKER-local argument" not in err
