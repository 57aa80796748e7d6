"""The rules in contrib/scanners, proven with the programs that they are for where those are packages, else with their expressions."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from anyrouter.core import keys

RULES = Path(__file__).parents[3] / "contrib" / "scanners"
PROGRAMS = Path(sys.executable).parent


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Files with a key, with one of which a letter was changed, and with the documentation's example."""
    text = keys.generate("live")
    letter = "A" if text[12] != "A" else "B"
    for name, content in {"leak": text, "changed": text[:12] + letter + text[13:], "example": keys.DOCUMENTATION_KEY}.items():
        (tmp_path / f"{name}.py").write_text(f'KEY = "{content}"\n')
    return tmp_path


def test_kingfisher_finds_keys_by_their_checksum(place: Path) -> None:
    options = ["--load-builtins", "false", "--no-validate", "--no-update-check", "--format", "json"]
    command = [PROGRAMS / "kingfisher", "scan", place, "--rules-path", RULES / "kingfisher.yml", *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(next(line for line in ended.stdout.splitlines() if line.startswith('{"findings":[')))
    assert [Path(row["finding"]["path"]).name for row in report["findings"]] == ["leak.py"], ended.stderr
    assert report["findings"][0]["rule"]["id"] == "anyrouter.1"


def test_detect_secrets_finds_keys_by_their_checksum(place: Path) -> None:
    plugin = RULES / "anyrouter_detect_secrets.py"
    command = [PROGRAMS / "detect-secrets", "scan", "--all-files", "-p", plugin, "."]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, cwd=place)
    found = {
        name: [row["type"] for row in rows if row["type"] == "AnyRouter API key"]
        for name, rows in json.loads(ended.stdout)["results"].items()
    }
    assert {name for name, rows in found.items() if rows} == {"leak.py"}


def test_the_expression_of_gitleaks_finds_every_key_and_leaves_the_example() -> None:
    rules = tomllib.loads((RULES / "gitleaks.toml").read_text())
    (rule,) = rules["rules"]
    _check(rule["regex"], rule["allowlists"][0]["regexes"][0])


def test_the_expression_of_trufflehog_finds_every_key_and_leaves_the_example() -> None:
    text = (RULES / "trufflehog.yaml").read_text()
    expression, exception = re.search(r"key: '(.+)'", text), re.search(r'- "(\^.+\$)"', text)
    assert expression is not None
    assert exception is not None
    _check(expression[1], exception[1])


def test_githubs_custom_pattern_finds_every_key_and_leaves_the_example() -> None:
    text = (RULES / "github-custom-pattern.md").read_text()
    expression, exception = re.search(r"Secret format \| `(.+?)`", text), re.search(r"Must not match \| `(.+?)`", text)
    assert expression is not None
    assert exception is not None
    _check(expression[1], exception[1])


def _check(expression: str, exception: str) -> None:
    for environment in ("live", "test", "a1", "z" * 16):
        text = keys.generate(environment)
        found = re.search(expression, f'api_key="{text}"')
        assert found is not None
        assert found[0] == text
        assert not re.search(exception, text)
    assert re.search(exception, keys.DOCUMENTATION_KEY)
