"""`anyrouter models`: what clients can ask for, what it costs, and which upstream would answer."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from anyrouter.cli.configuration import read_catalogue, read_settings
from anyrouter.cli.options import DATA_DIR, Config, DataDir, Json
from anyrouter.cli.output import print_json, print_note, print_table
from anyrouter.core.catalogue import Model
from anyrouter.core.money import format_decimal

if TYPE_CHECKING:
    from anyrouter.settings import Settings, Upstream

COLUMNS = ("MODEL", "CONTEXT", "INPUT $/M", "OUTPUT $/M", "UPSTREAMS")


def list_models(
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="Only models whose id contains it.", show_default=False)] = None,
    is_live: Annotated[bool, typer.Option("--live", help="Only what live keys reach: models that a configured upstream serves.")] = False,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """List the models with their prices and the upstreams that serve them.

    Keys of a sandbox environment, such as `test`, reach them all, simulated. Prices are in USD per million tokens. What an own server
    says it has is asked for by the running gateway only: `GET /models` lists it.
    """
    settings = read_settings(data_dir, config)
    rows = [
        (model, serving)
        for model in _find_models(settings)
        if (serving := [upstream.id for upstream in settings.upstreams if upstream.serves(model.canonical_id or model.id)]) or not is_live
    ]
    rows = [row for row in rows if text is None or text.lower() in row[0].id.lower()]
    if as_json:
        from anyrouter.control.model_rows import describe_model  # noqa: PLC0415 -- with the catalogue, see below

        print_json({"object": "list", "data": [{**describe_model(model), "upstreams": serving} for model, serving in rows]})
        return
    print_table(COLUMNS, [_row(model, serving) for model, serving in rows], empty=_why_none(settings.upstreams, is_live=is_live))
    if rows and not settings.upstreams:
        print_note("No upstream is configured: test keys reach these models, simulated. docs/configuration.md shows how to go live.")


def _find_models(settings: "Settings") -> list[Model]:
    """The catalogue and what the configuration names beyond it, by id."""
    catalogue = read_catalogue(settings, datetime.now(UTC))
    models = dict(catalogue.listed)
    for upstream in settings.upstreams:
        for served in upstream.models:
            if served.upstream_name is not None and served.public not in models and not catalogue.is_hidden(served.public):
                vendor = served.public.partition("/")[0]
                unknown = Model(id=served.public, vendor=vendor, upstream_name=served.upstream_name, name=served.public)
                models[served.public] = catalogue.resolve(served.public) or unknown
    return [model for _, model in sorted(models.items())]


def _row(model: Model, serving: list[str]) -> tuple[str, ...]:
    context = f"{model.context_length:,}" if model.context_length is not None else ""
    prices = ("", "") if model.tariff is None else (_dollars(model.tariff.input_nanousd), _dollars(model.tariff.output_nanousd))
    return model.id, context, *prices, " ".join(serving)


def _dollars(nanousd: int) -> str:
    return format_decimal(Decimal(nanousd).scaleb(-9))


def _why_none(upstreams: "tuple[Upstream, ...]", *, is_live: bool) -> str:
    if is_live and not upstreams:
        return "No upstream is configured, so live keys reach nothing: docs/configuration.md shows how to add one."
    return "No such model."
