"""The settings for a command, with the command line's own options on top."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyrouter.cli.failure import CommandFailed, ExitCode

if TYPE_CHECKING:
    from anyrouter.control.catalogue import Catalogue
    from anyrouter.settings import Settings, SettingsError

MODELS_FILE, MODELS_CURE = "the file of models", "docs/how-to/models.md shows a working file"


def read_settings(data_dir: Path, config: Path | None, **flags: Any) -> "Settings":
    """The settings in force; CommandFailed with every mistake. `flags` are named section__key, None was not given."""
    from anyrouter.settings import SettingsError, load_settings  # noqa: PLC0415 -- takes 0.2 s; version and --help do without

    try:
        return load_settings(data_dir=data_dir, config=config, flags={name.replace("__", "."): value for name, value in flags.items()})
    except SettingsError as error:
        raise explain_mistakes(error, "the configuration", "docs/configuration.md shows a working file") from None


def explain_mistakes(error: "SettingsError", what: str, cure: str) -> CommandFailed:
    """All mistakes of a file, as the failure of a command."""
    lines = tuple(str(problem) for problem in error.problems)
    count = "a mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
    return CommandFailed(ExitCode.CONFIGURATION, "configuration", f"{what} has {count}", cure=cure, lines=lines)


def read_catalogue(settings: "Settings", now: datetime) -> "Catalogue":
    """The bundled models and what the operator's file says about models; CommandFailed with every mistake of that file."""
    from anyrouter.control.catalogue import load_catalogue  # noqa: PLC0415 -- reads all prices: 0.2 s that --help does without
    from anyrouter.control.overlay import NO_OVERLAY, compose  # noqa: PLC0415 -- as above
    from anyrouter.settings import SettingsError  # noqa: PLC0415 -- as above
    from anyrouter.settings.overlay import read_overlay, serves_beyond  # noqa: PLC0415 -- as above

    bundled, path = load_catalogue(now), settings.overlay_path
    try:
        overlay = NO_OVERLAY if path is None else read_overlay(path, bundled, serves_beyond(bundled, settings.upstreams))
    except SettingsError as error:
        raise explain_mistakes(error, MODELS_FILE, MODELS_CURE) from None
    return compose(bundled, overlay)
