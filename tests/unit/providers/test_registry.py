"""The table of providers."""

import ast
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import anyrouter
from anyrouter.core.provider import Provider
from anyrouter.providers.anthropic import ANTHROPIC
from anyrouter.providers.openai import OPENAI, OPENAI_COMPATIBLE
from anyrouter.providers.registry import PROVIDERS, find_provider, select_rows
from anyrouter.providers.sandbox import SANDBOX, SANDBOX_ANTHROPIC, SANDBOX_MAKERS

SOURCE = Path(anyrouter.__file__).parent
OWN_WORDS = {"openai", "anthropic", "openai-compatible", SANDBOX.id, *(row.id for row in SANDBOX_MAKERS)}  # dialects, and our own server
HINTS = Path("core", "keys.py")  # says whose key a foreign one looks like
REGISTRY = Path("providers", "registry.py")
SIMULATED = Path("providers/sandbox.py")  # rows of the makers whose formats are simulated
WIRE_WORDS = {"google"}  # a member's name, and the host of files' addresses, in wire formats too
NAMED = [row for row in PROVIDERS.values() if row.id not in OWN_WORDS]
ADDRESSED = [row for row in PROVIDERS.values() if (row.base_url or row.base_url_template.partition("}")[2]) and not row.is_local]


def test_the_clients_own_credentials_and_cookies_are_passed_to_nobody() -> None:
    secret = {"authorization", "x-api-key", "cookie", "proxy-authorization", "x-goog-api-key"}
    assert not [row.id for row in PROVIDERS.values() if row.passed_headers & secret]


def test_openai_is_asked_where_its_own_client_asks() -> None:
    assert OPENAI.base_url + OPENAI.paths["chat/completions"] == "https://api.openai.com/v1/chat/completions"
    assert (OPENAI.credential_header, OPENAI.credential_prefix) == ("authorization", "Bearer ")


def test_anthropic_is_asked_where_its_own_client_asks() -> None:
    assert ANTHROPIC.base_url + ANTHROPIC.paths["messages"] == "https://api.anthropic.com/v1/messages"
    assert (ANTHROPIC.credential_header, ANTHROPIC.credential_prefix) == ("x-api-key", "")
    assert ANTHROPIC.headers == {"anthropic-version": "2023-06-01"}
    assert ANTHROPIC.passed_headers == {"anthropic-version", "anthropic-beta"}


def test_no_two_rows_read_the_same_variable() -> None:
    variables = [name for row in PROVIDERS.values() for name in (row.credential_variable, row.base_url_variable) if name]
    assert len(variables) == len(set(variables))


def test_the_sandbox_speaks_each_dialect_to_its_own_vendors_and_both_to_its_models() -> None:
    rows = (SANDBOX, SANDBOX_ANTHROPIC)
    assert select_rows(rows, "anthropic") == (SANDBOX_ANTHROPIC,)
    assert select_rows(rows, "sandbox") == rows
    assert select_rows(rows, "openai") == (SANDBOX,)
    assert select_rows(rows, "a-vendor-of-the-operators-own") == (SANDBOX,)


def test_the_sandbox_reads_no_real_credential() -> None:
    assert not [row.id for row in (SANDBOX, *SANDBOX_MAKERS, OPENAI_COMPATIBLE) if row.credential_variable or row.base_url_variable]


def test_a_vendors_provider_is_the_one_that_makes_its_models() -> None:
    assert find_provider("openai") is OPENAI
    assert find_provider("anthropic") is ANTHROPIC
    assert find_provider("google") is PROVIDERS["google"]
    assert find_provider("sandbox") is SANDBOX
    assert find_provider("a-vendor-of-the-operators-own") is None


def list_words(path: Path) -> list[str]:
    """What a source file's code says: its texts and the words of its names. Comments, docstrings and sentences for people aside."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return text.split()
    tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    owners = [node for node in nodes if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
    docstrings = {id(node.body[0].value) for node in owners if ast.get_docstring(node, clean=False) is not None}
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings]
    names = [str(getattr(node, field)) for node in nodes for field in ("id", "attr", "arg", "name") if getattr(node, field, None)]
    return [text for text in texts if " " not in text] + [word for name in names for word in name.split("_")]


@pytest.fixture(scope="module")
def words() -> dict[Path, str]:
    """By file below the package, a line each. The sandbox speaks as the makers of wire formats do, word for word; the registry names
    the files.
    """
    files = [path.relative_to(SOURCE) for suffix in ("py", "toml") for path in SOURCE.rglob(f"*.{suffix}")]
    assert len(files) > 20
    read = [path for path in files if path not in {HINTS, REGISTRY, SIMULATED} and path.parts[0] != "sandbox"]
    return {path: "\n".join(dict.fromkeys(list_words(SOURCE / path))) for path in read}


def find_files(words: dict[Path, str], pattern: str) -> list[Path]:
    return [path for path, text in words.items() if re.search(pattern, text, re.IGNORECASE)]


@pytest.mark.parametrize("row", NAMED, ids=lambda row: row.id)
def test_a_providers_name_occurs_in_one_source_file(words: dict[Path, str], row: Provider) -> None:
    name = rf"(?<![\w.-]){re.escape(row.id)}(?![\w.-])"
    found = find_files(words, name)
    # Examples of a wire format's own paths have its maker's models in them.
    own = [path for path in found if row.id not in WIRE_WORDS or not (path.parts[0] == "wire" or path.stem.startswith("gemini_"))]
    assert len(own) == 1


@pytest.mark.parametrize("row", ADDRESSED, ids=lambda row: row.id)
def test_a_providers_host_occurs_in_one_source_file(words: dict[Path, str], row: Provider) -> None:
    host = str(urlsplit(row.base_url or row.base_url_template).hostname)
    domain = re.escape(re.sub(r"^.*\}", "", host).strip("-."))
    assert len([path for path in find_files(words, domain) if row.id not in WIRE_WORDS or path.parts[0] != "wire"]) == 1


def test_prose_may_name_a_provider_and_code_may_not(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text('"""As groq does."""\n# groq\nNAME = "not for groq"  # groq\n', encoding="utf-8")
    assert not find_files({file: "\n".join(list_words(file))}, "groq")
    for code in ('def f(name: str) -> bool:\n    """As."""\n    return name == "groq"\n', "def ask_groq() -> None: ...\n", "GROQ = 1\n"):
        file.write_text(code, encoding="utf-8")
        assert find_files({file: "\n".join(list_words(file))}, "groq"), code
