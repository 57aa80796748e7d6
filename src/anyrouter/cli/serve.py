"""`anyrouter serve`: the gateway itself."""

import ipaddress
import resource
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anyrouter.cli.configuration import MODELS_CURE, MODELS_FILE, explain_mistakes, read_settings
from anyrouter.cli.failure import CommandFailed, ExitCode
from anyrouter.cli.options import DATA_DIR, Config, DataDir
from anyrouter.cli.welcome import find_program, list_live_variables, print_welcome, welcome

if TYPE_CHECKING:
    from anyrouter.settings import ServerSettings

PAGES = (sys.executable, "-m", "anyrouter.cli.pages")


def serve(
    host: Annotated[
        str | None, typer.Option("--host", metavar="ADDRESS", help="Address to listen on.  [default: 127.0.0.1]", show_default=False)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port", metavar="PORT", min=0, max=65535, help="Port to listen on; 0 takes a free one.  [default: 8080]", show_default=False
        ),
    ] = None,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Start the gateway, and stop it with Ctrl-C.

    The first start makes the data directory and prints a first key, this once. Without any configuration the `test` environment
    works, offline; with the variable that a provider's own SDK reads the `live` environment reaches that provider.
    """
    settings = read_settings(data_dir, config, server__host=host, server__port=port)
    from anyrouter.bootstrap import gateway  # noqa: PLC0415 -- brings everything: a second that the other commands do without
    from anyrouter.cli.logs import configure_logging  # noqa: PLC0415 -- as above
    from anyrouter.settings import SettingsError  # noqa: PLC0415 -- as above

    configure_logging(settings.logging)
    raise_file_limit(2 * settings.server.max_connections)

    def tell(started: gateway.Started) -> None:
        warnings = list_warnings(settings.server)
        if started.interrupted:
            warnings.append(f"the last run ended in the middle of {started.interrupted} requests: they are in the ledger as interrupted")
        text = welcome(
            base_url=settings.server.base_url(started.port),
            data_dir=settings.data_dir,
            config_path=settings.config_path,
            first_key=started.first_key,
            setup_token=started.setup_token,
            live_upstreams=[upstream.id for upstream in settings.upstreams],
            live_variables=list_live_variables(),
            warnings=warnings,
            program=find_program(),
            options=_options(data_dir, config),
        )
        print_welcome(text)

    try:
        gateway.run(settings, tell, pages=PAGES)
    except SettingsError as error:
        raise explain_mistakes(error, MODELS_FILE, MODELS_CURE) from None
    except SystemExit:  # the server library ends the process when it cannot listen; its line in the log says why
        where = f"{settings.server.host} port {settings.server.port}"
        cure = "another process may have it: --port takes another, 0 a free one"
        raise CommandFailed(ExitCode.FAILED, "not_listening", f"cannot listen on {where}", cure=cure) from None


def _options(data_dir: Path, config: Path | None) -> str:
    """What a key command has to be told to work on the same data. Relative paths stay so: they are for the same shell."""
    named = f" --data-dir {shlex.quote(str(data_dir))}" if data_dir != DATA_DIR else ""
    return named + (f" --config {shlex.quote(str(config))}" if config is not None else "")


def list_warnings(server: "ServerSettings") -> list[str]:
    """What the operator should know about the address that the server listens on."""
    is_public = server.public_url is not None and server.public_url.startswith("https://")
    if is_loopback(server.host) or server.tls_certificate is not None or is_public:
        return []
    return ["other machines reach this over plain HTTP, and keys can be read on the way: set server.tls_certificate, or use a proxy"]


def raise_file_limit(wanted: int) -> None:
    """Let the process open `wanted` files, or as many as the system lets it: each connection, to either side, is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
