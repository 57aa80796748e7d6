"""The program `anyrouter`: its commands, and what happens when one fails.

What takes long to import (the database, the web framework, the price data) is imported by the command that needs it, when it runs.
"""

import functools
import platform
import sys
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer

import anyrouter
from anyrouter.cli import audit, budgets, byok, doctor, envs, keys, models, org, presets, sandbox, serve, webhooks
from anyrouter.cli.credits import commands as credit_commands
from anyrouter.cli.failure import CommandFailed, ExitCode, explain_failure, wants_traceback
from anyrouter.cli.options import DATA_DIR, DataDir, Json
from anyrouter.cli.output import print_failure, print_json, print_lines

app = typer.Typer(
    name="anyrouter",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="A gateway for language models: one address, one key, every provider.",
    epilog="Start with **anyrouter serve**: it prints the addresses, a first key and a line to try.",
)
app.command("serve")(serve.serve)
app.add_typer(keys.commands, name="keys")
app.command("models")(models.list_models)
app.add_typer(presets.commands, name="presets")
app.add_typer(envs.commands, name="envs")
app.add_typer(org.commands, name="org")
app.add_typer(budgets.commands, name="budgets")
app.add_typer(credit_commands, name="credits")
app.add_typer(byok.commands, name="byok")
app.add_typer(audit.commands, name="audit")
app.add_typer(webhooks.commands, name="webhooks")
app.command("doctor")(doctor.check)
app.command("sandbox")(sandbox.run)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        print_lines([f"AnyRouter {anyrouter.__version__}"])
        raise typer.Exit


@app.callback()
def root(
    is_version_wanted: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Nothing by itself: the options before a command."""


@app.command("version")
def version(as_json: Json = False, data_dir: DataDir = DATA_DIR) -> None:
    """Print the version; with --json also what it runs on, and the data directory."""
    if as_json:
        facts = {"version": anyrouter.__version__, "python": platform.python_version(), "platform": platform.platform()}
        print_json({"data": {**facts, "data_dir": str(data_dir.absolute())}})
    else:
        print_lines([f"AnyRouter {anyrouter.__version__}"])


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code. Every failure is a line on standard error, never a traceback."""
    as_json = "--json" in arguments
    try:
        result = _command().main(args=list(arguments), prog_name="anyrouter", standalone_mode=False)
    except typer.Abort:
        return ExitCode.INTERRUPTED
    except typer.TyperException as error:
        return _end(_usage_failure(error), as_json=as_json)
    except Exception as error:
        if wants_traceback() and not isinstance(error, CommandFailed):
            raise
        return _end(explain_failure(error), as_json=as_json)
    return result if isinstance(result, int) else ExitCode.OK


@functools.cache
def _command() -> Any:
    return typer.main.get_command(app)  # every command's signature is read: for a process that runs many, once


def _end(failure: CommandFailed | None, *, as_json: bool) -> int:
    if failure is None:
        return ExitCode.USAGE
    print_failure(failure, as_json=as_json)
    return failure.exit_code


def _usage_failure(error: Any) -> CommandFailed | None:
    """A wrong command line as a failure; None when what was printed already is the help."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        return None
    cure = f"{context.command_path} --help shows what there is" if context is not None else ""
    message = error.format_message().rstrip(".")
    return CommandFailed(ExitCode.USAGE, "usage", message[:1].lower() + message[1:], cure=cure)


def main() -> NoReturn:
    """The entry point of the program."""
    sys.exit(run(sys.argv[1:]))
