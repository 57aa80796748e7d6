from collections.abc import Callable
from pathlib import Path
from typing import Any

Command = Callable[..., Any]
FILE = """
[[upstreams]]
id = "box"
provider = "openai-compatible"
base_url = "http://127.0.0.1:1/v1"
models = ["tiny"]

[[upstreams]]
id = "main"
provider = "openai"
base_url = "http://127.0.0.1:1/v1"
models = ["gpt-4o", "anthropic/*"]
"""


def configure(text: str) -> None:
    Path("data").mkdir()
    Path("data/anyrouter.toml").write_text(text, encoding="utf-8")


def test_without_upstreams_the_catalogue_is_listed_and_that_it_is_simulated(command: Command) -> None:
    listed = command("models", "--json")
    ids = [row["id"] for row in listed.json["data"]]
    assert {"openai/gpt-4o", "sandbox/echo"} <= set(ids)
    assert ids == sorted(ids)
    assert all(row["upstreams"] == [] for row in listed.json["data"])
    assert "simulated" in command("models", "sandbox/").err


def test_a_text_selects_ids_that_contain_it(command: Command) -> None:
    assert {row["id"] for row in command("models", "GPT-4o-MINI", "--json").json["data"]} >= {"openai/gpt-4o-mini"}
    assert all("gpt-4o-mini" in row["id"] for row in command("models", "GPT-4o-MINI", "--json").json["data"])
    nothing = command("models", "no-such-model")
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "No such model.\n")


def test_live_lists_what_the_upstreams_serve_own_models_too(command: Command) -> None:
    configure(FILE)
    served = {row["id"]: row["upstreams"] for row in command("models", "--live", "--json").json["data"]}
    assert served["box/tiny"] == ["box"]
    assert served["openai/gpt-4o"] == ["main"]
    assert {name.partition("/")[0] for name in served} == {"box", "openai", "anthropic"}
    assert [name for name in served if name.startswith("openai/")] == ["openai/gpt-4o"]


def test_live_without_upstreams_says_how_to_get_some(command: Command) -> None:
    assert "docs/configuration.md" in command("models", "--live").err


def test_a_row_for_people_has_prices_per_million_tokens(command: Command) -> None:
    head, *rows = (line.split("\t") for line in command("models", "openai/gpt-4o").out.splitlines())
    row = dict(zip(head, next(row for row in rows if row[0] == "openai/gpt-4o"), strict=True))
    assert row == {"MODEL": "openai/gpt-4o", "CONTEXT": "128,000", "INPUT $/M": "2.5", "OUTPUT $/M": "10", "UPSTREAMS": ""}


def test_rows_have_the_fields_of_the_api(command: Command) -> None:
    row = next(row for row in command("models", "openai/gpt-4o", "--json").json["data"] if row["id"] == "openai/gpt-4o")
    assert row["pricing"]["prompt"] == "0.0000025"
    assert row["context_length"] == 128_000
