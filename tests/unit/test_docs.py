"""What the program has, its documentation has: a setting, command, error code, endpoint or dependency without a word fails here."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from anyrouter.cli.app import app
from anyrouter.core.errors import CODES
from anyrouter.policy.endpoints import ENDPOINTS
from anyrouter.providers.registry import PROVIDERS
from anyrouter.settings import SettingsError, load_settings
from anyrouter.settings.sections import ARRAYS, SECTIONS, TimeoutSettings
from anyrouter.settings.variables import known_variables
from support.service_account import key_file

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def list_commands(command: Any, path: str = "anyrouter") -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from list_commands(child, f"{path} {name}")


def test_the_reference_is_as_the_code_says() -> None:
    check = subprocess.run(
        [sys.executable, ROOT / "scripts/reference.py", "--check"], capture_output=True, text=True, check=False, timeout=120
    )
    assert (check.returncode, check.stdout) == (0, ""), check.stdout + check.stderr


@pytest.mark.parametrize("name", [*SECTIONS, *ARRAYS])
def test_every_setting_is_documented_and_described(name: str) -> None:
    model = (SECTIONS | ARRAYS)[name]
    for key, field in [*model.model_fields.items(), *TimeoutSettings.model_fields.items()]:
        assert f"| `{key}` |" in read("reference/settings.md")
        assert field.description, f"{name}.{key} has no description"
        assert field.description.endswith("."), f"{name}.{key}: a description is a sentence"


def test_every_variable_is_documented() -> None:
    assert [name for name in known_variables() if f"`{name}`" not in read("reference/settings.md")] == []


def test_every_provider_is_documented() -> None:
    assert [name for name in PROVIDERS if f"| `{name}` |" not in read("reference/settings.md")] == []


def test_every_command_and_option_is_documented_and_has_help() -> None:
    page = read("reference/cli.md")
    for path, command in list_commands(typer.main.get_command(app)):
        assert f"## {path}\n" in page
        assert command.help, path
        for parameter in command.params:
            assert getattr(parameter, "help", None), f"{path} {parameter.name}"


def test_every_command_takes_the_data_directory_and_those_that_print_data_json() -> None:
    silent = {"anyrouter serve", "anyrouter audit export"}  # what the latter prints is a file
    for path, command in list_commands(typer.main.get_command(app)):
        if not hasattr(command, "commands"):
            spelt = {name for parameter in command.params for name in parameter.opts}
            assert "--data-dir" in spelt, path
            assert "--json" in spelt or path in silent, path


def test_every_error_code_is_documented() -> None:
    assert [code for code in CODES if f"| `{code}` |" not in read("reference/errors.md")] == []


def test_every_endpoint_is_documented() -> None:
    page = read("reference/endpoints.md")
    for row in ENDPOINTS.values():
        assert f"`{row.method} {row.root_path or f'/{row.path}'}` |" in page, row.name


def test_every_dependency_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(item for extra in project["optional-dependencies"].values() for item in extra)]
    for page in (ROOT / "requirements").glob("*.in"):
        wanted += [line for line in page.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    cells = {
        name for line in read("dependencies.md").splitlines() if line.startswith("| ") for name in line.split(" | ")[0][2:].split(", ")
    }
    assert {re.split(r"[\s<>=!~\[;]", item)[0] for item in wanted} - cells == set()


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:|#", target):
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_the_configuration_that_the_documentation_shows_can_be_loaded(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```toml\n(.*?)```", read("configuration.md"), re.DOTALL)
    (tmp_path / "anyrouter.toml").write_text(shown, encoding="utf-8")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "openai-backup").write_text("MARKER-credential\n", encoding="utf-8")
    settings = load_settings(data_dir=tmp_path, environ={"OPENAI_API_KEY": "MARKER-credential"})
    served = {upstream.id: [model.public for model in upstream.models] for upstream in settings.upstreams}
    assert served["box"] == ["box/llama-3.1-8b"]
    assert served["gpu"] == ["meta/llama-3.1-8b"]
    assert [upstream.id for upstream in settings.upstreams][:2] == ["openai", "openai-backup"]


CLOUDS = {
    "amazon-bedrock.md": {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "MARKER",
        "AWS_BEARER_TOKEN_BEDROCK": "MARKER",
    },
    "vertex-ai.md": {"VERTEX_KEY": key_file("https://oauth2.googleapis.com/token")},
}


@pytest.mark.parametrize("page", CLOUDS)
def test_the_upstreams_that_the_pages_of_clouds_show_can_be_loaded(tmp_path: Path, page: str) -> None:
    text = read(f"how-to/{page}")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "service-account.json").write_text(key_file("https://oauth2.googleapis.com/token"), encoding="utf-8")
    for shown in re.findall(r"```json\n(.*?)```", text, re.DOTALL):
        (tmp_path / "secrets" / "aws-other.json").write_text(re.sub(r"…|\.\.\.| or leave it out", "x", shown), encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert blocks
    for block in blocks:
        (tmp_path / "anyrouter.toml").write_text(block, encoding="utf-8")
        found = load_settings(data_dir=tmp_path, environ=CLOUDS[page]).upstreams
        assert len([upstream for upstream in found if not upstream.is_implied]) == block.count("[[upstreams]]")
        assert all(upstream.credential is not None for upstream in found)


def test_the_upstreams_variable_that_the_documentation_shows_can_be_loaded(tmp_path: Path) -> None:
    (shown,) = re.findall(r"ANYROUTER_UPSTREAMS='([^']+)'", read("configuration.md"))
    (upstream,) = load_settings(data_dir=tmp_path, environ={"ANYROUTER_UPSTREAMS": shown}).upstreams
    assert upstream.id == "box"


def test_the_mistakes_that_the_documentation_shows_are_told_so(tmp_path: Path) -> None:
    (tmp_path / "anyrouter.toml").write_text("[server]\nprot = 1\n", encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(data_dir=tmp_path, environ={"ANYROUTER_LIMITS__DEFAULT_RPM": "many"})
    for line in str(caught.value).splitlines():
        assert line.replace(str(tmp_path), "/etc") in read("configuration.md")
