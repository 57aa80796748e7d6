"""`anyrouter doctor`: looks at everything that a working gateway needs, and says what to do."""

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from anyrouter.cli.configuration import read_settings
from anyrouter.cli.failure import CommandFailed, ExitCode
from anyrouter.cli.finding import Finding, State, found_failing
from anyrouter.cli.options import DATA_DIR, Config, DataDir, Json
from anyrouter.cli.output import print_findings, print_json

if TYPE_CHECKING:
    from anyrouter.settings import Settings


def check(
    is_offline: Annotated[bool, typer.Option("--offline", help="Ask no upstream.")] = False,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Check configuration, data directory, database, journal, prices, models and each upstream, and say what to do.

    Looks only: nothing is made, changed or migrated, and a running server is not disturbed. Each upstream gets one request for its
    list of models, or another that costs nothing; with a service account's key a token is bought. Exit code 1 when something does not
    work; warnings do not count.
    """
    try:
        findings = list(_examine(read_settings(data_dir, config), is_offline=is_offline))
    except CommandFailed as failure:
        findings = [found_failing("configuration", line, failure.cure) for line in failure.lines or (failure.message,)]
    is_well = all(finding.state is not State.FAILED for finding in findings)
    if as_json:
        rows = [{"check": item.check, "state": item.state.value, "text": item.text, "cure": item.cure} for item in findings]
        print_json({"ok": is_well, "data": rows})
    else:
        print_findings(findings)
    if not is_well:
        raise typer.Exit(ExitCode.FAILED)


def _examine(settings: "Settings", *, is_offline: bool) -> Iterator[Finding]:
    from anyrouter.cli import machine_checks, storage_checks, upstream_checks  # noqa: PLC0415 -- a second that other commands do without

    yield from machine_checks.check_configuration(settings)
    yield from machine_checks.check_python()
    yield from machine_checks.check_data_directory(settings.data_dir)
    yield from machine_checks.check_address(settings)
    yield from asyncio.run(storage_checks.check_storage(settings, os.environ))
    yield from storage_checks.check_journal(settings.data_dir)
    yield from machine_checks.check_prices(datetime.now(UTC))
    yield from machine_checks.check_models_file(settings, datetime.now(UTC))
    if not is_offline:
        yield from asyncio.run(upstream_checks.check_upstreams(settings.upstreams, os.environ))
