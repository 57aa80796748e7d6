"""The settings for a command, with the command line's own options on top."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyrouter.cli.failure import CommandFailed, ExitCode

if TYPE_CHECKING:
    from anyrouter.settings import Settings


def read_settings(data_dir: Path, config: Path | None, **flags: Any) -> "Settings":
    """The settings in force; CommandFailed with every mistake. `flags` are named section__key, None was not given."""
    from anyrouter.settings import SettingsError, load_settings  # noqa: PLC0415 -- takes 0.2 s; version and --help do without

    try:
        return load_settings(data_dir=data_dir, config=config, flags={name.replace("__", "."): value for name, value in flags.items()})
    except SettingsError as error:
        lines = tuple(str(problem) for problem in error.problems)
        raise CommandFailed(
            ExitCode.CONFIGURATION,
            "configuration",
            f"the configuration has {'a mistake' if len(lines) == 1 else f'{len(lines)} mistakes'}",
            cure="docs/configuration.md shows a working file",
            lines=lines,
        ) from None
