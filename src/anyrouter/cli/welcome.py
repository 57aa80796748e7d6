"""The texts that get somebody started: what `serve` says when it listens, and the curl line that works with a new key."""

import json
import shlex
import shutil
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.text import Text

from anyrouter.control.sign_in_links import make_link
from anyrouter.providers.anthropic import DIALECT as ANTHROPIC_DIALECT
from anyrouter.providers.registry import PROVIDERS, find_provider

ECHO_MODEL = "sandbox/echo"
_FEW = 3


def curl_line(base_url: str, key: str, model: str | None, *, root: str = "/api/v1") -> str:
    """A command for a POSIX shell that asks `model` for one answer, in its dialect; without a model, one that lists the models."""
    authorization = shlex.quote(f"Authorization: Bearer {key}")
    if model is None:
        return f"curl {base_url}{root}/models -H {authorization}"
    provider = find_provider(model.partition("/")[0])
    is_anthropic = provider is not None and provider.dialect == ANTHROPIC_DIALECT
    path = "messages" if is_anthropic else "chat/completions"
    limit = {"max_tokens": 100} if is_anthropic else {}
    body = json.dumps({"model": model, **limit, "messages": [{"role": "user", "content": "Hello!"}]})
    return f"curl {base_url}{root}/{path} -H {authorization} -H 'Content-Type: application/json' -d {shlex.quote(body)}"


def welcome(
    *,
    base_url: str,
    data_dir: Path,
    first_key: str | None,
    setup_token: str | None = None,
    live_upstreams: Sequence[str],
    config_path: Path | None = None,
    live_variables: Sequence[str] = (),
    warnings: Sequence[str] = (),
    program: str = "anyrouter",
    options: str = "",
) -> Text:
    """What `serve` says when it listens, as text with styles.

    `base_url` is where clients reach it, without a path. `first_key` is the text of the key made on the very first start, shown
    this once; `setup_token` that of the link that makes the first owner. `live_upstreams` are ids; when there are none, `live_variables`
    names variables that would make some. `program` is how the shell finds this program, `options` what its commands need to find the
    same data.
    """
    text = Text()
    text.append("AnyRouter is listening\n\n", style="bold green")
    rows = [
        ("OpenAI clients", f"{base_url}/api/v1"),
        ("Anthropic clients", f"{base_url}/api"),
        ("Gemini clients", base_url),
        ("Data", str(data_dir)),
        ("Configuration", str(config_path) if config_path is not None else "defaults and variables; docs/configuration.md shows a file"),
        ("Live upstreams", ", ".join(live_upstreams) or "none yet: live keys reach nothing" + _how_to_go_live(live_variables)),
    ]
    for name, value in rows:
        text.append(f"  {name:<18}", style="bold").append(f" {value}\n")
    for warning in warnings:
        text.append("  warning", style="bold yellow").append(f"            {warning}\n")
    text.append("\n")
    if setup_token is not None:
        text.append("Open this to make your account for the dashboard (the link works once, until the next start):\n\n")
        text.append(f"  {make_link(base_url, setup_token)}\n\n", style="bold cyan")
    if first_key is None:
        text.append("A key for your program:\n\n")
        create = f"{program} keys create --name my-app{options}"
        text.append(f"  {create}", style="cyan").append("              reaches your upstreams\n")
        text.append(f"  {create} --env test", style="cyan").append("   simulated answers, offline\n")
    else:
        text.append("Your first key, shown this once. It reaches the built-in simulated provider and costs nothing:\n\n")
        text.append(f"  {first_key}\n\n", style="bold cyan")
        text.append("Try it:\n\n")
        text.append(curl_line(base_url, first_key, ECHO_MODEL), style="cyan").append("\n")
    return text


def list_live_variables() -> list[str]:
    """A few variables, each of which makes a live upstream by itself: of the providers that stand first in the table, the most asked."""
    rows = (row for row in PROVIDERS.values() if row.is_implied and not row.variables)
    return list(islice((row.credential_variable for row in rows if row.credential_variable), _FEW))


def find_program() -> str:
    """How a shell that stands where this process was started finds the program."""
    started = Path(sys.argv[0])
    if started.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m anyrouter"
    found = shutil.which(started.name)
    return started.name if found is not None and Path(found).resolve() == started.resolve() else shlex.quote(str(started))


def print_welcome(text: Text) -> None:
    """Print it to standard output, lines unbroken so that they can be copied; colours on terminals only."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(text)
    console.file.flush()


def _how_to_go_live(variables: Sequence[str]) -> str:
    if not variables:
        return ""
    *others, last = variables
    named = f"{', '.join(others)} or {last}" if others else last
    return f" (set {named} and start again; docs/providers has those of all providers)"
