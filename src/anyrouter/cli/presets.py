"""`anyrouter presets`: works on the data directory, whether or not a server is running; a running one notices within a second."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anyrouter.cli.configuration import read_settings
from anyrouter.cli.failure import CommandFailed, ExitCode
from anyrouter.cli.options import DATA_DIR, Config, DataDir, Json
from anyrouter.cli.output import print_json, print_lines, print_pairs, print_table
from anyrouter.cli.store import with_presets
from anyrouter.control.preset_rows import describe_preset, describe_version
from anyrouter.core.audit import OPERATOR
from anyrouter.core.preset import MARK, Preset
from anyrouter.policy.rights import OPERATOR_RIGHTS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyrouter.control.presets import PresetService

commands = typer.Typer(
    no_args_is_help=True,
    help="Make, look at, change and delete presets: settings that requests ask for by a name.",
    epilog="Requests of the environment name a preset as their model: `@preset/SLUG`, or behind one: `openai/gpt-4o@preset/SLUG`.",
)
COLUMNS = ("SLUG", "NAME", "VERSION", "MODEL", "SETTINGS")
_MAX_FILE_BYTES = 1_000_000

Slug = Annotated[str, typer.Argument(metavar="SLUG", help="What requests ask for it by.", show_default=False)]
InEnvironment = Annotated[str, typer.Option("--env", "-e", metavar="SLUG", help="The environment that it is of.")]
Name = Annotated[str | None, typer.Option("--name", metavar="NAME", help="What people read.  [default: the slug]", show_default=False)]
Description = Annotated[
    str | None, typer.Option("--description", metavar="TEXT", help="What it is for.  [default: nothing]", show_default=False)
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        help="Its model; may be given several times, the others for when the first one fails.",
        show_default=False,
    ),
]
System = Annotated[str | None, typer.Option("--system", metavar="TEXT", help="Its system prompt.  [default: none]", show_default=False)]
Members = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A member of requests, its value as JSON or a text; may be given several times.",
        show_default=False,
    ),
]
File = Annotated[
    str | None,
    typer.Option("--from", metavar="FILE", help="A JSON object of such members; `-` is standard input.", show_default=False),
]


def _put(command: str, text: str, work: "Callable[[PresetService, str, str, dict[str, Any]], Awaitable[Preset]]") -> None:
    """Add a command that takes whatever can be said of a preset; `work` is told its environment, its slug and what was said."""

    @commands.command(command, help=text)
    def put(
        slug: Slug,
        *,
        environment: InEnvironment = "live",
        name: Name = None,
        description: Description = None,
        model: Models = None,
        system: System = None,
        member: Members = None,
        file: File = None,
        as_json: Json = False,
        config: Config = None,
        data_dir: DataDir = DATA_DIR,
    ) -> None:
        told = {"name": name, "description": description, "system_prompt": system, "config": _read_members(model, member, file)}
        said = {field: value for field, value in told.items() if value is not None}
        found = with_presets(read_settings(data_dir, config), lambda presets: work(presets, environment, slug, said))
        _print(found, environment, as_json=as_json)


def _create(presets: "PresetService", environment: str, slug: str, said: dict[str, Any]) -> "Awaitable[Preset]":
    return presets.create(actor=OPERATOR, rights=OPERATOR_RIGHTS, slug=slug, environment=environment, **{"config": {}, **said})


def _change(presets: "PresetService", environment: str, slug: str, said: dict[str, Any]) -> "Awaitable[Preset]":
    if not said:
        raise CommandFailed(ExitCode.USAGE, "usage", "nothing to change was given", cure="anyrouter presets change --help")
    return presets.change(environment, slug, said, actor=OPERATOR, rights=OPERATOR_RIGHTS)


_put("create", "Make a preset: what requests get that do not say it themselves.", _create)


@commands.command("list")
def list_presets(environment: InEnvironment = "live", as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR) -> None:
    """List the presets of an environment."""
    found = with_presets(read_settings(data_dir, config), lambda presets: presets.list(environment, rights=OPERATOR_RIGHTS))
    if as_json:
        rows = [describe_preset(preset, environment) for preset in found]
        print_json({"data": rows, "total_count": len(rows), "next_cursor": None})
    else:
        print_table(COLUMNS, [_row(preset) for preset in found], empty="No presets. anyrouter presets create SLUG … makes one.")


@commands.command("show")
def show(
    slug: Slug, environment: InEnvironment = "live", as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR
) -> None:
    """Show a preset and what it says."""
    found = with_presets(read_settings(data_dir, config), lambda presets: presets.show(environment, slug, rights=OPERATOR_RIGHTS))
    _print(found, environment, as_json=as_json)


_put("change", "Change a preset. Members that are given replace all of the former ones; its version rises by one.", _change)


@commands.command("delete")
def delete(
    slug: Slug, environment: InEnvironment = "live", as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR
) -> None:
    """Delete a preset: requests that ask for it are refused from now on."""
    with_presets(
        read_settings(data_dir, config),
        lambda presets: presets.delete(environment, slug, actor=OPERATOR, rights=OPERATOR_RIGHTS),
    )
    if as_json:
        print_json({"deleted": True})
    else:
        print_lines([f"deleted {MARK}{slug} of the environment {environment}"])


def _read_members(models: list[str] | None, members: list[str] | None, file: str | None) -> dict[str, Any] | None:
    """What the options say of a request's members, the file first; None when they say nothing."""
    if not models and not members and file is None:
        return None
    said: dict[str, Any] = _read_file(file) if file is not None else {}
    if models:
        said["model"] = models[0]
        said |= {"models": models} if len(models) > 1 else {}
    for member in members or ():
        name, equals, value = member.partition("=")
        if not equals:
            raise CommandFailed(
                ExitCode.USAGE, "usage", "--set takes NAME=VALUE", cure="for example --set temperature=0.2, --set stop='[\"END\"]'"
            )
        try:
            said[name] = json.loads(value)
        except ValueError:
            said[name] = value
    return said


def _read_file(name: str) -> dict[str, Any]:
    try:
        if name == "-":
            text = sys.stdin.read(_MAX_FILE_BYTES)
        else:
            with Path(name).expanduser().open(encoding="utf-8") as file:
                text = file.read(_MAX_FILE_BYTES)
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise CommandFailed(ExitCode.USAGE, "usage", "the file of --from is no JSON object")
    return value


def _row(preset: Preset) -> tuple[object, ...]:
    config = describe_version(preset)["config"]
    settings = [name for name in config if name != "model"] + (["system prompt"] if preset.system_prompt is not None else [])
    return preset.slug, preset.name, preset.version, config.get("model"), ", ".join(settings)


def _print(preset: Preset, environment: str, *, as_json: bool) -> None:
    version = describe_version(preset)
    if as_json:
        print_json({"data": {**describe_preset(preset, environment), "designated_version": version}})
        return
    pairs: list[tuple[str, object]] = [
        ("slug", preset.slug),
        ("asked for as", f"{MARK}{preset.slug}"),
        ("name", preset.name),
        ("description", preset.description),
        ("environment", environment),
        ("version", preset.version),
        ("system prompt", preset.system_prompt),
    ]
    print_pairs([*pairs, *((name, json.dumps(value, ensure_ascii=False)) for name, value in version["config"].items())])
