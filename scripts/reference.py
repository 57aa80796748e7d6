"""Writes docs/reference/ and docs/providers/ from the code, or says with --check whether they are fresh.

python scripts/reference.py [--check]
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import typer
from error_meanings import MEANINGS
from prometheus_client.core import Metric
from provider_pages import list_pages, table
from pydantic import BaseModel

from anyrouter.cli.app import app
from anyrouter.cli.failure import MEANINGS as EXIT_MEANINGS
from anyrouter.core.errors import CODES
from anyrouter.policy.endpoints import ENDPOINTS, GEMINI_VERSIONS, Endpoint
from anyrouter.providers.registry import PROVIDERS
from anyrouter.relay.stats import RelayStats
from anyrouter.settings.overlay_tables import ModelTable, PriceTable, TierTable
from anyrouter.settings.sections import ARRAYS, SECTIONS, TimeoutSettings
from anyrouter.settings.variables import CONFIG_VARIABLE, DATA_DIR_VARIABLE, variable_of
from anyrouter.storage.kek import KEK_VARIABLE
from anyrouter.storage.pepper import PEPPER_VARIABLE
from anyrouter.web.api.metrics import RelayCollector

DOCS = Path(__file__).resolve().parent.parent / "docs"
NOTE = "<!-- Written by scripts/reference.py (make docs). Change the code, not this file. -->"
OTHER_VARIABLES = {
    DATA_DIR_VARIABLE: "The data directory, when `--data-dir` is not given. Default: `./data`.",
    CONFIG_VARIABLE: "The configuration file, when `--config` is not given. Default: `anyrouter.toml` in the data directory.",
    KEK_VARIABLE: "The key-encryption keys of provider credentials in place of the data directory's file `kek`: 64 hex digits each, "
    "separated by commas, the current one first. [How to change it](../how-to/byok.md#the-keys-that-secrets-are-sealed-with).",
    PEPPER_VARIABLE: "The pepper in place of the data directory's file: `version:hex` with at least 64 hex digits. After a change "
    "of pepper two of them, the new one first, separated by a comma.",
    "HTTPS_PROXY, HTTP_PROXY, NO_PROXY": "The forward proxy to upstreams, in the usual meaning.",
    "SSL_CERT_FILE": "The certificates that upstreams are verified with, in place of the system's.",
    "NO_COLOR": "No colours on the terminal.",
}
_NOT_OURS = {"--help", "--install-completion", "--show-completion"}
RETRIED = {429, 500, 502, 503, 504}


def main() -> int:
    """The exit code: with --check 1 when a page is stale, missing or left over."""
    written = {"reference": {name: write() for name, write in PAGES.items()}, "providers": list_pages(PROVIDERS)}
    pages = {f"{folder}/{name}": f"{NOTE}\n\n{text.strip()}\n" for folder, texts in written.items() for name, text in texts.items()}
    present = {f"{folder}/{path.name}": path.read_text(encoding="utf-8") for folder in written for path in (DOCS / folder).glob("*.md")}
    stale = sorted(name for name in pages.keys() | present.keys() if pages.get(name) != present.get(name))
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"docs/{name} is stale: run make docs")
        return 1 if stale else 0
    for name in stale:
        (DOCS / name).parent.mkdir(parents=True, exist_ok=True)
        if name in pages:
            (DOCS / name).write_text(pages[name], encoding="utf-8")
        else:
            (DOCS / name).unlink()
    return 0


def write_settings() -> str:
    """Every section, array and timeout with its keys."""
    lines = [
        "# Settings",
        "",
        "[configuration.md](../configuration.md) says where they are looked for. A setting of a section has a variable,",
        "`ANYROUTER_<SECTION>__<KEY>`; an array has one that takes JSON.",
    ]
    for name, model in SECTIONS.items():
        lines += ["", f"## [{name}]", "", *_docstring(model), ""]
        rows = [(f"`{key}`", kind, default, f"{text} `{variable_of(name, key)}`") for key, kind, default, text in _keys(model)]
        lines += table(("key", "value", "default", "what, and its variable"), rows)
    for name, model in ARRAYS.items():
        lines += ["", f"## [[{name}]]", "", *_docstring(model), "", f"As a JSON array: `{variable_of(name)}`.", ""]
        lines += table(("key", "value", "default", "what"), [(f"`{key}`", *rest) for key, *rest in _keys(model)])
    lines += ["", "### timeouts of an upstream", "", *_docstring(TimeoutSettings), ""]
    lines += table(("key", "value", "default", "what"), [(f"`{key}`", *rest) for key, *rest in _keys(TimeoutSettings)])
    lines += ["", "## Other variables", ""]
    lines += table(("variable", "what"), [(f"`{name}`", text) for name, text in OTHER_VARIABLES.items()])
    lines += [
        "",
        "## Providers",
        "",
        "What `provider` of an upstream can be; [each has a page](../providers/README.md). The variables make an upstream of the `live`",
        "environment by themselves, unless other tools read them too.",
        "",
    ]
    rows = [
        (
            f"`{row.id}`",
            row.dialect,
            _code(row.base_url or row.base_url_template),
            _code(row.credential_variable),
            _code(row.base_url_variable),
        )
        for row in PROVIDERS.values()
    ]
    lines += table(("id", "dialect", "address", "credential's variable", "address's variable"), rows)
    return "\n".join(lines)


def write_models_file() -> str:
    """Every table of the operator's file of models."""
    lines = [
        "# The file of models",
        "",
        "What `catalogue.overlay` names: [models.md](../how-to/models.md) shows it at work. All of it is optional.",
        "",
        "## hidden",
        "",
        "A list of ids, and of starts of ids with `*` behind them (`vendor/*`): they are not listed. Who knows the name can still call it.",
        "",
        "## [aliases]",
        "",
        '`"other-name" = "vendor/name"`: clients can ask for the model by that name too. An alias may lead to another alias, to a dated',
        'name, and to a name with a variant (`"vendor/name:floor"`). It may have the name of a known model, which is then not called.',
    ]
    for title, model in (("[[models]]", ModelTable), ('[prices."vendor/name"], [models.price]', PriceTable), ("[[….tiers]]", TierTable)):
        lines += ["", f"## {title}", "", *_docstring(model), ""]
        lines += table(("key", "value", "default", "what"), [(f"`{key}`", *rest) for key, *rest in _keys(model)])
    return "\n".join(lines)


def _docstring(model: type[BaseModel]) -> list[str]:
    return [line.strip() for line in (model.__doc__ or "").strip().splitlines()]


def _keys(model: type[BaseModel]) -> Iterator[tuple[str, str, str, str]]:
    schema = model.model_json_schema()
    for key, field in model.model_fields.items():
        facts = schema["properties"][key]
        if field.is_required():
            default = "needed"
        elif field.default is None or isinstance(field.default, BaseModel) or field.default == ():
            default = ""
        else:
            default = f"`{_literal(field.default)}`"
        yield key, _kind(facts, schema), default, field.description or ""


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _kind(facts: dict[str, Any], schema: dict[str, Any]) -> str:
    """A field's kind of value and its bounds, from its JSON schema."""
    choices = [choice for choice in facts.get("anyOf", [facts]) if choice.get("type") != "null"]
    facts = choices[0]
    if "$ref" in facts:
        facts = schema["$defs"][facts["$ref"].rpartition("/")[2]]
    if "enum" in facts:
        return " or ".join(f"`{value}`" for value in facts["enum"])
    names = {
        "integer": "whole number",
        "number": "number",
        "string": "text",
        "boolean": "true or false",
        "array": "list of texts",
        "object": "table",
    }
    name = names.get(facts.get("type", ""), facts.get("type", ""))
    low = facts.get("minimum", facts.get("exclusiveMinimum"))
    if low is None or "maximum" not in facts:
        return "secret text" if facts.get("format") == "password" else name
    above = "above " if "exclusiveMinimum" in facts else ""
    return f"{name}, {above}{low:,.0f} to {facts['maximum']:,.0f}"


def write_cli() -> str:
    """Every command with its arguments and options, and the exit codes."""
    lines = ["# Command line", "", "`anyrouter COMMAND --help` says the same.", "", "## Exit codes", ""]
    lines += table(("code", "meaning"), [(str(int(code)), text) for code, text in EXIT_MEANINGS.items()])
    lines += ["", "With `--json` results are one JSON document on standard output; an error is one on standard error:"]
    lines += ['`{"error": {"code": "…", "message": "…", "exit_code": 3}}`, with `cure` and `details` where there are any.']
    for path, command in _commands(typer.main.get_command(app), "anyrouter"):
        lines += ["", f"## {path}", "", *(line.strip() for line in (command.help or "").replace("\b", "").strip().splitlines())]
        if command.epilog:
            lines += ["", command.epilog]
        rows = [_parameter(parameter) for parameter in command.params if not _NOT_OURS & set(parameter.opts)]
        if rows:
            lines += ["", *table(("option", "default", "what"), rows)]
    return "\n".join(lines)


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _commands(child, f"{path} {name}")


def _parameter(parameter: Any) -> tuple[str, str, str]:
    """A row: how it is spelt, its default, what it is for. A default in words stands at the end of the help."""
    text, _, said = (parameter.help or "").partition("  [default: ")
    variable = f" `{parameter.envvar}`" if parameter.envvar else ""
    if parameter.required:
        default = "needed"
    elif said:
        default = said.removesuffix("]")
    else:
        default = _show_default(parameter.default)
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar}`", default, text
    takes = "" if parameter.is_flag else f" {parameter.metavar}"
    return ", ".join(f"`{name}{takes}`" for name in parameter.opts), default, text + variable


def _show_default(default: Any) -> str:
    shown = " ".join(map(str, default)) if isinstance(default, list | tuple) else default
    return "" if shown is None or shown is False or not str(shown) else f"`{shown}`"


def write_errors() -> str:
    """Every code with its status and type."""
    lines = [
        "# Errors",
        "",
        'OpenAI\'s envelope everywhere, `{"error": {"message", "type", "code", "param", "metadata"}}`, except on `/messages`, which has',
        "Anthropic's, and on Gemini's own paths, which have Google's: there the code is in the first of `error.details`, as",
        '`metadata.code`. Codes are stable; messages are for people. "again" says whether the same request may succeed later.',
        "",
    ]
    if MEANINGS.keys() != CODES.keys():
        raise SystemExit(f"scripts/error_meanings.py and the codes differ: {sorted(MEANINGS.keys() ^ CODES.keys())}")
    rows = sorted((facts.status, code, facts.type) for code, facts in CODES.items())
    lines += table(
        ("status", "code", "type", "again", "meaning"),
        [(str(status), f"`{code}`", f"`{kind}`", "yes" if status in RETRIED else "no", MEANINGS[code]) for status, code, kind in rows],
    )
    return "\n".join(lines)


def write_endpoints() -> str:
    """Every endpoint with the scope that it needs."""
    lines = [
        "# Endpoints",
        "",
        "Below `/api/v1`, and the same below `/v1`. A trailing slash changes nothing, HEAD is answered wherever GET is. Shapes of",
        "requests and replies: `/api/v1/openapi.json` of a running gateway. Clients of Anthropic's kind take `/api` as their base URL.",
        "",
    ]
    rows = [(f"`{row.method} /{row.path}`", _access(row), _envelope(row)) for row in ENDPOINTS.values() if row.root_path is None]
    lines += table(("endpoint", "needs", "errors as"), rows)
    lines += [
        "",
        "## Gemini's own",
        "",
        f"At the root, where Gemini's clients look: below `/v1beta`, and the same below {_listed(GEMINI_VERSIONS[1:])}. `GET /v1/models`",
        "is Gemini's only for who sends `x-goog-api-key`. `{model}` may hold slashes. Restrictions of a key to endpoints name the last",
        "column.",
        "",
    ]
    rows = [
        (f"`{row.method} {row.public_path}`", _access(row), _envelope(row), f"`{row.path}`")
        for row in ENDPOINTS.values()
        if row.root_path is not None
    ]
    return "\n".join(lines + table(("endpoint", "needs", "errors as", "restricted as"), rows))


def _listed(names: Iterable[str]) -> str:
    return " and ".join(f"`/{name}`" for name in names)


def _envelope(row: Endpoint) -> str:
    return "openai" if row.dialect == "responses" else row.dialect


def _access(row: Endpoint) -> str:
    if row.path == "metrics":
        return "loopback, or `server.metrics_token`"
    if row.is_public:
        return "nothing"
    return f"`{row.scope}`" if row.scope is not None else "any valid key"


def write_metrics() -> str:
    """Every metric of the relay."""
    families: Iterable[Metric] = RelayCollector(RelayStats(), lambda: ()).collect()
    rows = []
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = ", ".join(f"`{label}`" for label in getattr(family, "_labelnames", ()))
        rows.append((f"`{name}`", family.type, labels, family.documentation))
    lines = ["# Metrics", "", "`GET /metrics` in Prometheus' text format: from loopback, or with `server.metrics_token`.", ""]
    return "\n".join(lines + table(("name", "type", "labels", "what"), rows))


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": write_settings,
    "models-file.md": write_models_file,
    "cli.md": write_cli,
    "errors.md": write_errors,
    "metrics.md": write_metrics,
    "endpoints.md": write_endpoints,
}

if __name__ == "__main__":
    raise SystemExit(main())
