"""The pages of docs/providers/: one for each row of the table of providers, and a list of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from anyrouter.core.provider import AuthKind, Effect, Format, Provider, Quirk
from anyrouter.providers.address import MODEL, needed_variables

AUTH = {
    AuthKind.NONE: "no credential is needed",
    AuthKind.HEADER: "a key in the header `{header}`",
    AuthKind.SIGV4: "an access key, with which every request is signed (Signature Version 4)",
    AuthKind.SERVICE_ACCOUNT: "a service account's key, which buys tokens for the header `{header}`",
}
EXAMPLES = {
    "account": "0123456789abcdef0123456789abcdef",
    "api_version": "2024-10-21",
    "location": "europe-west4",
    "project": "my-project",
    "region": "us-east-1",
    "resource": "my-resource",
    "workspace": "dbc-a1b2c3d4-e5f6.cloud.databricks.com",
}
GUIDES = {"aws": "amazon-bedrock", "google-vertex": "vertex-ai", "google-vertex-anthropic": "vertex-ai"}
OWN = {"sandbox", "sandbox-anthropic"}


def list_pages(providers: Mapping[str, Provider]) -> dict[str, str]:
    """The text of every page by its file's name. The simulated provider has a page of its own elsewhere."""
    rows = [row for row in providers.values() if row.id not in OWN]
    return {"README.md": write_index(rows)} | {f"{row.id}.md": write_page(row) for row in rows}


def write_index(rows: Sequence[Provider]) -> str:
    """The list of providers."""
    lines = [
        "# Providers",
        "",
        "What `provider` of an upstream can be: a page for each, with its addresses, its credential and what it documents to take in",
        "another way. The sandbox has [its own page](../sandbox.md). A provider is missing?",
        "[Adding one](../how-to/add-a-provider.md) takes ten minutes.",
    ]
    kinds = {
        "Makers of models": [row for row in rows if not row.is_host and not row.is_local and row.vendors],
        "Hosts and clouds": [row for row in rows if row.is_host],
        "Programs of your own": [row for row in rows if row.is_local or not row.vendors],
    }
    for title, members in kinds.items():
        lines += ["", f"## {title}", ""]
        cells = [
            (f"[{row.name}]({row.id}.md)", f"`{row.id}`", ", ".join(row.formats), _code(row.credential_variable), _vendors(row))
            for row in sorted(members, key=lambda row: row.name.lower())
        ]
        lines += table(("provider", "id", "formats, the native one first", "credential's variable", "its models are"), cells)
    return "\n".join(lines)


def write_page(row: Provider) -> str:
    """One provider."""
    lines = [f"# {row.name}", ""]
    if row.note:
        lines += [row.note, ""]
    lines += ["```toml", *_example(row), "```", "", *_introduce(row)]
    lines += ["", "## How it is asked", "", f"At {_address(row)}; the paths are below that."]
    head = ("format", "path", "for streams", "for counting tokens")
    lines += ["", *table(head, [_format(name, form) for name, form in row.formats.items()])]
    elsewhere = [f"* `{name}`: {_changes(form)}" for name, form in row.formats.items() if _changes(form)]
    lines += ["", *elsewhere] if elsewhere else []
    if row.paths:
        listed = [(f"`/{public}`", f"`{below}`") for public, below in row.paths.items()]
        lines += ["", f"Forwarded as it is, in the {row.dialect} format:", "", *table(("endpoint", "path"), listed)]
    lines += _write_variables(row) + _write_quirks(row)
    if row.source is not None:
        lines += ["", f"Source: <{row.source.page}>, checked on {row.source.checked.isoformat()}."]
    return "\n".join(lines)


def _example(row: Provider) -> Iterator[str]:
    yield "[[upstreams]]"
    yield f'id = "{row.id}"'
    yield f'provider = "{row.id}"'
    if not row.base_url and not row.base_url_template:
        yield 'base_url = "http://127.0.0.1:8000/v1"'
    needed = needed_variables(row)
    given = ", ".join(f'{variable.name} = "{EXAMPLES[variable.name]}"' for variable in row.variables if variable.name in needed)
    if given:
        yield f"variables = {{ {given} }}"
    if AuthKind.NONE not in row.auth:
        is_file = row.credential_variable is None and row.credential_file_variable is not None
        yield (
            'credential_file = "secrets/service-account.json"'
            if is_file
            else f'credential_variable = "{row.credential_variable or "MY_KEY"}"'
        )


def _introduce(row: Provider) -> Iterator[str]:
    kinds = " or ".join(AUTH[kind].format(header=row.credential_header) for kind in row.auth)
    yield f"Its credential: {kinds}."
    if row.credential_variable and row.is_implied and (row.base_url or row.base_url_variable):
        both = f" and `{row.base_url_variable}`" if not row.base_url else ""
        yield f"With `{row.credential_variable}`{both} set it is an upstream of the `live` environment without any configuration."
    if row.credential_parts:
        yield f"In parts it is looked for in {', '.join(f'`{name}`' for name in row.credential_parts.values())}."
    if row.credential_file_variable:
        yield f"Where none is named, its file is looked for in `{row.credential_file_variable}`."
    if row.id in GUIDES:
        yield f"Step by step: [{GUIDES[row.id]}](../how-to/{GUIDES[row.id]}.md)."
    if row.base_url_variable and row.base_url:
        yield f"`{row.base_url_variable}` gives it another address."
    yield f"Clients ask for its models as {_vendors(row)}."
    if row.models_path:
        yield f"Which it has is read from `GET {row.models_path}`."


def _write_variables(row: Provider) -> list[str]:
    if not row.variables:
        return []
    cells = [
        (f"`{variable.name}`", variable.text, ", ".join(f"`{name}`" for name in variable.environment), _code(variable.default))
        for variable in row.variables
    ]
    head = ("variable", "what", "else taken from", "default")
    return ["", "## Variables", "", "What is your account's own: `variables` of the upstream.", "", *table(head, cells)]


def _write_quirks(row: Provider) -> list[str]:
    lines = []
    if not row.is_asking_usage:
        lines.append("* `stream_options` is not sent: usage comes unasked at the end of a stream.")
    if not row.is_fetching_images:
        lines.append("* An image must be given as data: it does not fetch addresses.")
    lines += [f"* {_explain(quirk)} ([page]({quirk.source.page}), checked on {quirk.source.checked.isoformat()})" for quirk in row.quirks]
    return ["", "## What it takes in another way", "", *lines] if lines else []


def _explain(quirk: Quirk) -> str:
    members = ", ".join(f"`{member}`" for member in quirk.members)
    values = " or ".join(f"`{value}`" for value in quirk.values)
    text = {
        Effect.UNSUPPORTED: f"{members}: left out, with a warning.",
        Effect.EXCLUDED: f"{members}: {values} is left out, with a warning.",
        Effect.RENAMED: f"{members}: sent as `{quirk.to}`.",
        Effect.RESTRICTED: f"{members}: only {values}; anything else is left out, with a warning.",
        Effect.REPLACED: f"{members}: {values} is sent as `{quirk.to}`.",
    }[quirk.effect]
    return f"{text} Models: `{quirk.models}`." if quirk.models else text


def _address(row: Provider) -> str:
    if row.base_url:
        return f"`{row.base_url}`"
    if not row.base_url_template:
        return "the `base_url` of the upstream"
    others = [f"`{base}` for `{value}`" for value, base in row.base_url_exceptions.items()]
    return f"`{row.base_url_template}`" + (f" ({', '.join(others)})" if others else "")


def _format(name: str, form: Format) -> tuple[str, str, str, str]:
    path = f"{form.base_url or ''}{form.path}"
    return name, f"`{path}`", _code(form.stream_path) or "the same", _code(form.count_tokens_path)


def _changes(form: Format) -> str:
    parts = []
    if form.credential_header is not None:
        parts.append(f"the credential in the header `{form.credential_header}`")
    parts += [f"`{name}` {value.decode()} is put into the body" for name, value in form.members.items()]
    parts += [f"`{name}` is not in the body" for name in sorted(form.removed)]
    if f"{{{MODEL}}}" in form.path:
        parts.append("the model's name in the path")
    return "; ".join(parts)


def _vendors(row: Provider) -> str:
    return ", ".join(f"`{vendor}/…`" for vendor in row.vendors) or "the upstream's id and `/…`"


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines]
