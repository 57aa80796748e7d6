"""`anyrouter keys create` and `rotate`: the commands that show a key's text, each once."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anyrouter.cli.configuration import read_settings
from anyrouter.cli.failure import CommandFailed, ExitCode
from anyrouter.cli.key_rows import key_object
from anyrouter.cli.options import DATA_DIR, Config, DataDir, Json, Org
from anyrouter.cli.output import print_json, print_lines, print_note, print_panel
from anyrouter.cli.store import KeyDesk, with_keys
from anyrouter.cli.welcome import ECHO_MODEL, curl_line
from anyrouter.control.expiry import parse_span
from anyrouter.control.rotation import GraceStart
from anyrouter.core import scopes
from anyrouter.core.apikey import ApiKey, KeyKind
from anyrouter.core.budget import BudgetPeriod, BudgetPolicy
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID

if TYPE_CHECKING:
    from anyrouter.settings import Settings

Named = Annotated[str, typer.Argument(metavar="KEY", help="Its id (key_…), its label (ar-live-Ab3dE6) or its name.", show_default=False)]
_AGAIN = "may be given several times.  [default: all]"


def _many(option: str, metavar: str, text: str) -> Any:
    return typer.Option(option, metavar=metavar, help=f"{text}; {_AGAIN}", show_default=False)


def _one(option: str, metavar: str, text: str, default: str) -> Any:
    return typer.Option(option, metavar=metavar, help=f"{text}  [default: {default}]", show_default=False)


Name = Annotated[
    str,
    typer.Option("--name", "-n", metavar="NAME", help="What it is for; no two keys of an environment have the same.", show_default=False),
]
Env = Annotated[
    str,
    typer.Option("--env", "-e", metavar="SLUG", help="`live` reaches your upstreams, `test` the simulated provider, free and offline."),
]
Scope = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        metavar="SCOPE",
        help=f"May be given several times.  [default: {' '.join(scopes.DEFAULT_SCOPES)}]",
        show_default=False,
    ),
]
LimitReset = Annotated[BudgetPeriod, typer.Option("--limit-reset", help="When its limit is whole again, in UTC.")]
Policy = Annotated[
    BudgetPolicy | None,
    typer.Option("--budget-policy", help="What becomes of a request that could cost more than is left.", show_default=False),
]
Tag = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="TEXT", help="Usage can be grouped by it; may be given several times.", show_default=False),
]
MemberId = Annotated[
    str | None,
    typer.Option("--member", metavar="ID", help="Whose personal key it is: it ends with the membership.", show_default=False),
]


def create(
    *,
    name: Name,
    environment: Env = "live",
    scope: Scope = None,
    model: Annotated[list[str] | None, _many("--model", "MODEL", "A model that it may use, or `vendor/*`")] = None,
    endpoint: Annotated[list[str] | None, _many("--endpoint", "PATH", "A path that it may use, such as `chat/completions`")] = None,
    provider: Annotated[list[str] | None, _many("--provider", "ID", "A provider that it may reach")] = None,
    region: Annotated[list[str] | None, _many("--region", "NAME", "A region that it may reach")] = None,
    allow_ip: Annotated[list[str] | None, _many("--allow-ip", "NETWORK", "An address or network (CIDR) that it may be used from")] = None,
    not_before: Annotated[str | None, _one("--not-before", "WHEN", "When it becomes valid, as `--expires`.", "at once")] = None,
    expires: Annotated[str | None, _one("--expires", "WHEN", "`90m`, `12h`, `30d`, or an RFC 3339 time.", "never")] = None,
    rpm: Annotated[int | None, _one("--rpm", "N", "Requests per minute; 0 blocks it.", "the environment's limit")] = None,
    tpm: Annotated[int | None, _one("--tpm", "N", "Tokens per minute; 0 blocks it.", "the environment's limit")] = None,
    rpd: Annotated[int | None, _one("--rpd", "N", "Requests per day (UTC); 0 blocks it.", "no limit")] = None,
    concurrency: Annotated[int | None, _one("--concurrency", "N", "Requests at once; 0 blocks it.", "the environment's limit")] = None,
    limit: Annotated[str | None, _one("--limit", "USD", "What it may cost in each period of `--limit-reset`.", "no limit")] = None,
    limit_reset: LimitReset = BudgetPeriod.TOTAL,
    budget_policy: Policy = None,
    tag: Tag = None,
    member: MemberId = None,
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Make a key and show its text, this once: only a digest of it is kept.

    With --json: {"data": {…}, "key": "ar-…"}.
    """
    fields: dict[str, Any] = {
        "scopes": scope or None,
        "models": model or None,
        "endpoints": endpoint or None,
        "providers": provider or None,
        "regions": region or None,
        "allowed_ips": allow_ip or None,
        "not_before": not_before,
        "expires_at": expires,
        "rate_limit_rpm": rpm,
        "rate_limit_tpm": tpm,
        "rate_limit_rpd": rpd,
        "concurrency": concurrency,
        "limit": limit,
        "limit_reset": limit_reset.value,
        "budget_policy": budget_policy,
        "tags": tag or None,
        "kind": KeyKind.SERVICE if member is None else KeyKind.PERSONAL,
        "member_id": member,
    }
    settings = read_settings(data_dir, config)
    key, text = with_keys(settings, lambda desk: desk.create(name=name, environment=environment, **fields), organisation_id=org)
    if as_json:
        print_json({"data": key_object(key, _now()), "key": text})
        return
    _print_new_key(settings, key, text)


def rotate(
    key: Named,
    *,
    grace: Annotated[
        str, typer.Option("--grace", metavar="SPAN", help="How long the old key goes on: `90m`, `12h`, at most `30d`; `0` ends it now.")
    ] = "24h",
    start: Annotated[
        GraceStart,
        typer.Option(help="`first_use`: the grace begins when the new key is first used, so it does not run out before the deploy."),
    ] = GraceStart.NOW,
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Make a key that takes another's place, with exactly its restrictions. Both share limits, budget and usage.

    With --json: {"data": {…}, "key": "ar-…", "old": {…}}.
    """
    grace_s = _read_grace(grace)
    settings = read_settings(data_dir, config)

    async def work(desk: KeyDesk) -> tuple[ApiKey, str, ApiKey]:
        return await desk.rotate(key, grace_s, start)

    new, text, old = with_keys(settings, work, organisation_id=org)
    if as_json:
        print_json({"data": key_object(new, _now()), "key": text, "old": key_object(old, _now())})
        return
    print_panel(f"The key {new.name!r} of the environment {new.environment!r}, shown this once", text)
    ends = (
        f"ends at {old.expires_at:%Y-%m-%d %H:%M:%S} UTC" if old.expires_at is not None else f"ends {grace} after the first use of this one"
    )
    print_lines(["", f"the old key {old.label}… {ends}"])


def _read_grace(text: str) -> int:
    span = timedelta(0) if text.strip() == "0" else parse_span(text)
    if span is None:
        raise CommandFailed(ExitCode.USAGE, "invalid_parameter", f"--grace: {text[:40]!r} is no span; write 0, 90m, 12h or 7d")
    return int(span.total_seconds())


def _print_new_key(settings: "Settings", key: ApiKey, text: str) -> None:
    is_sandbox = any(item.slug == key.environment and item.kind == "sandbox" for item in settings.environments)
    print_panel(f"The key {key.name!r} of the environment {key.environment!r}, shown this once", text)
    named = next((item for item in key.models or () if not item.endswith("/*")), ECHO_MODEL if is_sandbox and key.models is None else None)
    print_lines(["", curl_line(settings.server.base_url(), text, named)])
    if not is_sandbox and not any(key.environment in (upstream.environments or (key.environment,)) for upstream in settings.upstreams):
        print_note(f"No upstream serves the environment {key.environment!r} yet: docs/configuration.md shows how to add one.")


def _now() -> datetime:
    return datetime.now(UTC)
