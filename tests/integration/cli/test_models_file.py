"""The file of models, as the commands see it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
MODELS = """
hidden = ["openai/gpt-4"]
[aliases]
fast = "box/tiny"
[[models]]
id = "box/tiny"
context_length = 4096
[models.price]
input_per_million = "0.5"
output_per_million = "0.25"
[[models]]
id = "nobody/own"
"""
CONFIG = """
[catalogue]
overlay = "models.toml"
[[upstreams]]
id = "box"
provider = "openai-compatible"
base_url = "http://127.0.0.1:1/v1"
"""


@pytest.fixture
def file() -> Path:
    Path("data").mkdir()
    Path("data/anyrouter.toml").write_text(CONFIG, encoding="utf-8")
    path = Path("data/models.toml")
    path.write_text(MODELS, encoding="utf-8")
    return path


def test_models_lists_what_the_file_says(command: Command, file: Path) -> None:
    rows = {row["id"]: row for row in command("models", "--json").json["data"]}
    assert "openai/gpt-4" not in rows
    assert (rows["box/tiny"]["context_length"], rows["box/tiny"]["pricing"]["prompt"]) == (4096, "0.0000005")
    assert rows["box/tiny"]["aliases"] == ["fast"]
    assert {name: row["canonical_slug"] for name, row in rows.items() if name != row["canonical_slug"]} == {"fast": "box/tiny"}
    assert {name for name, row in rows.items() if row["upstreams"]} == {"fast", "box/tiny"}
    assert "fast\t4,096\t0.5\t0.25\tbox" in command("models", "--live").out


@pytest.mark.parametrize("name", ["models", "serve"])
def test_a_mistake_in_the_file_ends_a_command_with_its_exit_code_and_every_mistake(command: Command, file: Path, name: str) -> None:
    file.write_text("[aliases]\nfast = 'openai/gpt4o-mini'\n[[models]]\nid = 'box/x'\nnme = 'x'\n", encoding="utf-8")
    ended = command(name)
    assert ended.code == 4
    assert "the file of models has 2 mistakes" in ended.err
    assert "aliases.fast: means a model that is not known; did you mean openai/gpt-4o-mini?" in ended.err
    assert 'models["box/x"].nme: is not known; did you mean name?' in ended.err


def test_a_missing_file_is_a_mistake(command: Command, file: Path) -> None:
    file.unlink()
    ended = command("serve", "--port", "0")
    assert (ended.code, "cannot be read: No such file or directory" in ended.err) == (4, True)


def test_commands_about_keys_do_not_need_the_file(command: Command, file: Path) -> None:
    file.write_text("not toml", encoding="utf-8")
    assert command("keys", "list").code == 0


def test_doctor_looks_at_the_file(command: Command, file: Path) -> None:
    def findings() -> list[tuple[str, str]]:
        rows = command("doctor", "--offline", "--json").json["data"]
        return [(row["state"], row["text"]) for row in rows if row["check"] == "models file"]

    assert findings() == [
        ("ok", f"{file.absolute()}: 2 models, 0 prices, 1 aliases, 1 hidden"),
        ("warning", "no upstream serves nobody/own"),
    ]
    file.write_text("hiden = []\nhidden = ['zzzz/zzzz']\n", encoding="utf-8")
    assert [(state, text.removeprefix(f"{file.absolute()}: ")) for state, text in findings()] == [
        ("failed", "hiden: is not known; did you mean hidden?"),
        ("failed", "hidden[0]: is not known"),
    ]
    Path("data/anyrouter.toml").unlink()
    assert findings() == []
