"""The checks of `anyrouter doctor` on configuration, data directory and address. They look and change nothing."""

import fcntl
import os
import platform
import resource
import socket
import ssl
import stat
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from anyrouter.cli.finding import Finding, found_doubtful, found_failing, found_well
from anyrouter.cli.serve import list_warnings
from anyrouter.control.catalogue import load_catalogue
from anyrouter.settings import Settings, SettingsError
from anyrouter.settings.overlay import read_overlay, serves_beyond

LOCK_NAME = "server.lock"
_SHOWN = 5


def check_configuration(settings: Settings) -> Iterator[Finding]:
    """Where it comes from, its upstreams, TLS, and what other machines may see."""
    source = str(settings.config_path) if settings.config_path is not None else "no file, defaults and variables"
    upstreams = ", ".join(upstream.id for upstream in settings.upstreams) or "none"
    yield found_well("configuration", f"{source}; upstreams: {upstreams}")
    if not settings.upstreams:
        yield found_doubtful(
            "configuration",
            "no upstream: live keys reach nothing, test keys the simulated provider",
            "set a provider's usual variable, or add [[upstreams]] to the file: docs/configuration.md",
        )
    for warning in list_warnings(settings.server):
        yield found_doubtful("configuration", warning)
    if settings.server.tls_certificate is not None and settings.server.tls_key is not None:
        yield _check_tls(settings.resolve_path(settings.server.tls_certificate), settings.resolve_path(settings.server.tls_key))
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if limit not in {resource.RLIM_INFINITY, -1} and limit < settings.server.max_connections:
        yield found_doubtful(
            "configuration",
            f"the process may open {limit:,} files, and server.max_connections is {settings.server.max_connections:,}",
            "raise the limit (ulimit -Hn, LimitNOFILE=), or lower server.max_connections",
        )


def _check_tls(certificate: Path, key: Path) -> Finding:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or "not usable"
        cure = "they must be a pair in PEM, the key without a password"
        return found_failing("tls", f"{certificate} and {key}: {reason}", cure)
    return found_well("tls", f"{certificate} and its key belong together")


def check_python() -> Iterator[Finding]:
    """Which one runs the gateway, and of which it was made: how fast a gateway is depends on how its Python was built."""
    runs, made_of = sys.executable, os.path.realpath(sys.executable)
    yield found_well("python", f"{platform.python_version()}, {runs}" + (f", made of {made_of}" if made_of != runs else ""))


def check_data_directory(data_dir: Path) -> Iterator[Finding]:
    """Whether it is there, private and writable, and whether a server uses it."""
    check = "data directory"
    if not data_dir.exists():
        parent = next(path for path in data_dir.parents if path.exists())
        if os.access(parent, os.W_OK | os.X_OK):
            yield found_well(check, f"{data_dir} is not there yet; the first start makes it")
        else:
            yield found_failing(check, f"{data_dir} cannot be made: {parent} is not writable", "name another with --data-dir")
        return
    if not data_dir.is_dir() or not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
        yield found_failing(
            check, f"{data_dir} is not a directory that this user can write to", "name another with --data-dir, or change its owner"
        )
        return
    mode = stat.S_IMODE(data_dir.stat().st_mode)
    if mode & 0o077:
        yield found_doubtful(check, f"{data_dir} is open to other users (mode {mode:o})", f"chmod 700 {data_dir}")
    holder = find_server(data_dir)
    yield found_well(check, f"{data_dir}; {f'a server uses it, process {holder}' if holder else 'no server uses it now'}")


def find_server(data_dir: Path) -> str | None:
    """The number of the process that serves the data directory, None when there is none."""
    try:
        with (data_dir / LOCK_NAME).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read(20).decode("ascii", "replace").strip() or "unknown"
    except OSError:
        return None
    return None


def check_address(settings: Settings) -> Iterator[Finding]:
    """Whether the server's address is free; not asked while the server of this data directory has it."""
    host, port = settings.server.host, settings.server.port
    if port == 0 or find_server(settings.data_dir) is not None:
        return
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        text = f"{host} port {port} cannot be listened on: {error.strerror or type(error).__name__}"
        yield found_failing("address", text, "anyrouter serve --port takes another, 0 a free one")
    else:
        yield found_well("address", f"{host} port {port} is free")


def check_models_file(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Whether the operator's file of models can be used, and whether somebody serves what it adds."""
    path, check = settings.overlay_path, "models file"
    if path is None:
        return
    bundled = load_catalogue(now)
    try:
        overlay = read_overlay(path, bundled, serves_beyond(bundled, settings.upstreams))
    except SettingsError as error:
        for problem in error.problems:
            yield found_failing(check, str(problem), "correct it; a gateway that runs goes on with what the file said before")
        return
    yield found_well(
        check,
        f"{path}: {len(overlay.models)} models, {len(overlay.prices)} prices, {len(overlay.aliases)} aliases, {len(overlay.hidden)} hidden",
    )
    unserved = [entry.id for entry in overlay.models if not any(upstream.serves(entry.id) for upstream in settings.upstreams)]
    if unserved and settings.upstreams:
        text = f"no upstream serves {', '.join(unserved[:_SHOWN])}" + (f" and {len(unserved) - _SHOWN} more" if unserved[_SHOWN:] else "")
        yield found_doubtful(check, text, "the vendor of an id is the upstream's id, unless the upstream's models say otherwise")


def check_prices(now: datetime) -> Iterator[Finding]:
    """Whether the bundled price data can be read, and how much of it there is."""
    catalogue = load_catalogue(now)
    priced = sum(model.tariff is not None for model in catalogue.models.values())
    text = f"{len(catalogue.models):,} models, {priced:,} with a price"
    if not priced:
        yield found_failing("prices", text, "the package genai-prices is damaged: install it again")
        return
    until = catalogue.valid_until
    yield found_well("prices", text + (f"; the next announced change is on {until:%Y-%m-%d}" if until else ""))
