from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


def test_a_preset_is_made_listed_shown_changed_and_deleted(command: Command) -> None:
    made = command(
        "presets",
        "create",
        "writer",
        "--model",
        "openai/gpt-4o",
        "--set",
        "temperature=0.2",
        "--set",
        "service_tier=flex",
        "--system",
        "Be terse.",
        "--json",
    )
    data = made.json["data"]
    assert data["designated_version"]["config"] == {"model": "openai/gpt-4o", "temperature": 0.2, "service_tier": "flex"}
    assert (data["slug"], data["environment"], data["version"]) == ("writer", "live", 1)
    assert command("presets", "show", "writer", "--json").json == made.json
    assert command("presets", "list").out.splitlines()[1] == "writer\twriter\t1\topenai/gpt-4o\ttemperature, service_tier, system prompt"
    assert [row["slug"] for row in command("presets", "list", "--json").json["data"]] == ["writer"]
    assert command("presets", "list", "--env", "test", "--json").json["data"] == []
    changed = command("presets", "change", "writer", "--model", "a/b", "--model", "c/d", "--json").json["data"]
    assert (changed["version"], changed["designated_version"]["config"]) == (2, {"model": "a/b", "models": ["a/b", "c/d"]})
    assert changed["designated_version"]["system_prompt"] == "Be terse."
    assert "@preset/writer" in command("presets", "show", "writer").out
    assert command("presets", "delete", "writer", "--json").json == {"deleted": True}
    assert "anyrouter presets create" in command("presets", "list").err


def test_members_come_from_a_file_too_and_options_win(command: Command, data_dir: Path) -> None:
    Path("preset.json").write_text('{"model": "a/b", "top_p": 0.5, "system": "From the file."}', encoding="utf-8")
    data = command("presets", "create", "one", "--env", "test", "--from", "preset.json", "--model", "c/d", "--json").json["data"]
    assert data["designated_version"]["config"] == {"model": "c/d", "top_p": 0.5}
    assert (data["designated_version"]["system_prompt"], data["environment"]) == ("From the file.", "test")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("show", "none"), 3, "no such preset"),
        (("delete", "none"), 3, "no such preset"),
        (("change", "none", "--name", "x"), 3, "no such preset"),
        (("change", "taken"), 2, "nothing to change was given"),
        (("create", "taken"), 5, "a preset taken exists in this environment"),
        (("create", "Two words"), 2, "slug: "),
        (("create", "a", "--set", "novalue"), 2, "--set takes NAME=VALUE"),
        (("create", "a", "--set", "api_key=MARKER"), 2, "config.api_key: "),
        (("create", "a", "--from", "broken.json"), 2, "is no JSON object"),
        (("create", "a", "--from", "absent.json"), 1, "absent.json"),
        (("create", "a", "--env", "nowhere"), 2, "environment: there is no such environment"),
    ],
)
def test_what_cannot_be_done_is_told_with_an_exit_code(command: Command, arguments: tuple[str, ...], code: int, said: str) -> None:
    Path("broken.json").write_text("[1]", encoding="utf-8")
    command("presets", "create", "taken")
    ended = command("presets", *arguments)
    assert (ended.code, said in ended.err) == (code, True), ended.err
    assert "MARKER" not in ended.err
