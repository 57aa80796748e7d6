"""The options that several commands share, so that they read the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        envvar="ANYROUTER_DATA_DIR",
        help="Where the database, the pepper and the journal are.",
        rich_help_panel="Where things are",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        envvar="ANYROUTER_CONFIG",
        help="The configuration file.  [default: DIR/anyrouter.toml if it exists]",
        show_default=False,
        rich_help_panel="Where things are",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document; errors become one on standard error.")]
Org = Annotated[str, typer.Option("--org", metavar="ID", help="The organisation that it is about.")]
DATA_DIR = Path("data")
