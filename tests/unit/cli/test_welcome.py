import json
import shlex
from pathlib import Path

import pytest

from anyrouter.cli.welcome import curl_line, find_program, list_live_variables, print_welcome, welcome
from anyrouter.settings import load_settings

KEY = "ar-test-MARKER"
BASE = "http://127.0.0.1:8080"


def say(**changes: object) -> str:
    facts = {"base_url": BASE, "data_dir": Path("/srv/data"), "first_key": None, "live_upstreams": ()} | changes
    return welcome(**facts).plain  # type: ignore[arg-type]


def test_the_first_start_shows_the_key_and_a_curl_line_with_it() -> None:
    text = say(first_key=KEY)
    assert text.count(KEY) == 2
    assert curl_line(BASE, KEY, "sandbox/echo") in text.splitlines()


def test_a_later_start_shows_no_key_and_how_to_make_one() -> None:
    text = say()
    assert "keys create" in text
    assert "curl" not in text


def test_the_commands_to_copy_find_the_program_and_the_data() -> None:
    text = say(program=".venv/bin/anyrouter", options=" --data-dir elsewhere")
    assert "  .venv/bin/anyrouter keys create --name my-app --data-dir elsewhere --env test " in text


def test_the_program_is_named_as_the_shell_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin dir" / "anyrouter"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.setattr("sys.argv", [str(program), "serve"])
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_program() == shlex.quote(str(program))
    monkeypatch.setenv("PATH", str(program.parent))
    assert find_program() == "anyrouter"
    monkeypatch.setattr("sys.argv", ["/somewhere/anyrouter/__main__.py"])
    assert find_program().endswith(" -m anyrouter")


def test_both_kinds_of_clients_get_their_base_url() -> None:
    lines = say().splitlines()
    assert any("OpenAI" in line and line.endswith(f"{BASE}/api/v1") for line in lines)
    assert any("Anthropic" in line and line.endswith(f"{BASE}/api") for line in lines)
    assert any("Gemini" in line and line.endswith(BASE) for line in lines)


def test_live_upstreams_are_named_or_how_to_get_some() -> None:
    assert "openai, box" in say(live_upstreams=("openai", "box"))
    assert "(set A_KEY and" in say(live_variables=("A_KEY",))
    assert "(set A_KEY or B_KEY and" in say(live_variables=("A_KEY", "B_KEY"))
    assert "(set A_KEY, B_KEY or C_KEY and start again; docs/providers" in say(live_variables=("A_KEY", "B_KEY", "C_KEY"))


def test_a_few_variables_are_named_and_each_is_enough_by_itself() -> None:
    variables = list_live_variables()
    assert variables == ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"]
    for variable in variables:
        settings = load_settings(data_dir=Path("/nowhere"), environ={variable: "sk-MARKER-0123456789"})
        assert len(settings.upstreams) == 1


def test_warnings_and_places_are_told() -> None:
    text = say(config_path=Path("/etc/anyrouter.toml"), warnings=("reachable from other machines without TLS",))
    assert "/etc/anyrouter.toml" in text
    assert "/srv/data" in text
    assert "without TLS" in text


@pytest.mark.parametrize(
    ("model", "path"),
    [("sandbox/echo", "chat/completions"), ("openai/gpt-4o", "chat/completions"), ("anthropic/claude-sonnet-4-5", "messages")],
)
def test_a_curl_line_speaks_the_models_dialect(model: str, path: str) -> None:
    words = shlex.split(curl_line(BASE, KEY, model))
    assert words[:2] == ["curl", f"{BASE}/api/v1/{path}"]
    assert f"Authorization: Bearer {KEY}" in words
    assert json.loads(words[words.index("-d") + 1])["model"] == model


def test_without_a_model_the_curl_line_lists_the_models() -> None:
    assert shlex.split(curl_line(BASE, KEY, None))[1] == f"{BASE}/api/v1/models"


def test_a_quote_in_a_model_stays_within_its_word() -> None:
    words = shlex.split(curl_line(BASE, KEY, "own/it's; rm -rf /"))
    assert json.loads(words[-1])["model"] == "own/it's; rm -rf /"


def test_what_is_printed_to_a_pipe_has_no_escapes_and_no_broken_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_welcome(welcome(base_url=BASE, data_dir=Path("/srv"), first_key=KEY, live_upstreams=()))
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert curl_line(BASE, KEY, "sandbox/echo") in out.splitlines()
