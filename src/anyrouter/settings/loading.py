"""From a file, variables and flags to `Settings`: the later wins, everything is checked, all mistakes are told at once."""

import os
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from anyrouter.core.ids import new_id
from anyrouter.core.provider import Provider
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Environment, EnvironmentKind
from anyrouter.providers.registry import PROVIDERS
from anyrouter.settings.byok import ByokSettings
from anyrouter.settings.dashboard import DashboardSettings
from anyrouter.settings.fields import Section
from anyrouter.settings.messages import LeakSettings, NoticeSettings
from anyrouter.settings.money import BillingSettings
from anyrouter.settings.problems import Origins, Problem, SettingsError, UnusableUpstreamError, describe, explain, unknown_name
from anyrouter.settings.sections import (
    ARRAYS,
    SECTIONS,
    CacheSettings,
    CatalogueSettings,
    EnvironmentSettings,
    LimitSettings,
    LoggingSettings,
    RetentionSettings,
    RoutingSettings,
    ServerSettings,
    StorageSettings,
    UpstreamSettings,
)
from anyrouter.settings.sso import SsoSettings
from anyrouter.settings.upstreams import Upstream, implied, resolve
from anyrouter.settings.variables import CONFIG_VARIABLE, DATA_DIR_VARIABLE, apply_variables

CONFIG_NAME = "anyrouter.toml"
DEFAULT_DATA_DIR = Path("data")
STANDARD_ENVIRONMENTS = {
    "live": EnvironmentSettings(slug="live", kind=EnvironmentKind.LIVE),
    "test": EnvironmentSettings(slug="test", kind=EnvironmentKind.SANDBOX),
}
SectionT = TypeVar("SectionT", bound=Section)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that the operator decided, checked.

    `data_dir` and `config_path` are absolute. `environments` holds `live` and `test` whatever the file says. `upstreams` are
    in the order in which they are tried.
    """

    data_dir: Path
    config_path: Path | None
    server: ServerSettings
    storage: StorageSettings
    limits: LimitSettings
    retention: RetentionSettings
    logging: LoggingSettings
    catalogue: CatalogueSettings
    routing: RoutingSettings
    cache: CacheSettings
    billing: BillingSettings
    notices: NoticeSettings
    leaks: LeakSettings
    byok: ByokSettings
    dashboard: DashboardSettings
    sso: SsoSettings
    environments: tuple[EnvironmentSettings, ...]
    upstreams: tuple[Upstream, ...]

    def declare_environments(self, now_ms: int) -> tuple[Environment, ...]:
        """The environments that the configuration itself names, as records with fresh ids (`now_ms`: Unix milliseconds)."""
        return tuple(
            Environment(
                id=new_id("env", now_ms),
                organisation_id=DEFAULT_ORGANISATION_ID,
                slug=table.slug,
                name=table.name or table.slug.capitalize(),
                kind=table.kind,
                rate_limit_rpm=table.rate_limit_rpm,
                rate_limit_tpm=table.rate_limit_tpm,
                concurrency=table.concurrency,
                budget_policy=table.budget_policy,
            )
            for table in self.environments
            if table is not STANDARD_ENVIRONMENTS.get(table.slug)
        )

    def list_unknown_environments(self, stored: Collection[str]) -> list[tuple[str, str]]:
        """The upstreams that name an environment which is neither declared nor among the `stored` slugs, with that name.

        Nobody's requests go there by that name until somebody makes such an environment.
        """
        known = {table.slug for table in self.environments} | set(stored)
        return [(upstream.id, slug) for upstream in self.upstreams for slug in upstream.environments or () if slug not in known]

    @property
    def overlay_path(self) -> Path | None:
        """The file of models, None when there is none."""
        return None if self.catalogue.overlay is None else self.resolve_path(self.catalogue.overlay)

    def resolve_path(self, path: str) -> Path:
        """A path that the configuration names: a relative one starts at the file's directory, without a file at the data directory."""
        return _directory(self.data_dir, self.config_path) / Path(path).expanduser()


def load_settings(
    *,
    data_dir: Path | None = None,
    config: Path | None = None,
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    providers: Mapping[str, Provider] = PROVIDERS,
) -> Settings:
    """The settings in force: flag over variable over file over default. SettingsError has everything that is wrong.

    `flags` are by dotted name ("server.port"); those that are None were not given.
    """
    environ = os.environ if environ is None else environ
    data_dir = (data_dir or Path(environ.get(DATA_DIR_VARIABLE) or DEFAULT_DATA_DIR)).expanduser().absolute()
    path = _config_path(data_dir, config, environ)
    raw = _read(path) if path is not None else {}
    origins = Origins(str(path) if path is not None else "configuration")
    reader = _Reader(raw, origins)
    named = reader.named("upstreams", "credential_variable") | reader.named("sso", "client_secret_variable")
    reader.problems += apply_variables(raw, environ, origins, credential_variables=named)
    reader.apply_flags(flags or {})
    reader.check_top_level()
    environments = reader.environments()
    directory = _directory(data_dir, path)
    settings = Settings(
        data_dir=data_dir,
        config_path=path,
        server=reader.section("server", ServerSettings),
        storage=reader.section("storage", StorageSettings),
        limits=reader.section("limits", LimitSettings),
        retention=reader.section("retention", RetentionSettings),
        logging=reader.section("logging", LoggingSettings),
        catalogue=reader.section("catalogue", CatalogueSettings),
        routing=reader.section("routing", RoutingSettings),
        cache=reader.section("cache", CacheSettings),
        billing=reader.section("billing", BillingSettings),
        notices=reader.section("notices", NoticeSettings),
        leaks=reader.section("leaks", LeakSettings),
        byok=reader.section("byok", ByokSettings),
        dashboard=reader.section("dashboard", DashboardSettings),
        sso=reader.section("sso", SsoSettings),
        environments=environments,
        upstreams=reader.upstreams(providers, environments, environ, directory),
    )
    if reader.problems:
        raise SettingsError(reader.problems)
    return settings


class _Reader:
    """Takes the raw tables apart and collects what is wrong with them. Where something is, a default stands in until the end."""

    def __init__(self, raw: dict[str, Any], origins: Origins) -> None:
        self.raw, self.origins = raw, origins
        self.problems: list[Problem] = []

    def add(self, path: Sequence[object], text: str) -> None:
        array = self.raw.get(str(path[0]))
        tables = array if isinstance(array, list) else ()
        self.problems.append(Problem(origin=self.origins.of(path), setting=describe(path, tables), text=text))

    def named(self, array: str, key: str) -> set[str]:
        """The texts that the array's tables, or the one table, have under `key`, whether or not they are otherwise right."""
        tables = self.raw.get(array)
        tables = [tables] if isinstance(tables, dict) else tables
        found = [table.get(key) for table in tables if isinstance(table, dict)] if isinstance(tables, list) else []
        return {text for text in found if isinstance(text, str)}

    def apply_flags(self, flags: Mapping[str, Any]) -> None:
        for name, value in flags.items():
            if value is not None:
                section, _, key = name.partition(".")
                table = self.raw.setdefault(section, {})
                if isinstance(table, dict):  # else the file's mistake is reported by itself
                    table[key] = value
                self.origins.note((section, key), f"--{key.replace('_', '-')}")

    def check_top_level(self) -> None:
        for name in self.raw:
            if name not in SECTIONS | ARRAYS:
                self.add([name], unknown_name(name, (), None))

    def section(self, name: str, model: type[SectionT]) -> SectionT:
        return self._table([name], model, self.raw.get(name, {})) or model()

    def environments(self) -> tuple[EnvironmentSettings, ...]:
        found = dict(STANDARD_ENVIRONMENTS)
        for index, table in self._array("environments", EnvironmentSettings):
            standard = STANDARD_ENVIRONMENTS.get(table.slug)
            if standard is not None and "kind" not in table.model_fields_set:
                table = table.model_copy(update={"kind": standard.kind})  # noqa: PLW2901 -- the same table, its kind known by its slug
            if standard is not None and table.kind is not standard.kind:
                self.add(["environments", index, "kind"], f"must be {standard.kind}: {table.slug} always is")
            found[table.slug] = table
        return tuple(found.values())

    def upstreams(
        self, providers: Mapping[str, Provider], environments: tuple[EnvironmentSettings, ...], environ: Mapping[str, str], directory: Path
    ) -> tuple[Upstream, ...]:
        found = []
        for index, table in self._array("upstreams", UpstreamSettings):
            try:
                found.append(resolve(table, providers=providers, environments=environments, environ=environ, directory=directory))
            except UnusableUpstreamError as problem:
                self.add(["upstreams", index, problem.key], str(problem))
        declared = self.named("upstreams", "id")
        for provider in providers.values():
            try:
                upstream = implied(provider, environ) if provider.id not in declared else None
            except UnusableUpstreamError as problem:
                self.problems.append(Problem(origin=problem.key, setting="", text=str(problem)))
            else:
                found += [upstream] if upstream is not None else []
        return tuple(sorted(found, key=lambda upstream: upstream.priority))

    def _table(self, path: Sequence[object], model: type[SectionT], value: Any) -> SectionT | None:
        array = self.raw.get(str(path[0]))
        try:
            return model.model_validate(value)
        except ValidationError as error:
            self.problems += explain(error, path, model, self.origins, array if isinstance(array, list) else ())
            return None

    def _array(self, name: str, model: type[SectionT]) -> Iterator[tuple[int, SectionT]]:
        tables = self.raw.get(name, [])
        if not isinstance(tables, list):
            self.add([name], f"must be an array of tables: [[{name}]]")
            return
        identity, seen = ("slug" if "slug" in model.model_fields else "id"), set[str]()
        for index, value in enumerate(tables):
            table = self._table([name, index], model, value)
            if table is None:
                continue
            text = getattr(table, identity)
            if text in seen:
                self.add([name, index, identity], f"is used twice: {text}")
            seen.add(text)
            yield index, table


def _directory(data_dir: Path, config_path: Path | None) -> Path:
    return config_path.parent if config_path is not None else data_dir


def _config_path(data_dir: Path, config: Path | None, environ: Mapping[str, str]) -> Path | None:
    named = config or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    if named is not None:
        return named.expanduser().absolute()
    standard = data_dir / CONFIG_NAME
    return standard if standard.exists() else None


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        text = f"cannot be read: {error.strerror or type(error).__name__}"
    except UnicodeDecodeError:
        text = "is not a text in UTF-8"
    except (ValueError, RecursionError) as error:  # also of a number with thousands of digits, or of a thousand brackets
        text = f"is not TOML: {error}"
    raise SettingsError([Problem(origin=str(path), setting="", text=text)]) from None
